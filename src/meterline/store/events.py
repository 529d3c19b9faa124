"""Where events that were accepted, or dropped as repeats, lie in the log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from meterline.store.database import Connection

PLACES: LiteralString = """
SELECT event_id, partition, record_offset, seen_at, false AS repeated
  FROM seen_event
 WHERE environment_id = %(environment_id)s AND event_id = ANY (%(ids)s::uuid[])
   AND seen_at > %(since)s
 UNION ALL
SELECT event_id, partition, record_offset, seen_at, true
  FROM duplicate_event
 WHERE environment_id = %(environment_id)s AND event_id = ANY (%(ids)s::uuid[])
   AND seen_at > %(since)s
 ORDER BY seen_at, repeated, partition, record_offset
 LIMIT %(rows_max)s
"""

NAMES: LiteralString = "SELECT customer_id, name FROM customer WHERE customer_id = ANY (%s::uuid[])"


class SeenPlace(NamedTuple):
    """An arrival of an event: its record's place in the log, and whether it repeated an earlier one."""

    event_id: UUID
    partition: int
    record_offset: int
    seen_at: datetime
    repeated: bool


async def places(
    connection: Connection,
    environment_id: int,
    ids: Sequence[UUID],
    *,
    since: datetime,
    rows_max: int,
) -> list[SeenPlace]:
    """Return the arrivals of these events after `since`, the earliest first, at most `rows_max`."""
    cursor = await connection.execute(
        PLACES,
        {
            "environment_id": environment_id,
            "ids": list(ids),
            "since": since,
            "rows_max": rows_max,
        },
    )
    return [SeenPlace(**row) for row in await cursor.fetchall()]


async def customer_names(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the names of these customers."""
    cursor = await connection.execute(NAMES, [list(ids)])
    return {row["customer_id"]: row["name"] for row in await cursor.fetchall()}
