"""Rows of `account_grant`: commits and credits, of customers and of contracts.

`terms` is the core's `Grant` as the codec writes it; the columns beside it repeat what queries ask for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from meterline.core.ledger.grant import Grant
from meterline.store import codec
from meterline.store.database import Connection, Row

INSERT = """
    INSERT INTO account_grant (
        environment_id, grant_id, customer_id, contract_id, kind, uniqueness_key, terms, shown, custom_fields,
        created_at, created_by, archived_at)
    VALUES (
        current_environment(), %(grant_id)s, %(customer_id)s, %(contract_id)s, %(kind)s, %(uniqueness_key)s, %(terms)s,
        %(shown)s, %(custom_fields)s, %(created_at)s, %(created_by)s, %(archived_at)s)
    ON CONFLICT DO NOTHING
"""
INSERT_DERIVED = """
    INSERT INTO account_grant (
        environment_id, grant_id, customer_id, contract_id, kind, terms, created_at, created_by, archived_at)
    SELECT current_environment(), made.* FROM unnest(
        %(grant_ids)s::uuid[], %(customer_ids)s::uuid[], %(contract_ids)s::uuid[], %(kinds)s::text[],
        %(terms)s::text[]::jsonb[], %(created_ats)s::timestamptz[], %(actors)s::text[],
        %(archived_ats)s::timestamptz[]) AS made
    ON CONFLICT (environment_id, grant_id) DO NOTHING
"""
UPDATE = """
    UPDATE account_grant
    SET terms = %(terms)s, kind = %(kind)s, archived_at = %(archived_at)s,
        shown = coalesce(%(shown)s, shown), custom_fields = coalesce(%(custom_fields)s, custom_fields)
    WHERE grant_id = %(grant_id)s
"""
SELECT = "SELECT * FROM account_grant WHERE grant_id = ANY(%s::uuid[])"
SELECT_OF_CUSTOMERS = """
    SELECT customer_id, terms::text AS terms FROM account_grant WHERE customer_id = ANY(%s::uuid[])
    ORDER BY customer_id, created_at, grant_id
"""


@dataclass(frozen=True, slots=True)
class GrantExtras:
    """What a grant's row has beside its terms: `shown` is given back as it came."""

    actor: str
    uniqueness_key: str | None = None
    shown: Mapping[str, Any] = field(default_factory=dict)
    custom_fields: Mapping[str, str] = field(default_factory=dict)


async def insert(connection: Connection, grant: Grant, extras: GrantExtras) -> bool:
    """Add a grant; False where the id or the uniqueness_key (commits and credits apart) is used."""
    values = {
        **_columns(grant),
        "customer_id": grant.customer_id,
        "contract_id": grant.contract_id,
        "created_at": grant.created_at,
        "created_by": extras.actor,
        "uniqueness_key": extras.uniqueness_key,
        "shown": Jsonb(dict(extras.shown)),
        "custom_fields": Jsonb(dict(extras.custom_fields)),
    }
    return (await connection.execute(INSERT, values)).rowcount == 1


async def insert_derived(connection: Connection, grants: Sequence[Grant], actor: str) -> None:
    """Add grants that steps made; one that is there already stays as it is."""
    if not grants:
        return
    values = {
        "grant_ids": [grant.id for grant in grants],
        "customer_ids": [grant.customer_id for grant in grants],
        "contract_ids": [grant.contract_id for grant in grants],
        "kinds": [grant.kind for grant in grants],
        "terms": [codec.to_bytes(grant).decode() for grant in grants],
        "created_ats": [grant.created_at for grant in grants],
        "actors": [actor] * len(grants),
        "archived_ats": [grant.archived_at for grant in grants],
    }
    await connection.execute(INSERT_DERIVED, values)


async def update(
    connection: Connection,
    grant: Grant,
    *,
    shown: Mapping[str, Any] | None = None,
    custom_fields: Mapping[str, str] | None = None,
) -> None:
    """Replace a grant's terms, and what else is given. The caller holds the customer's books."""
    values = {
        **_columns(grant),
        "shown": None if shown is None else Jsonb(dict(shown)),
        "custom_fields": None if custom_fields is None else Jsonb(dict(custom_fields)),
    }
    await connection.execute(UPDATE, values)


async def select(connection: Connection, grant_ids: Sequence[UUID]) -> list[Row]:
    """The rows of these grants, archived ones too; `grant_of` reads one."""
    return await (await connection.execute(SELECT, (list(grant_ids),))).fetchall()


async def of_customers(
    connection: Connection, customer_ids: Sequence[UUID]
) -> dict[UUID, tuple[Grant, ...]]:
    """The grants of these customers, archived ones too, by age; none for some: no entry."""
    rows = await (await connection.execute(SELECT_OF_CUSTOMERS, (list(customer_ids),))).fetchall()
    found: dict[UUID, list[Grant]] = {}
    for row in rows:
        found.setdefault(row["customer_id"], []).append(codec.from_bytes(Grant, row["terms"]))
    return {customer_id: tuple(grants) for customer_id, grants in found.items()}


def grant_of(row: Row) -> Grant:
    """The grant of a row of `select`."""
    return codec.from_json(Grant, row["terms"])


def _columns(grant: Grant) -> dict[str, Any]:
    return {
        "grant_id": grant.id,
        "kind": grant.kind,
        "terms": codec.jsonb(grant),
        "archived_at": grant.archived_at,
    }
