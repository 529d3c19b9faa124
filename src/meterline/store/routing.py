"""Over how many partitions events are routed, and the turnstile that every metering commit goes through.

Commits go through side by side (shared). One whose events may be another partition's, and the change of the number
itself, go through alone (exclusive): so of two arrivals of one event, whatever partitions they came by, the second
always sees the first in the seen index.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from meterline.store.database import Connection, Row
from meterline.store.errors import StoreError

# Names this use among the advisory locks of a database: "mtlr" in ASCII.
LOCK_SPACE = 0x6D746C72
SHARED = f"SELECT pg_advisory_xact_lock_shared({LOCK_SPACE}, 0)"
EXCLUSIVE = f"SELECT pg_advisory_xact_lock({LOCK_SPACE}, 0)"

_PARTITIONS = "SELECT partitions FROM log_routing"
_SELECT = "SELECT log, partitions, target, step, ends FROM log_routing"
_BEGIN = "INSERT INTO log_routing (partitions, log) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_LOG = "SELECT log FROM log_routing"
_AIM = "UPDATE log_routing SET target = %(target)s, step = 'create' WHERE target IS NULL"
_ADOPT = "UPDATE log_routing SET partitions = target, step = 'drain' WHERE step = 'create'"
_NOTE_ENDS = "UPDATE log_routing SET ends = %s WHERE step = 'drain' AND ends IS NULL"
_FINISH = "UPDATE log_routing SET target = NULL, step = NULL, ends = NULL"
_ADD_PARTITIONS = """
INSERT INTO stream_partition (partition) SELECT generate_series(0, %s - 1) ON CONFLICT DO NOTHING
"""


def enter(connection: psycopg.Connection[Any], *, alone: bool) -> int:
    """Go through the turnstile until the transaction ends; return the number of partitions as it then is.

    Must come before anything else of the transaction: what it waits for must not wait for it.
    """
    connection.execute(EXCLUSIVE if alone else SHARED)
    # A statement of its own: its snapshot must be younger than the lock.
    row = connection.execute(_PARTITIONS).fetchone()
    assert row is not None, "`prepare` begins the routing"
    partitions: int = row[0]
    return partitions


def begin(connection: psycopg.Connection[Any], partitions: int, log: str) -> None:
    """Route over the `partitions` of `log`, in an installation that routes over none yet.

    Raises StoreError for one whose log is another: its offsets would mean nothing there.
    """
    connection.execute(_BEGIN, [partitions, log])
    row = connection.execute(_LOG).fetchone()
    if row is not None and row[0] != log:
        raise StoreError(f"the event log of this database is {row[0]}, and not {log}")


async def routing(connection: Connection) -> Row:
    """The row: log, partitions, target, step, ends."""
    row = await (await connection.execute(_SELECT)).fetchone()
    assert row is not None, "`prepare` begins the routing"
    return row


async def aim(connection: Connection, target: int) -> bool:
    """Begin to grow; False when a growth is under way."""
    return (await connection.execute(_AIM, {"target": target})).rowcount == 1


async def adopt(connection: Connection) -> None:
    """Route over the target from here on. Alone, so that no commit sees two numbers."""
    await connection.execute(EXCLUSIVE)
    await connection.execute(_ADOPT)
    row = await routing(connection)
    await connection.execute(_ADD_PARTITIONS, [row["partitions"]])


async def note_ends(connection: Connection, ends: dict[int, int]) -> None:
    """Remember where the partitions ended once every gateway followed."""
    await connection.execute(_NOTE_ENDS, [Jsonb(ends)])


async def finish(connection: Connection) -> None:
    """Growth is done."""
    await connection.execute(_FINISH)
