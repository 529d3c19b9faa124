"""Rows of `customer` and `customer_ingest_alias`.

An ingest key is what an event calls its customer by: the customer's id as text, or one of its aliases.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from meterline.store.database import Connection, Row

COLUMNS = """
    customer_id, name, custom_fields, config, created_at, updated_at, archived_at,
    ARRAY(SELECT alias FROM customer_ingest_alias a
          WHERE a.environment_id = c.environment_id AND a.customer_id = c.customer_id
          ORDER BY position) AS ingest_aliases
"""
INSERT = """
    INSERT INTO customer (environment_id, customer_id, name, custom_fields, config, created_at, updated_at)
    VALUES (current_environment(), %(customer_id)s, %(name)s, %(custom_fields)s, '{}', %(now)s, %(now)s)
"""
SELECT = f"SELECT {COLUMNS} FROM customer c WHERE customer_id = %s"
LOCK = "SELECT customer_id FROM customer WHERE customer_id = %s FOR UPDATE"
SELECT_PAGE = f"""
    SELECT {COLUMNS} FROM customer c
    WHERE (archived_at IS NOT NULL) = %(archived)s
      AND (%(ids)s::uuid[] IS NULL OR customer_id = ANY(%(ids)s))
      AND (%(alias)s::text IS NULL OR customer_id = (
          SELECT customer_id FROM customer_ingest_alias WHERE alias = %(alias)s))
      AND (%(salesforce_ids)s::text[] IS NULL
           OR config->>'salesforce_account_id' = ANY(%(salesforce_ids)s))
      AND (%(at)s::timestamptz IS NULL OR (created_at, customer_id) > (%(at)s, %(id)s::uuid))
    ORDER BY created_at, customer_id
    LIMIT %(fetch)s
"""
# In the order of the aliases, so that two writers of the same ones wait instead of deadlocking.
INSERT_ALIASES = """
    INSERT INTO customer_ingest_alias (environment_id, alias, customer_id, position)
    SELECT current_environment(), alias, %(customer_id)s, position
    FROM unnest(%(aliases)s::text[]) WITH ORDINALITY AS given (alias, position)
    ORDER BY alias COLLATE "C"
    ON CONFLICT DO NOTHING
    RETURNING alias
"""
DELETE_ALIASES = """
    DELETE FROM customer_ingest_alias
    WHERE customer_id = %(customer_id)s AND NOT alias = ANY(%(kept)s::text[])
    RETURNING alias
"""
MOVE_ALIASES = """
    UPDATE customer_ingest_alias a SET position = given.position
    FROM unnest(%(aliases)s::text[]) WITH ORDINALITY AS given (alias, position)
    WHERE a.customer_id = %(customer_id)s AND a.alias = given.alias
    RETURNING a.alias
"""
SELECT_IDS = "SELECT customer_id FROM customer WHERE customer_id = ANY(%s::uuid[])"
SELECT_ALIAS_OWNERS = """
    SELECT alias, customer_id FROM customer_ingest_alias WHERE alias = ANY(%s::text[])
"""
SELECT_ALIASES = """
    SELECT customer_id, alias FROM customer_ingest_alias
    WHERE customer_id = ANY(%s::uuid[]) ORDER BY customer_id, position
"""
UPDATE_NAME = "UPDATE customer SET name = %s, updated_at = %s WHERE customer_id = %s"
UPDATE_CONFIG = """
    UPDATE customer SET config = jsonb_strip_nulls(config || %s), updated_at = %s
    WHERE customer_id = %s
"""
ARCHIVE = """
    UPDATE customer SET archived_at = coalesce(archived_at, %(now)s), updated_at = %(now)s
    WHERE customer_id = %(customer_id)s
"""


async def insert(
    connection: Connection,
    customer_id: UUID,
    *,
    name: str,
    custom_fields: dict[str, str],
    now: datetime,
) -> None:
    """Add a customer."""
    parameters = {"customer_id": customer_id, "name": name, "now": now}
    await connection.execute(INSERT, {**parameters, "custom_fields": Jsonb(custom_fields)})


async def select(connection: Connection, customer_id: UUID) -> Row | None:
    """A customer with its aliases."""
    return await (await connection.execute(SELECT, (customer_id,))).fetchone()


async def lock(connection: Connection, customer_id: UUID) -> bool:
    """Hold a customer against other writers until the transaction ends; False when there is none."""
    return (await connection.execute(LOCK, (customer_id,))).rowcount == 1


async def select_page(
    connection: Connection, *, filters: dict[str, Any], after: tuple[str | None, ...], fetch: int
) -> list[Row]:
    """Customers by age, after (created_at, id). `filters`: archived, ids, alias, salesforce_ids."""
    parameters = {**filters, "at": after[0], "id": after[1], "fetch": fetch}
    return await (await connection.execute(SELECT_PAGE, parameters)).fetchall()


async def replace_aliases(
    connection: Connection, customer_id: UUID, aliases: Sequence[str]
) -> tuple[set[str], set[str]]:
    """Make `aliases` (distinct) those of the customer; those in use elsewhere are not taken.

    Returns (aliases the customer has now, aliases it has no longer). The caller holds the customer's lock.
    """
    given = {"customer_id": customer_id, "aliases": list(aliases), "kept": list(aliases)}
    dropped = await (await connection.execute(DELETE_ALIASES, given)).fetchall()
    kept = await (await connection.execute(MOVE_ALIASES, given)).fetchall()
    added = await (await connection.execute(INSERT_ALIASES, given)).fetchall()
    return {row["alias"] for row in [*kept, *added]}, {row["alias"] for row in dropped}


async def existing_ids(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Which of `ids` are customers."""
    rows = await (await connection.execute(SELECT_IDS, (list(ids),))).fetchall()
    return {row["customer_id"] for row in rows}


async def alias_owners(connection: Connection, aliases: Sequence[str]) -> dict[str, UUID]:
    """The customers of those `aliases` that are in use."""
    rows = await (await connection.execute(SELECT_ALIAS_OWNERS, (list(aliases),))).fetchall()
    return {row["alias"]: row["customer_id"] for row in rows}


async def aliases_of(connection: Connection, ids: Sequence[UUID]) -> list[Row]:
    """(customer_id, alias) of these customers, in the order the aliases were given."""
    return await (await connection.execute(SELECT_ALIASES, (list(ids),))).fetchall()


async def update_name(connection: Connection, customer_id: UUID, name: str, now: datetime) -> bool:
    """Rename a customer; False when there is none."""
    return (await connection.execute(UPDATE_NAME, (name, now, customer_id))).rowcount == 1


async def update_config(
    connection: Connection, customer_id: UUID, changes: dict[str, Any], now: datetime
) -> bool:
    """Merge `changes` into a customer's configuration; a null removes a key."""
    cursor = await connection.execute(UPDATE_CONFIG, (Jsonb(changes), now, customer_id))
    return cursor.rowcount == 1


async def archive(connection: Connection, customer_id: UUID, now: datetime) -> bool:
    """Archive a customer; False when there is none."""
    cursor = await connection.execute(ARCHIVE, {"customer_id": customer_id, "now": now})
    return cursor.rowcount == 1
