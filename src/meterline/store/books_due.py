"""Rows of `books_due`: when a customer's next step falls due; and the lock of a customer's books.

The lock is that of the row of `customer`, weak enough to let others refer to it. Whoever holds several takes them in
order of id, or skips those that are held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from meterline.store.database import Connection

RETRY_AFTER = timedelta(seconds=5)
RETRY_AFTER_MAX = timedelta(hours=1)

LOCK = """
    SELECT customer_id FROM customer WHERE customer_id = ANY(%s::uuid[]) ORDER BY customer_id FOR NO KEY UPDATE
"""
# By the customer's row: whoever settles him already is passed over, and what he wrote is seen by the reads that follow.
_DUE = """
    SELECT customer.customer_id FROM books_due JOIN customer USING (environment_id, customer_id)
    WHERE books_due.environment_id = current_environment() AND books_due.due_at <= %(now)s
      AND (books_due.retry_at IS NULL OR books_due.retry_at <= clock_timestamp())
"""
TAKE = (
    _DUE
    + " ORDER BY books_due.due_at, customer.customer_id LIMIT %(limit)s FOR NO KEY UPDATE OF customer SKIP LOCKED"
)
WAIT_FOR = _DUE + " ORDER BY customer.customer_id LIMIT %(limit)s FOR NO KEY UPDATE OF customer"
SET = """
    INSERT INTO books_due AS kept (environment_id, customer_id, due_at)
    SELECT current_environment(), new.* FROM unnest(%s::uuid[], %s::timestamptz[]) AS new
    ON CONFLICT (environment_id, customer_id) DO UPDATE
       SET due_at = excluded.due_at, failures = 0, retry_at = NULL, reason = NULL
     WHERE kept.due_at IS DISTINCT FROM excluded.due_at OR kept.failures > 0
"""
NOTE_FAILURE = """
    UPDATE books_due
    SET failures = failures + 1, reason = %(reason)s,
        retry_at = clock_timestamp() + least(%(first)s * power(2, least(failures, 20)), %(most)s)
    WHERE customer_id = %(customer_id)s
"""
ENVIRONMENTS = """
    SELECT environment_id, coalesce(environment.clock, %(wall_clock)s) AS now
    FROM environment
    WHERE EXISTS (
        SELECT FROM books_due WHERE books_due.environment_id = environment.environment_id
           AND due_at <= coalesce(environment.clock, %(wall_clock)s)
           AND (retry_at IS NULL OR retry_at <= clock_timestamp()))
    ORDER BY environment_id
"""


async def lock(connection: Connection, customer_ids: Sequence[UUID]) -> list[UUID]:
    """Hold the books of these customers until the transaction ends; returns those that exist, by id."""
    rows = await (await connection.execute(LOCK, (list(customer_ids),))).fetchall()
    return [row["customer_id"] for row in rows]


async def take(connection: Connection, now: datetime, limit: int, *, wait: bool) -> list[UUID]:
    """Hold the books of customers of whom something is due, and return who they are.

    Without `wait` those that somebody else holds are passed over, the longest due come first. One may turn out to have
    nothing due any more.
    """
    rows = await connection.execute(WAIT_FOR if wait else TAKE, {"now": now, "limit": limit})
    return [row["customer_id"] for row in await rows.fetchall()]


async def set_due(connection: Connection, due: Mapping[UUID, datetime | None]) -> None:
    """Set when each customer's next step falls due (None: nothing does). Forgets failures."""
    await connection.execute(SET, (list(due), list(due.values())))


async def note_failure(connection: Connection, customer_id: UUID, reason: str) -> None:
    """Have a customer tried again later: the later, the more often it failed."""
    values = {"customer_id": customer_id, "reason": reason}
    await connection.execute(
        NOTE_FAILURE, {**values, "first": RETRY_AFTER, "most": RETRY_AFTER_MAX}
    )


async def environments_due(connection: Connection, wall_clock: datetime) -> dict[int, datetime]:
    """The environments where something is due, and the time in each (an installation's transaction)."""
    rows = await connection.execute(ENVIRONMENTS, {"wall_clock": wall_clock})
    return {row["environment_id"]: row["now"] for row in await rows.fetchall()}
