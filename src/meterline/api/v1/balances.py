"""What customers have left of commits and credits. Their lists take cursor and limit in the body."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from meterline.api.requests import (
    Body,
    CustomFields,
    Instant,
    Reply,
    body_page_request,
    member,
    optional_instant,
)
from meterline.api.wire import post
from meterline.core.errors import Invalid
from meterline.services import balances
from meterline.services.workspace import Workspace

PATH = "/v1/contracts"
LIMIT_MAX = 25
NO_CREDIT_TYPE = UUID(int=0)
"""Stands where a credit type would, for balances in units of a product."""


class AccessType(StrEnum):
    SPEND = "SPEND"
    QUANTITY = "QUANTITY"


class BalanceType(StrEnum):
    PREPAID_COMMIT = "PREPAID_COMMIT"
    POSTPAID_COMMIT = "POSTPAID_COMMIT"
    CREDIT = "CREDIT"


class InvoiceInclusion(StrEnum):
    FINALIZED = "FINALIZED"
    FINALIZED_AND_DRAFT = "FINALIZED_AND_DRAFT"


class ListBody(Body):
    customer_id: UUID
    access_type: str | None = None
    covering_date: Instant | None = None
    starting_at: Instant | None = None
    effective_before: Instant | None = None
    include_archived: bool = False
    include_balance: bool = False
    include_ledgers: bool = False
    next_page: str | None = None
    limit: Decimal | None = None


class ListCommits(ListBody):
    commit_id: UUID | None = None
    include_contract_commits: bool = False


class ListCredits(ListBody):
    credit_id: UUID | None = None
    include_contract_credits: bool = False


class ListBalances(ListBody):
    id: UUID | None = None
    include_contract_balances: bool = False
    exclude_zero_balances: bool = False


class BalanceFilter(Body):
    balance_types: list[str] | None = None
    ids: list[UUID] | None = None
    custom_fields: CustomFields | None = None


class GetNetBalance(Body):
    customer_id: UUID
    credit_type_id: UUID | None = None
    access_type: str | None = None
    filters: list[BalanceFilter] | None = None
    invoice_inclusion_mode: str | None = None


class BalancesReply(Reply):
    """Rows are commits and credits, of which there can be none yet."""

    data: list[Any]
    next_page: str | None


class NetBalance(Reply, kw_only=True, omit_defaults=False):
    balance: Decimal
    credit_type_id: UUID


class NetBalanceReply(Reply):
    data: NetBalance


@post(f"{PATH}/customerCommits/list", scope="read")
async def list_commits(workspace: Workspace, data: ListCommits) -> BalancesReply:
    """A customer's commits."""
    return await _page(workspace, "commits", data)


@post(f"{PATH}/customerCredits/list", scope="read")
async def list_credits(workspace: Workspace, data: ListCredits) -> BalancesReply:
    """A customer's credits."""
    return await _page(workspace, "credits", data)


@post(f"{PATH}/customerBalances/list", scope="read")
async def list_balances(workspace: Workspace, data: ListBalances) -> BalancesReply:
    """A customer's commits and credits in one list."""
    return await _page(workspace, "balances", data)


@post(f"{PATH}/customerBalances/getNetBalance", scope="read")
async def get_net_balance(workspace: Workspace, data: GetNetBalance) -> NetBalanceReply:
    """What is left of all commits and credits together."""
    for at, one in enumerate(data.filters or ()):
        for position, balance_type in enumerate(one.balance_types or ()):
            member(f"filters[{at}].balance_types[{position}]", BalanceType, balance_type)
    if data.invoice_inclusion_mode is not None:
        member("invoice_inclusion_mode", InvoiceInclusion, data.invoice_inclusion_mode)
    if _access_type(data.access_type) is not AccessType.QUANTITY:
        balance, unit = await balances.net(workspace, data.customer_id, data.credit_type_id)
    elif data.credit_type_id is None:
        balance, unit = await balances.net_quantity(workspace, data.customer_id), NO_CREDIT_TYPE
    else:
        raise Invalid("credit_type_id", "must be left out where access_type is QUANTITY")
    return NetBalanceReply(data=NetBalance(balance=balance, credit_type_id=unit))


async def _page(workspace: Workspace, listing: str, data: ListBody) -> BalancesReply:
    _access_type(data.access_type)
    for field in ("covering_date", "starting_at", "effective_before"):
        optional_instant(field, getattr(data, field))
    asked = msgspec.structs.asdict(data)
    filters = {name: asked[name] for name in sorted(asked.keys() - {"next_page", "limit"})}
    request = body_page_request(listing, data.next_page, data.limit, filters, limit_max=LIMIT_MAX)
    page = await balances.page(workspace, data.customer_id, request)
    return BalancesReply(data=page.rows, next_page=page.next_page)


def _access_type(text: str | None) -> AccessType | None:
    return None if text is None else member("access_type", AccessType, text)


routes = [list_commits, list_credits, list_balances, get_net_balance]
