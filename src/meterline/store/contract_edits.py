"""Rows of `contract_edit`: how contracts were edited, each with the state it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from meterline.store.database import Connection, Row

INSERT = """
    INSERT INTO contract_edit (
        environment_id, edit_id, contract_id, customer_id, edited_at, edited_by, uniqueness_key, edit)
    VALUES (
        current_environment(), %(edit_id)s, %(contract_id)s, %(customer_id)s, %(edited_at)s, %(edited_by)s,
        %(uniqueness_key)s,
        jsonb_build_object('shown', %(shown)s::jsonb, 'before', %(before)s))
    ON CONFLICT (environment_id, uniqueness_key) DO NOTHING
"""
SELECT = """
    SELECT edit_id, edited_at, uniqueness_key, (edit -> 'shown')::text AS shown
    FROM contract_edit WHERE contract_id = %s ORDER BY position
"""
SELECT_FIRST = """
    SELECT DISTINCT ON (contract_id) contract_id, edit -> 'before' AS before
    FROM contract_edit WHERE contract_id = ANY(%s::uuid[]) ORDER BY contract_id, position
"""
SELECT_AFTER = """
    SELECT edit -> 'before' AS before FROM contract_edit
    WHERE contract_id = %s AND edited_at > %s ORDER BY position LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class ContractEdit:
    """An edit. `shown`: JSON, as the history shows it; `before`: the state it found."""

    id: UUID
    contract_id: UUID
    customer_id: UUID
    at: datetime
    actor: str
    shown: bytes
    before: Mapping[str, Any]
    uniqueness_key: str | None = None


async def insert(connection: Connection, edit: ContractEdit) -> bool:
    """Add an edit to its contract's history; False when its uniqueness_key is used."""
    values = {
        "edit_id": edit.id,
        "contract_id": edit.contract_id,
        "customer_id": edit.customer_id,
        "edited_at": edit.at,
        "edited_by": edit.actor,
        "uniqueness_key": edit.uniqueness_key,
        "shown": edit.shown.decode(),
        "before": Jsonb(dict(edit.before)),
    }
    return (await connection.execute(INSERT, values)).rowcount == 1


async def select(connection: Connection, contract_id: UUID) -> list[Row]:
    """The edits of a contract, oldest first: edit_id, edited_at, uniqueness_key, shown (JSON text)."""
    return await (await connection.execute(SELECT, (contract_id,))).fetchall()


async def first_states(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The state before the first edit of each contract; never edited: no entry."""
    rows = await (await connection.execute(SELECT_FIRST, (list(ids),))).fetchall()
    return {row["contract_id"]: row["before"] for row in rows}


async def state_at(
    connection: Connection, contract_id: UUID, at: datetime
) -> dict[str, Any] | None:
    """The state at `at`, from the next edit after it; None: there is none, so it is the present one."""
    row = await (await connection.execute(SELECT_AFTER, (contract_id, at))).fetchone()
    return None if row is None else row["before"]
