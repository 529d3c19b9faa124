"""Edits of commits and credits, whosever they are: the account they are checked on, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from meterline.core.contract import Contract
from meterline.core.edits import GrantEdit, edited_grant, replaced
from meterline.core.errors import Issue, require
from meterline.core.ledger.grant import Grant
from meterline.core.ledger.rules import grant_issues
from meterline.core.lifecycle import Account
from meterline.services import books
from meterline.services.contract_making import (
    Surroundings,
    fixed_product_issues,
    grant_currency_issues,
)
from meterline.services.workspace import Workspace
from meterline.store.database import Connection


async def account_of(workspace: Workspace, connection: Connection, customer_id: UUID) -> Account:
    """The books of a customer, who is held."""
    found = await books.load(connection, workspace.environment_id, [customer_id], workspace.now)
    return found[customer_id]


def with_terms(account: Account, contract: Contract | None, grants: Iterable[Grant]) -> Account:
    """Return the account with new terms: of one contract, and of grants, new ones too."""
    changed = {grant.id: grant for grant in grants}
    kept = [changed.pop(one.id, one) for one in account.grants]
    contracts = account.contracts if contract is None else replaced(account.contracts, contract)
    return replace(account, contracts=contracts, grants=(*kept, *changed.values()))


def checked_grant(
    grant: Grant, wanted: GrantEdit, contract: Contract | None, around: Surroundings, place: str
) -> Grant:
    """Return the grant after an edit. Raises Invalid for what the edit makes wrong; what was so before may stay."""
    changed = edited_grant(grant, wanted, place)
    before = _issues(grant, contract, around)
    require(
        Issue(f"{place}{issue.field}", issue.message)
        for issue in _issues(changed, contract, around)
        if issue not in before
    )
    return changed


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What is only shown of a part after an edit; None takes a text away."""
    return {name: value for name, value in (dict(old) | dict(new)).items() if value is not None}


def _issues(grant: Grant, contract: Contract | None, around: Surroundings) -> list[Issue]:
    product = around.products.get(grant.product_id)
    return [
        *([] if product is None else fixed_product_issues(product)),
        *grant_issues(grant, contract),
        *grant_currency_issues(grant, around.card),
    ]
