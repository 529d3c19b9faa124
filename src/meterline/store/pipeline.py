"""Where the pipeline stands: how much was appended, metered and rated, and how old what is missing is."""

from __future__ import annotations

from collections.abc import Mapping

from meterline.store.database import Connection, Row

_PARTITIONS = """
SELECT l.partition, l.next_offset AS end_offset, l.events AS appended,
       coalesce(s.next_offset, 0) AS next_offset, coalesce(s.events, 0) AS metered, s.owner, s.epoch, s.metered_at
  FROM log_partition l LEFT JOIN stream_partition s USING (partition)
 ORDER BY l.partition
"""

# Behind each partition's position is the oldest event that is not metered. A day of slack as in the log's own reads.
_OLDEST_UNMETERED = """
SELECT min(r.appended_at) AS appended_at
  FROM log_partition l LEFT JOIN stream_partition s USING (partition),
       LATERAL (SELECT appended_at FROM log_record
                 WHERE partition = l.partition AND record_offset = coalesce(s.next_offset, 0)
                   AND appended_at >= coalesce(s.position_at, 'epoch') - interval '1 day'
                 LIMIT 1) r
 WHERE l.next_offset > coalesce(s.next_offset, 0)
"""

_UNRATED = """
SELECT coalesce(sum((SELECT sum(n) FROM unnest(events) AS n)), 0)::bigint AS events, min(appended_at) AS appended_at
  FROM usage_touch
"""

_ENDS = "SELECT partition, next_offset FROM log_partition WHERE next_offset > 0"
_BEHIND = """
SELECT count(*) AS partitions
  FROM unnest(%s::integer[], %s::bigint[]) AS wanted (partition, next_offset)
       LEFT JOIN stream_partition s USING (partition)
 WHERE coalesce(s.next_offset, 0) < wanted.next_offset
"""

_WORKERS = """
SELECT w.slot, w.heartbeat_at, count(s.partition) AS partitions
  FROM worker_slot w LEFT JOIN stream_partition s ON s.owner = w.slot
 WHERE w.heartbeat_at > clock_timestamp() - interval '30 seconds'
 GROUP BY w.slot, w.heartbeat_at ORDER BY w.slot
"""


async def partitions(connection: Connection) -> list[Row]:
    """Every partition of the log with how far it is metered."""
    return await (await connection.execute(_PARTITIONS)).fetchall()


async def oldest_unmetered(connection: Connection) -> Row | None:
    """When the oldest event that is not metered was appended; a null when there is none."""
    return await (await connection.execute(_OLDEST_UNMETERED)).fetchone()


async def log_ends(connection: Connection) -> dict[int, int]:
    """Where each partition of the log ends now."""
    rows = await (await connection.execute(_ENDS)).fetchall()
    return {row["partition"]: row["next_offset"] for row in rows}


async def partitions_behind(connection: Connection, ends: Mapping[int, int]) -> int:
    """How many partitions are not metered up to these ends."""
    row = await (await connection.execute(_BEHIND, [list(ends), list(ends.values())])).fetchone()
    assert row is not None
    return int(row["partitions"])


async def unrated(connection: Connection) -> Row | None:
    """Events metered whose customers' spend is not rated yet, and when the oldest was appended."""
    return await (await connection.execute(_UNRATED)).fetchone()


async def workers(connection: Connection) -> list[Row]:
    """Worker processes that gave a sign of life lately."""
    return await (await connection.execute(_WORKERS)).fetchall()
