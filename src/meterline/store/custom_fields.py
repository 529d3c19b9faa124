"""Rows of `custom_field_key` and `custom_field_unique_value`, and `custom_fields` of what bears them.

Whoever writes values shares a lock with other writers, and whoever changes which keys there are has it alone: so a
key that begins to be unique sees every value given before, and is seen by every writer after. The rows of unique
keys are locked in the order of the keys, so that writers that exchange values wait instead of deadlocking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from psycopg.sql import SQL, Composed, Identifier
from psycopg.types.json import Jsonb

from meterline.store.database import Connection, Row

# The first number names this use among the database's advisory locks: "mtcf" in ASCII.
SHARE = "SELECT pg_advisory_xact_lock_shared(1836344166, current_environment())"
LOCK = "SELECT pg_advisory_xact_lock(1836344166, current_environment())"

INSERT_KEY = """
    INSERT INTO custom_field_key (
        environment_id, bearer, key, entity, enforce_uniqueness, created_at)
    VALUES (
        current_environment(), %(bearer)s, %(key)s, %(entity)s, %(unique)s, %(now)s)
    ON CONFLICT DO NOTHING
"""
DELETE_KEY = "DELETE FROM custom_field_key WHERE bearer = %s AND key = %s"
SELECT_KEYS = "SELECT key FROM custom_field_key WHERE bearer = %s AND key = ANY(%s::text[])"
LOCK_UNIQUE_KEYS = """
    SELECT key FROM custom_field_key
    WHERE bearer = %s AND key = ANY(%s::text[]) AND enforce_uniqueness
    ORDER BY key FOR UPDATE
"""
SELECT_PAGE = """
    SELECT bearer, key, entity, enforce_uniqueness, created_at FROM custom_field_key
    WHERE (%(bearers)s::text[] IS NULL OR bearer = ANY(%(bearers)s))
      AND (%(at)s::timestamptz IS NULL
           OR (created_at, bearer, key) > (%(at)s, %(bearer)s::text, %(key)s::text))
    ORDER BY created_at, bearer, key
    LIMIT %(fetch)s
"""
DELETE_UNIQUE_VALUES = """
    DELETE FROM custom_field_unique_value
    WHERE bearer = %s AND bearer_id = %s AND key = ANY(%s::text[])
"""
INSERT_UNIQUE_VALUES = """
    INSERT INTO custom_field_unique_value (environment_id, bearer, key, value, bearer_id)
    SELECT current_environment(), %(bearer)s, key, value, %(bearer_id)s
    FROM unnest(%(keys)s::text[], %(values)s::text[]) AS given (key, value)
    ON CONFLICT DO NOTHING RETURNING key
"""


class _Table(NamedTuple):
    """Where values are kept. `stamp` says that the row was changed, `only` which rows are of the kind."""

    name: LiteralString
    id_column: LiteralString
    stamp: LiteralString = ""
    only: LiteralString = "true"


_TABLES = {
    "billable_metric": _Table("billable_metric", "metric_id"),
    "commit": _Table("account_grant", "grant_id", only="kind <> 'CREDIT'"),
    "contract": _Table("contract", "contract_id"),
    "contract_credit": _Table("account_grant", "grant_id", only="kind = 'CREDIT'"),
    "customer": _Table("customer", "customer_id", ", updated_at = %(now)s"),
    "product": _Table("product", "product_id"),
    "rate_card": _Table("rate_card", "rate_card_id"),
}


def is_stored(bearer: str) -> bool:
    """Whether there are rows that bear these fields."""
    return bearer in _TABLES


async def share(connection: Connection) -> None:
    """Keep the keys as they are until the transaction ends. To be taken before any row's lock."""
    await connection.execute(SHARE)


async def lock(connection: Connection) -> None:
    """Be the only one to change keys or values until the transaction ends."""
    await connection.execute(LOCK)


async def insert_key(
    connection: Connection, bearer: str, key: str, *, entity: str, unique: bool, now: datetime
) -> bool:
    """Declare a key; False when it is. The caller holds the lock."""
    parameters = {"bearer": bearer, "key": key, "entity": entity, "unique": unique, "now": now}
    return (await connection.execute(INSERT_KEY, parameters)).rowcount == 1


async def delete_key(connection: Connection, bearer: str, key: str) -> bool:
    """Forget a key and which values it had; False when there is none. The caller holds the lock."""
    return (await connection.execute(DELETE_KEY, (bearer, key))).rowcount == 1


async def declared_keys(connection: Connection, bearer: str, keys: Sequence[str]) -> set[str]:
    """Which of `keys` are declared."""
    rows = await (await connection.execute(SELECT_KEYS, (bearer, list(keys)))).fetchall()
    return {row["key"] for row in rows}


