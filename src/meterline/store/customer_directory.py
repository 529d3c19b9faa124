"""Customers as an operator looks for them: by name, found by a part of name, alias or id."""

from __future__ import annotations

from meterline.store.database import Connection, Row

# Ordered by name as people sort it, then by id, so that a page starts after the last row of the one
# before.
SEARCH = """
    SELECT customer_id, name, lower(name) AS sort_name, created_at,
           ARRAY(SELECT alias FROM customer_ingest_alias a
                 WHERE a.environment_id = c.environment_id AND a.customer_id = c.customer_id
                 ORDER BY position) AS ingest_aliases
    FROM customer c
    WHERE archived_at IS NULL
      AND (%(pattern)s::text IS NULL OR name ILIKE %(pattern)s OR customer_id::text ILIKE
      %(pattern)s
           OR EXISTS (SELECT FROM customer_ingest_alias a
                      WHERE a.environment_id = c.environment_id AND a.customer_id = c.customer_id
                        AND a.alias ILIKE %(pattern)s))
      AND (%(after_name)s::text IS NULL
           OR (lower(name), customer_id) > (%(after_name)s, %(after_id)s::uuid))
    ORDER BY lower(name), customer_id
    LIMIT %(fetch)s
"""


async def search(
    connection: Connection,
    text: str,
    *,
    after: tuple[str | None, str | None],
    fetch: int,
) -> list[Row]:
    """Return up to `fetch` customers that contain `text`, all if it is empty, from after a row on."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    parameters = {
        "pattern": f"%{escaped}%" if text else None,
        "after_name": after[0],
        "after_id": after[1],
        "fetch": fetch,
    }
    return await (await connection.execute(SEARCH, parameters)).fetchall()
