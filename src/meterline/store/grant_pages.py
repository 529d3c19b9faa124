"""Rows of `account_grant` to look at: those of contracts, and those of a customer that a list may show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from meterline.core.ledger.grant import GrantKind
from meterline.store.database import Connection, Row

SELECT_OF_CONTRACTS = """
    SELECT * FROM account_grant WHERE contract_id = ANY(%s::uuid[]) ORDER BY created_at, grant_id
"""
SELECT_OF_CUSTOMER = """
    SELECT * FROM account_grant
    WHERE customer_id = %(customer_id)s
      AND kind = ANY(%(kinds)s::text[])
      AND (contract_id IS NULL OR %(of_contracts)s)
      AND (archived_at IS NULL OR %(archived)s)
      AND (%(id)s::uuid IS NULL OR grant_id = %(id)s::uuid)
      AND (%(at)s::timestamptz IS NULL OR (created_at, grant_id) > (%(at)s, %(after_id)s::uuid))
    ORDER BY created_at, grant_id
"""


@dataclass(frozen=True, slots=True)
class GrantFilter:
    """Which of a customer's grants to read. `of_contracts`: those of his contracts too."""

    customer_id: UUID
    kinds: tuple[GrantKind, ...] = tuple(GrantKind)
    id: UUID | None = None
    of_contracts: bool = False
    archived: bool = False


async def of_contracts(connection: Connection, contract_ids: Sequence[UUID]) -> list[Row]:
    """The grants of these contracts by age, archived ones too."""
    return await (await connection.execute(SELECT_OF_CONTRACTS, (list(contract_ids),))).fetchall()


async def of_customer(
    connection: Connection, wanted: GrantFilter, after: Sequence[str | None] = (None, None)
) -> list[Row]:
    """A customer's grants by age, after (created_at, grant_id)."""
    parameters = {
        "customer_id": wanted.customer_id,
        "kinds": list(wanted.kinds),
        "of_contracts": wanted.of_contracts,
        "archived": wanted.archived,
        "id": wanted.id,
        "at": after[0],
        "after_id": after[1],
    }
    return await (await connection.execute(SELECT_OF_CUSTOMER, parameters)).fetchall()