async def lock_unique_keys(connection: Connection, bearer: str, keys: Sequence[str]) -> list[str]:
    """Which of `keys` allow a value once, held against other writers of their values."""
    rows = await (await connection.execute(LOCK_UNIQUE_KEYS, (bearer, list(keys)))).fetchall()
    return [row["key"] for row in rows]


async def select_page(
    connection: Connection,
    *,
    bearers: Sequence[str] | None,
    after: tuple[str | None, ...],
    fetch: int,
) -> list[Row]:
    """Keys by age, after (created_at, bearer, key); `bearers` None: of everything."""
    parameters = {
        "bearers": None if bearers is None else list(bearers),
        **dict(zip(("at", "bearer", "key"), after, strict=True)),
        "fetch": fetch,
    }
    return await (await connection.execute(SELECT_PAGE, parameters)).fetchall()


async def replace_unique_values(
    connection: Connection, bearer: str, bearer_id: UUID, values: Mapping[str, str]
) -> set[str]:
    """Take values of unique keys in place of the bearer's earlier ones; return the keys taken.

    A value another has is not taken. The caller holds the keys' locks.
    """
    await release_unique_values(connection, bearer, bearer_id, list(values))
    parameters = {
        "bearer": bearer,
        "bearer_id": bearer_id,
        "keys": list(values),
        "values": list(values.values()),
    }
    rows = await (await connection.execute(INSERT_UNIQUE_VALUES, parameters)).fetchall()
    return {row["key"] for row in rows}


async def release_unique_values(
    connection: Connection, bearer: str, bearer_id: UUID, keys: Sequence[str]
) -> None:
    """Let others have the bearer's values of these keys. The caller holds the keys' locks."""
    await connection.execute(DELETE_UNIQUE_VALUES, (bearer, bearer_id, list(keys)))


async def take_given_values(connection: Connection, bearer: str, key: str) -> bool:
    """Take every value that was given before its key was unique; False when one repeats."""
    statement = SQL("""
        WITH given AS (
            SELECT custom_fields->>%(key)s AS value, {id_column} AS bearer_id FROM {table}
            WHERE custom_fields ? %(key)s AND {only}
        ), taken AS (
            INSERT INTO custom_field_unique_value (environment_id, bearer, key, value, bearer_id)
            SELECT current_environment(), %(bearer)s, %(key)s, value, bearer_id FROM given
            ON CONFLICT DO NOTHING RETURNING 1
        )
        SELECT (SELECT count(*) FROM given) = (SELECT count(*) FROM taken) AS all_taken
    """)
    cursor = await connection.execute(_on(bearer, statement), {"bearer": bearer, "key": key})
    row = await cursor.fetchone()
    assert row is not None
    return bool(row["all_taken"])


async def merge_values(
    connection: Connection, bearer: str, bearer_id: UUID, values: Mapping[str, str], now: datetime
) -> bool:
    """Set values beside the others of a row; False when there is none."""
    change = SQL("custom_fields || %(change)s")
    return await _update(connection, bearer, bearer_id, change, Jsonb(dict(values)), now)


async def drop_values(
    connection: Connection, bearer: str, bearer_id: UUID, keys: Sequence[str], now: datetime
) -> bool:
    """Take values away from a row; False when there is none."""
    change = SQL("custom_fields - %(change)s::text[]")
    return await _update(connection, bearer, bearer_id, change, list(keys), now)


async def drop_key_from_all(connection: Connection, bearer: str, key: str) -> None:
    """Take a key's value away from every row."""
    statement = SQL("""
        UPDATE {table} SET custom_fields = custom_fields - %(key)s::text
        WHERE custom_fields ? %(key)s AND {only}
    """)
    await connection.execute(_on(bearer, statement), {"key": key})


async def _update(
    connection: Connection,
    bearer: str,
    bearer_id: UUID,
    fields: SQL,
    change: object,
    now: datetime,
) -> bool:
    statement = SQL(
        "UPDATE {table} SET custom_fields = {fields}{stamp} WHERE {id_column} = %(id)s AND {only}"
    )
    cursor = await connection.execute(
        _on(bearer, statement, fields), {"change": change, "id": bearer_id, "now": now}
    )
    return cursor.rowcount == 1


def _on(bearer: str, statement: SQL, fields: SQL | None = None) -> Composed:
    table = _TABLES[bearer]
    return statement.format(
        table=Identifier(table.name),
        id_column=Identifier(table.id_column),
        stamp=SQL(table.stamp),
        only=SQL(table.only),
        fields=fields or SQL(""),
    )
