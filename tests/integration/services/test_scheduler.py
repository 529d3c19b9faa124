"""The scheduler: everybody's books by their own clock, whoever fails apart, several of it at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.errors import QueryCanceled
from tests.support.books_shop import Shop, in_shop, open_shop
from tests.support.running_api import utc

from meterline.core.invoice import InvoiceStatus
from meterline.log.postgres_backlog import PostgresLogBacklog
from meterline.services import scheduler
from meterline.services.contract_parts import NOTHING
from meterline.services.environments import Principal
from meterline.services.sandbox_clock import move
from meterline.services.scheduler import Settled, settle_environment, settle_everything
from meterline.store.database import Database

START = utc(2031, 1, 1)
FEBRUARY, MARCH = utc(2031, 2, 1), utc(2031, 3, 1)
GRACE = timedelta(hours=24)
WALL_CLOCK = utc(2026, 11, 1)


async def statuses(shop: Shop, customer: int = 0) -> list[InvoiceStatus]:
    """Of the stored invoices of a customer, by date, without settling anything."""
    async with shop.workspace.transaction() as connection:
        rows = await connection.execute(
            "SELECT status FROM invoice WHERE customer_id = %s ORDER BY issued_at",
            [shop.customers[customer]],
        )
        return [InvoiceStatus(row["status"]) for row in await rows.fetchall()]


def test_environments_go_by_their_own_clocks(database_url: str) -> None:
    async def run() -> None:
        async with Database(database_url) as database:
            early, late = [
                await open_shop(database, START, name=name) for name in ("early", "late")
            ]
            for shop in (early, late):
                await shop.customer(NOTHING)
            await late.turn_clock(FEBRUARY + GRACE)
            assert await settle_everything(database, WALL_CLOCK) == Settled(customers=1)
            assert await statuses(early) == []
            assert await statuses(late) == [InvoiceStatus.FINALIZED]
            assert await settle_everything(database, WALL_CLOCK) == Settled()

    asyncio.run(run())


def test_after_months_of_standing_still_everything_is_as_if_it_had_run(database_url: str) -> None:
    async def run() -> None:
        async with Database(database_url) as database:
            dumps = []
            for name, stops in (("ran", range(0, 100, 7)), ("stood still", [])):
                shop = await open_shop(database, START, name=name)
                acme = await shop.customer()
                await shop.use(acme, START + timedelta(days=2), 400)
                for days in [*stops, 100]:
                    await shop.turn_clock(START + timedelta(days=days))
                    await settle_everything(database, WALL_CLOCK)
                dumps.append(await shop.dump())
            assert dumps[0] == dumps[1]
            assert len(dumps[0]["invoice"]) > 3

    asyncio.run(run())


def test_who_cannot_be_settled_is_set_apart_and_tried_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "BATCH_MAX", 4)

    async def scenario(shop: Shop) -> None:
        for _ in range(7):
            await shop.customer(NOTHING)
        broken = shop.contracts[shop.customers[3]]
        set_schedule = (
            "UPDATE contract SET terms = jsonb_set(terms, '{usage_statement_schedule,frequency}', %s)"
            " WHERE contract_id = %s"
        )
        async with shop.workspace.transaction() as connection:
            await connection.execute(set_schedule, ['"NEVER"', broken])
        await shop.turn_clock(FEBRUARY + GRACE)
        settled = await settle_environment(shop.database, shop.environment_id, shop.now)
        assert settled == Settled(customers=6, failed=1)
        for number in range(7):
            expected = [] if number == 3 else [InvoiceStatus.FINALIZED]
            assert await statuses(shop, number) == expected
        # Not at once, and not for ever.
        assert await settle_environment(shop.database, shop.environment_id, shop.now) == Settled()
        async with shop.workspace.transaction() as connection:
            await connection.execute(set_schedule, ['"MONTHLY"', broken])
            rows = await connection.execute(
                "UPDATE books_due SET retry_at = clock_timestamp() WHERE failures > 0 RETURNING reason"
            )
            (row,) = await rows.fetchall()
        assert "NEVER" in row["reason"]
        settled = await settle_environment(shop.database, shop.environment_id, shop.now)
        assert settled == Settled(customers=1)
        assert await statuses(shop, 3) == [InvoiceStatus.FINALIZED]

    in_shop(database_url, START, scenario)


def test_several_at_once_share_the_work_and_do_nothing_twice(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "BATCH_MAX", 5)

    async def scenario(shop: Shop) -> None:
        for number in range(25):
            customer = await shop.customer()
            await shop.use(customer, START + timedelta(days=2), number * 10)
        await shop.turn_clock(MARCH + GRACE)
        async with Database(database_url) as other, Database(database_url) as third:
            shares = await asyncio.gather(
                *(
                    settle_environment(database, shop.environment_id, shop.now)
                    for database in (shop.database, other, third)
                )
            )
        assert sum(share.customers for share in shares) >= 25
        assert sum(1 for share in shares if share.customers) > 1
        async with shop.workspace.transaction() as connection:
            rows = await connection.execute(
                "SELECT customer_id, count(*) FROM invoice WHERE type = 'USAGE' GROUP BY 1"
            )
            per_customer = Counter(row["count"] for row in await rows.fetchall())
        assert per_customer == {2: 25}
        alone = await books_settled_alone()
        assert await shop.dump() == alone

    async def books_settled_alone() -> dict[str, list[str]]:
        async with Database(database_url) as database:
            shop = await open_shop(database, START, name="alone")
            for number in range(25):
                customer = await shop.customer()
                await shop.use(customer, START + timedelta(days=2), number * 10)
            await shop.turn_clock(MARCH + GRACE)
            await settle_environment(database, shop.environment_id, shop.now)
            return await shop.dump()

    in_shop(database_url, START, scenario)


def test_a_statement_that_takes_too_long_is_the_customers_fault_and_no_outage() -> None:
    assert not scheduler._is_outage(QueryCanceled())


def test_it_runs_until_told_to_stop(database_url: str) -> None:
    async def scenario(shop: Shop) -> None:
        await shop.customer(NOTHING)
        stop = asyncio.Event()
        running = asyncio.create_task(
            scheduler.run(shop.database, clock=lambda: datetime.now(UTC), stop=stop)
        )
        assert await statuses(shop) == []
        await shop.turn_clock(FEBRUARY + GRACE)
        for _ in range(100):
            if await statuses(shop):
                break
            await asyncio.sleep(0.1)
        assert await statuses(shop) == [InvoiceStatus.FINALIZED]
        stop.set()
        await asyncio.wait_for(running, 5)

    in_shop(database_url, START, scenario)


def test_moving_the_clock_settles_everybody_before_it_answers(database_url: str) -> None:
    async def scenario(shop: Shop) -> None:
        for _ in range(3):
            await shop.customer(NOTHING)
        principal = Principal(shop.environment_id, "shop", "full", sandbox=True)
        async with PostgresLogBacklog(database_url) as log:
            settled = await move(shop.database, log, principal, MARCH + GRACE)
        assert settled == Settled(customers=3)
        for number in range(3):
            assert await statuses(shop, number) == [InvoiceStatus.FINALIZED] * 2

    in_shop(database_url, START, scenario)


def test_the_grace_is_the_environments(database_url: str) -> None:
    async def scenario(shop: Shop) -> None:
        async with shop.database.installation() as connection:
            await connection.execute("UPDATE environment SET invoice_grace_hours = 2")
        await shop.customer(NOTHING)
        for ago, expected in (
            (timedelta(seconds=1), []),
            (timedelta(0), [InvoiceStatus.FINALIZED]),
        ):
            await shop.turn_clock(FEBRUARY + timedelta(hours=2) - ago)
            await settle_environment(shop.database, shop.environment_id, shop.now)
            assert await statuses(shop) == expected

    in_shop(database_url, START, scenario)
