"""Death of the scheduler at every named point, alone and beside another: the books are as if nobody had died."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

import pytest
from tests.crash.rig import Rig, eventually
from tests.support.books_shop import Shop, open_shop
from tests.support.running_api import utc

from meterline.services.scheduler import settle_environment
from meterline.store.database import Database
from meterline.stream.crash import POINTS

# Books are settled from PostgreSQL, wherever the log is.
pytestmark = pytest.mark.parametrize("log_environ", ["postgresql"], indirect=True)

SCHEDULE = [name for name in POINTS if name.startswith("schedule:")]
START = utc(2031, 1, 1)
GRACE = timedelta(hours=24)
FEBRUARY, MARCH, APRIL = (utc(2031, month, 1) + GRACE for month in (2, 3, 4))

T = TypeVar("T")


class Books:
    """A shop that the roles settle, and what its books must come to: those of a shop settled without a death."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.shop = self._run(lambda database: _filled(database, "shop"))
        self._numbers = iter(range(1000))

    def turn(self, to: datetime) -> None:
        """Set the clock, so that there is something to do."""

        async def turn(database: Database) -> None:
            self.shop.database = database
            await self.shop.turn_clock(to)

        self._run(turn)

    def eventually_as_if_nobody_had_died(self) -> None:
        """Return once the books are right."""

        async def expected(database: Database) -> dict[str, list[str]]:
            other = await _filled(database, f"other-{next(self._numbers)}")
            for at in (FEBRUARY, MARCH, APRIL):
                if at <= self.shop.now:
                    await settle_environment(database, other.environment_id, at)
            return await other.dump()

        wanted = self._run(expected)
        assert len(wanted["invoice"]) >= 8
        eventually(lambda: self.dump() == wanted, 20, "the books are not settled")

    def dump(self) -> dict[str, list[str]]:
        async def dump(database: Database) -> dict[str, list[str]]:
            self.shop.database = database
            return await self.shop.dump()

        return self._run(dump)

    def _run(self, use: Callable[[Database], Awaitable[T]]) -> T:
        async def run() -> T:
            async with Database(self._rig.database_url, connections_max=2) as database:
                return await use(database)

        return asyncio.run(run())


async def _filled(database: Database, name: str) -> Shop:
    shop = await open_shop(database, START, name=name)
    for n in (10, 80, 300, 900):
        customer = await shop.customer()
        for day in (2, 29, 33, 70):
            await shop.use(customer, START + timedelta(days=day), n)
    return shop


@pytest.fixture
def books(rig: Rig) -> Books:
    return Books(rig)


@pytest.mark.parametrize("name", SCHEDULE)
def test_the_scheduler_dies(rig: Rig, books: Books, name: str) -> None:
    rig.start("schedule", crash_at=f"{name}:2")
    books.turn(FEBRUARY)
    books.eventually_as_if_nobody_had_died()
    books.turn(MARCH)
    rig.wait_for_death("schedule")
    books.turn(APRIL)  # down over a month's end
    rig.start("schedule", crash_at=f"{name}:1")
    rig.wait_for_death("schedule")
    rig.start("schedule")
    books.eventually_as_if_nobody_had_died()


def test_one_of_two_dies_at_every_point_in_turn(rig: Rig, books: Books) -> None:
    """The other one, which was stopped meanwhile, takes over what it left."""
    rig.start("schedule")
    for name, at in zip(SCHEDULE, (FEBRUARY, MARCH, APRIL), strict=True):
        rig.roles["schedule"].signal(signal.SIGSTOP)
        rig.start("schedule-2", crash_at=f"{name}:1")
        books.turn(at)
        rig.wait_for_death("schedule-2")
        rig.roles["schedule"].signal(signal.SIGCONT)
        books.eventually_as_if_nobody_had_died()


def test_killed_at_any_time(rig: Rig, books: Books) -> None:
    pauses = random.Random(5)
    for at in (FEBRUARY, MARCH, APRIL):
        books.turn(at)
        for _ in range(2):
            rig.start("schedule")
            time.sleep(pauses.uniform(0.8, 1.6))
            rig.roles["schedule"].kill()
    rig.start("schedule")
    books.eventually_as_if_nobody_had_died()
