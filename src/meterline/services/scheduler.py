"""The scheduler: settles the books of whoever has something due, batch by batch, each in one transaction.

Any number of processes may run it: a batch holds its customers' books and passes over those that are held. Killed at
any point it leaves nothing half done, because a batch is one transaction; done again it stores nothing twice, because
ids derive from their causes. After an outage, be it over a month's end, it does what fell due meanwhile, in order.
Decision: docs/decisions/0013-books-and-the-scheduler.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from meterline.services import books
from meterline.store import books_due
from meterline.store.database import Connection, Database
from meterline.stream import crash

logger = structlog.get_logger()

BATCH_MAX = 200
"""Customers settled in one transaction: enough to share its queries, few enough for a second or two."""

IDLE_SECONDS = 1.0
"""Between two looks at what is due: invoices are final to the second."""

OUTAGE_SECONDS = 1.0
_OUTAGES = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)


@dataclass(frozen=True, slots=True)
class Settled:
    """How many customers were settled, and how many could not be."""

    customers: int = 0
    failed: int = 0

    def __add__(self, other: Settled) -> Settled:
        return Settled(self.customers + other.customers, self.failed + other.failed)


async def run(database: Database, *, clock: Callable[[], datetime], stop: asyncio.Event) -> None:
    """Settle whatever falls due, in every environment, until `stop`. Outages are waited out."""
    while not stop.is_set():
        pause = IDLE_SECONDS
        try:
            await settle_everything(database, clock(), stop)
        except _OUTAGES as outage:
            logger.warning("outage", reason=str(outage))
            pause = OUTAGE_SECONDS
        try:
            await asyncio.wait_for(stop.wait(), pause)
        except TimeoutError:
            continue


async def settle_everything(
    database: Database, wall_clock: datetime, stop: asyncio.Event | None = None
) -> Settled:
    """Settle what is due in every environment by its own time, and return how much that was."""
    async with database.installation() as connection:
        due = await books_due.environments_due(connection, wall_clock)
    settled = Settled()
    for environment_id, now in due.items():
        settled += await settle_environment(database, environment_id, now, stop=stop)
    return settled


async def settle_environment(
    database: Database,
    environment_id: int,
    now: datetime,
    *,
    wait: bool = False,
    stop: asyncio.Event | None = None,
) -> Settled:
    """Settle everybody of an environment of whom something is due by `now`.

    `wait` for customers whose books somebody else holds, instead of passing over them. Who fails is noted, and is not
    due again until his time to be retried has come.
    """
    settled = Settled()
    while stop is None or not stop.is_set():
        taken: list[UUID] = []
        try:
            async with database.transaction(environment_id) as connection:
                taken = await books_due.take(connection, now, BATCH_MAX, wait=wait)
                if not taken:
                    break
                crash.point("schedule:taken")
                await _settle(connection, environment_id, taken, now)
            crash.point("schedule:committed")
            settled += Settled(customers=len(taken))
        except Exception as error:  # the others of the batch go on without whoever it is about
            if not taken or _is_outage(error):
                raise
            settled += await _settle_apart(database, environment_id, taken, now, error)
    return settled


async def _settle_apart(
    database: Database,
    environment_id: int,
    customer_ids: Collection[UUID],
    now: datetime,
    error: Exception,
) -> Settled:
    """Settle by halves customers whose settling failed together, until whose fault it is is known."""
    if len(customer_ids) == 1:
        (customer_id,) = customer_ids
        await _note_failure(database, environment_id, customer_id, error)
        return Settled(failed=1)
    ordered = sorted(customer_ids)
    settled = Settled()
    for half in (ordered[: len(ordered) // 2], ordered[len(ordered) // 2 :]):
        try:
            async with database.transaction(environment_id) as connection:
                await books_due.lock(connection, half)
                await _settle(connection, environment_id, half, now)
            settled += Settled(customers=len(half))
        except Exception as failed:
            if _is_outage(failed):
                raise
            settled += await _settle_apart(database, environment_id, half, now, failed)
    return settled


async def _settle(
    connection: Connection, environment_id: int, customer_ids: Collection[UUID], now: datetime
) -> None:
    await books.settle(connection, environment_id, customer_ids, now)
    crash.point("schedule:written")


async def _note_failure(
    database: Database, environment_id: int, customer_id: UUID, error: Exception
) -> None:
    logger.error(
        "customer_not_settled",
        environment_id=environment_id,
        customer_id=str(customer_id),
        exc_info=error,
    )
    async with database.transaction(environment_id) as connection:
        await books_due.note_failure(connection, customer_id, repr(error))


def _is_outage(error: Exception) -> bool:
    """Whether the database is away. A statement that took too long is a matter of what was asked."""
    return isinstance(error, _OUTAGES) and not isinstance(error, psycopg.errors.QueryCanceled)
