"""Counts of events that nothing was made of: no metric matched them, or nobody is their customer."""

from __future__ import annotations

from typing import LiteralString

from meterline.store.database import Connection, Row

METRIC_TOTAL: LiteralString = """
SELECT coalesce(sum(events), 0)::bigint AS events FROM unmatched_metric
 WHERE environment_id = %(environment_id)s
"""

EVENT_TYPES: LiteralString = """
SELECT event_type, sum(events)::bigint AS events, min(day) AS first_day, max(day) AS last_day
  FROM unmatched_metric
 WHERE environment_id = %(environment_id)s
   AND (%(after)s::text IS NULL OR event_type > %(after)s)
 GROUP BY event_type
 ORDER BY event_type
 LIMIT %(fetch)s
"""

# A key that was nobody's when its spend was rated may be somebody's by now. The cast is guarded, as
# most keys are no ids; only the one spelling that ids have counts.
_NOBODYS: LiteralString = """
       NOT EXISTS (SELECT FROM customer_ingest_alias a
                    WHERE a.environment_id = u.environment_id AND a.alias = u.ingest_key)
   AND NOT EXISTS (SELECT FROM customer c
                    WHERE c.environment_id = u.environment_id
                      AND c.customer_id = CASE WHEN u.ingest_key
                              ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                          THEN u.ingest_key::uuid END)
"""

CUSTOMER_TOTAL: LiteralString = """
SELECT coalesce(sum(events), 0)::bigint AS events FROM unmatched_customer u
 WHERE environment_id = %(environment_id)s AND {nobodys}
""".replace("{nobodys}", _NOBODYS)

INGEST_KEYS: LiteralString = """
SELECT ingest_key, events, first_at, last_at
  FROM unmatched_customer u
 WHERE environment_id = %(environment_id)s
   AND (%(after)s::text IS NULL OR ingest_key > %(after)s)
   AND {nobodys}
 ORDER BY ingest_key
 LIMIT %(fetch)s
""".replace("{nobodys}", _NOBODYS)


async def totals(connection: Connection, environment_id: int) -> tuple[int, int]:
    """Return (events without a metric, events without a customer)."""
    found = []
    for statement in (METRIC_TOTAL, CUSTOMER_TOTAL):
        cursor = await connection.execute(statement, {"environment_id": environment_id})
        row = await cursor.fetchone()
        assert row is not None  # an ungrouped aggregate returns one row
        found.append(row["events"])
    return found[0], found[1]


async def event_types(
    connection: Connection, environment_id: int, *, after: str | None, fetch: int
) -> list[Row]:
    """Return event types that matched no metric, by name: event_type, events, first_day, last_day."""
    return await _page(connection, EVENT_TYPES, environment_id, after, fetch)


async def ingest_keys(
    connection: Connection, environment_id: int, *, after: str | None, fetch: int
) -> list[Row]:
    """Return ingest keys of nobody, by key: ingest_key, events, first_at, last_at."""
    return await _page(connection, INGEST_KEYS, environment_id, after, fetch)


async def _page(
    connection: Connection,
    statement: LiteralString,
    environment_id: int,
    after: str | None,
    fetch: int,
) -> list[Row]:
    cursor = await connection.execute(
        statement, {"environment_id": environment_id, "after": after, "fetch": fetch}
    )
    return await cursor.fetchall()
