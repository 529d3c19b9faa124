"""Where the pipeline stands: how much was appended, metered and rated, and how old what is missing is."""

from __future__ import annotations

from meterline.store.database import Connection, Row

_PARTITIONS = """
SELECT partition, next_offset, events AS metered, owner, epoch, metered_at FROM stream_partition ORDER BY partition
"""

_UNRATED = """
SELECT coalesce(sum((SELECT sum(n) FROM unnest(events) AS n)), 0)::bigint AS events, min(appended_at) AS appended_at
  FROM usage_touch
"""

_WORKERS = """
SELECT w.slot, w.heartbeat_at, count(s.partition) AS partitions
  FROM worker_slot w LEFT JOIN stream_partition s ON s.owner = w.slot
 WHERE w.heartbeat_at > clock_timestamp() - interval '30 seconds'
 GROUP BY w.slot, w.heartbeat_at ORDER BY w.slot
"""


async def partitions(connection: Connection) -> list[Row]:
    """Every partition that was ever owned, with how far it is metered."""
    return await (await connection.execute(_PARTITIONS)).fetchall()


async def unrated(connection: Connection) -> Row | None:
    """Events metered whose customers' spend is not rated yet, and when the oldest was appended."""
    return await (await connection.execute(_UNRATED)).fetchone()


async def workers(connection: Connection) -> list[Row]:
    """Worker processes that gave a sign of life lately."""
    return await (await connection.execute(_WORKERS)).fetchall()
