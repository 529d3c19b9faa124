"""Rows of `rate_card_alias`: which card an alias means, over spans of time that never overlap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from meterline.store.database import Connection, Row

# One writer an alias at a time. Taken in the order of the names, so that two writers cannot deadlock.
LOCK = """
    SELECT pg_advisory_xact_lock(hashtextextended(
        'rate_card_alias/' || current_environment() || '/' || %s, 0))
"""
SELECT_OF_NAMES = """
    SELECT alias, alias_row, rate_card_id, starting_at, ending_before FROM rate_card_alias
    WHERE alias = ANY(%s::text[]) ORDER BY alias_row
"""
SELECT_OF_CARD = """
    SELECT alias, alias_row, starting_at, ending_before FROM rate_card_alias
    WHERE rate_card_id = %s ORDER BY alias_row
"""
SELECT_AT = """
    SELECT rate_card_id FROM rate_card_alias
    WHERE alias = %(alias)s AND (starting_at IS NULL OR starting_at <= %(at)s)
      AND (ending_before IS NULL OR ending_before > %(at)s)
    ORDER BY alias_row DESC LIMIT 1
"""
INSERT = """
    INSERT INTO rate_card_alias (environment_id, alias, rate_card_id, starting_at, ending_before)
    VALUES (current_environment(), %s, %s, %s, %s)
"""
DELETE = "DELETE FROM rate_card_alias WHERE alias_row = ANY(%s::bigint[])"


async def lock(connection: Connection, names: Iterable[str]) -> None:
    """Hold these aliases against other writers until the transaction ends."""
    for name in sorted(set(names)):
        await connection.execute(LOCK, (name,))


async def select_of_names(connection: Connection, names: Sequence[str]) -> list[Row]:
    """Every span of these aliases, in order of arrival."""
    return await (await connection.execute(SELECT_OF_NAMES, (list(names),))).fetchall()


async def select_of_card(connection: Connection, rate_card_id: UUID) -> list[Row]:
    """The spans in which an alias means the card."""
    return await (await connection.execute(SELECT_OF_CARD, (rate_card_id,))).fetchall()


async def card_at(connection: Connection, alias: str, at: datetime) -> UUID | None:
    """The card an alias means at `at`."""
    row = await (await connection.execute(SELECT_AT, {"alias": alias, "at": at})).fetchone()
    return None if row is None else row["rate_card_id"]


async def insert(
    connection: Connection,
    alias: str,
    rate_card_id: UUID,
    span: tuple[datetime | None, datetime | None],
) -> None:
    """Let an alias mean the card from span[0] (None: ever) until before span[1] (None: open)."""
    await connection.execute(INSERT, (alias, rate_card_id, *span))


async def delete(connection: Connection, alias_rows: Sequence[int]) -> None:
    """Take spans away."""
    await connection.execute(DELETE, (list(alias_rows),))
