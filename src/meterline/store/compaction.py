"""Moving closed hours from the live tables to the rollup: one statement a chunk, so each row moves
exactly once.

A chunk is found by physical place (`ctid`), so a whole pass reads the live table once and needs no
index that the workers would have to maintain. Rows that somebody holds are skipped, never waited
for; rows that changed after the statement's snapshot are not seen under their new place and stay
for the next pass. Targets are written in key order, so two compactors can wait for each other only
in one direction. A worker that adds to a row being moved waits for this transaction and then starts
a new live row.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import LiteralString

from meterline.store.database import Connection

FIRST_PLACE = "(0,0)"
"""Before every row: where a pass starts."""

# The slots {picked} and {buckets} are filled below, and {live} within them.
# No join here: a plan that hashed the live table would return rows in no order, and the chunk's
# last place would no longer be where the next chunk starts.
_PICKED: LiteralString = """
    SELECT ctid AS place
      FROM {live}
     WHERE ctid > %(after)s::tid
       AND hour < (%(closed_before)s::integer[])
                  [array_position(%(environments)s::integer[], environment_id)]
     LIMIT %(rows_max)s
       FOR UPDATE SKIP LOCKED
"""

# The bucket of each grain that a moved row belongs to.
_BUCKETS: LiteralString = """
    (VALUES ('h'::"char", hour),
            ('d'::"char", hour - mod(hour, 24)),
            ('m'::"char", (extract(epoch FROM date_trunc(
                'month', to_timestamp(hour * 3600::bigint), 'UTC')) / 3600)::integer)
    ) AS bucket (grain, first_hour)
"""

_QUANTITIES: LiteralString = """
WITH picked AS MATERIALIZED ({picked}
), moved AS (
    DELETE FROM {live} WHERE ctid = ANY (ARRAY(SELECT place FROM picked))
 RETURNING environment_id, series_id, hour, fold, quantity, latest_at, latest_id
), parts AS (
    SELECT environment_id, series_id, grain, first_hour, fold, quantity, latest_at, latest_id
      FROM moved CROSS JOIN LATERAL {buckets}
), merged AS (
    SELECT environment_id, series_id, grain, first_hour, fold,
           CASE fold WHEN 's' THEN sum(quantity) ELSE max(quantity) END AS quantity,
           NULL::bigint AS latest_at, NULL::uuid AS latest_id
      FROM parts WHERE fold <> 'l'
     GROUP BY environment_id, series_id, grain, first_hour, fold
     UNION ALL
    (SELECT DISTINCT ON (environment_id, series_id, grain, first_hour)
            environment_id, series_id, grain, first_hour, fold, quantity, latest_at, latest_id
       FROM parts WHERE fold = 'l'
      ORDER BY environment_id, series_id, grain, first_hour, latest_at DESC, latest_id DESC)
), added AS (
    INSERT INTO usage_rollup AS kept
           (environment_id, series_id, grain, hour, fold, quantity, latest_at, latest_id)
    SELECT * FROM merged ORDER BY environment_id, series_id, grain, first_hour
        ON CONFLICT (environment_id, series_id, grain, hour) DO UPDATE SET
           (quantity, latest_at, latest_id) = (
               SELECT CASE kept.fold WHEN 's' THEN kept.quantity + excluded.quantity
                                     WHEN 'm' THEN greatest(kept.quantity, excluded.quantity)
                                     ELSE last.quantity END,
                      last.latest_at, last.latest_id
                 FROM (VALUES (kept.quantity, kept.latest_at, kept.latest_id),
                              (excluded.quantity, excluded.latest_at, excluded.latest_id))
                      AS last (quantity, latest_at, latest_id)
                ORDER BY last.latest_at DESC, last.latest_id DESC
                LIMIT 1)
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT max(place)::text FROM picked) AS last_place
"""

_MEMBERS: LiteralString = """
WITH picked AS MATERIALIZED ({picked}
), moved AS (
    DELETE FROM {live} WHERE ctid = ANY (ARRAY(SELECT place FROM picked))
 RETURNING environment_id, series_id, hour, member
), added AS (
    INSERT INTO usage_member_rollup (environment_id, series_id, grain, hour, member)
    SELECT DISTINCT environment_id, series_id, grain, first_hour, member
      FROM moved CROSS JOIN LATERAL {buckets}
     ORDER BY environment_id, series_id, grain, first_hour, member
        ON CONFLICT DO NOTHING
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT max(place)::text FROM picked) AS last_place
"""


def _statement(template: LiteralString, live: LiteralString) -> LiteralString:
    return (
        template.replace("{picked}", _PICKED).replace("{buckets}", _BUCKETS).replace("{live}", live)
    )


QUANTITIES = _statement(_QUANTITIES, "usage_live")
MEMBERS = _statement(_MEMBERS, "usage_member_live")


async def clocks(connection: Connection) -> dict[int, datetime | None]:
    """Return every environment's own clock by environment id; None where the wall clock rules."""
    cursor = await connection.execute("SELECT environment_id, clock FROM environment")
    return {row["environment_id"]: row["clock"] for row in await cursor.fetchall()}


async def move_chunk(
    connection: Connection,
    statement: LiteralString,
    closed_before: Mapping[int, int],
    *,
    after: str,
    rows_max: int,
) -> tuple[int, str | None]:
    """Move up to `rows_max` live rows that lie behind the place `after` and whose hour is closed.

    `statement` is QUANTITIES or MEMBERS; `closed_before` is by environment the first hour that is
    not closed. Returns how many rows moved and the place to go on from, None at the end of the
    table. The caller's transaction should end at once: the moved rows are locked until then.
    """
    cursor = await connection.execute(
        statement,
        {
            "environments": list(closed_before.keys()),
            "closed_before": list(closed_before.values()),
            "after": after,
            "rows_max": rows_max,
        },
    )
    row = await cursor.fetchone()
    assert row is not None  # an ungrouped SELECT returns one row
    return row["moved"], row["last_place"]
