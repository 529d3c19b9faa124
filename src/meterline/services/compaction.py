"""The background step that keeps reading cheap: usage of closed hours moves to the rollup.

What is read never changes by it, at any moment; late events of an hour that moved already simply
move again. It may run in any number of processes at once, beside the workers.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import LiteralString

from meterline.core.period import hour_index
from meterline.store import compaction
from meterline.store.database import Database

CLOSING_DELAY = timedelta(minutes=10)
"""An hour counts as closed this long after its end: stragglers would only make rows move twice."""

CHUNK_ROWS_MAX = 5_000
"""Rows moved in one transaction, which workers that add to one of them wait for: some 100 ms."""


async def compact(
    database: Database, now: datetime, *, chunk_rows_max: int = CHUNK_ROWS_MAX
) -> int:
    """Move every live row of a closed hour, chunk by chunk, and return how many moved.

    `now` is the wall clock; an environment with a clock of its own closes its hours by that. Rows
    that a worker holds right now stay for the next call.
    """
    async with database.installation() as connection:
        clocks = await compaction.clocks(connection)
    closed_before = {
        environment_id: hour_index((clock or now) - CLOSING_DELAY)
        for environment_id, clock in clocks.items()
    }
    moved = 0
    for statement in (compaction.QUANTITIES, compaction.MEMBERS):
        moved += await _pass(database, statement, closed_before, chunk_rows_max)
    return moved


async def _pass(
    database: Database,
    statement: LiteralString,
    closed_before: dict[int, int],
    chunk_rows_max: int,
) -> int:
    """Walk one live table from its first row to its last."""
    moved = 0
    place: str | None = compaction.FIRST_PLACE
    while place is not None:
        async with database.installation() as connection:
            chunk, place = await compaction.move_chunk(
                connection, statement, closed_before, after=place, rows_max=chunk_rows_max
            )
        moved += chunk
    return moved
