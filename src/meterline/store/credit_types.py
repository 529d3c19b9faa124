"""Rows of `credit_type`: the custom pricing units of an environment. Currencies are constants of the core."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from meterline.store.database import Connection, Row

INSERT = """
    INSERT INTO credit_type (environment_id, credit_type_id, name, created_at)
    VALUES (current_environment(), %s, %s, %s)
    ON CONFLICT DO NOTHING
    RETURNING credit_type_id
"""
SELECT = """
    SELECT credit_type_id, name, created_at, archived_at FROM credit_type
    WHERE credit_type_id = ANY(%s)
"""
SELECT_PAGE = """
    SELECT credit_type_id, name, created_at FROM credit_type
    WHERE archived_at IS NULL
      AND (%(at)s::timestamptz IS NULL OR (created_at, credit_type_id) > (%(at)s, %(id)s::uuid))
    ORDER BY created_at, credit_type_id
    LIMIT %(fetch)s
"""
ARCHIVE = """
    UPDATE credit_type SET archived_at = coalesce(archived_at, %s) WHERE credit_type_id = %s
    RETURNING credit_type_id
"""


async def insert(connection: Connection, credit_type_id: UUID, name: str, now: datetime) -> bool:
    """Add a unit; False when the name is taken."""
    cursor = await connection.execute(INSERT, (credit_type_id, name, now))
    return cursor.rowcount == 1


async def select(connection: Connection, ids: list[UUID]) -> list[Row]:
    """The units of these ids, archived ones too."""
    return await (await connection.execute(SELECT, (ids,))).fetchall()


async def select_page(
    connection: Connection, after: tuple[str | None, ...], fetch: int
) -> list[Row]:
    """Units by age, after (created_at, id)."""
    cursor = await connection.execute(SELECT_PAGE, {"at": after[0], "id": after[1], "fetch": fetch})
    return await cursor.fetchall()


async def archive(connection: Connection, credit_type_id: UUID, now: datetime) -> bool:
    """Archive a unit; False when there is none of that id."""
    return (await connection.execute(ARCHIVE, (now, credit_type_id))).rowcount == 1
