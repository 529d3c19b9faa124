"""What customers have left of commits and credits, one by one and together, and corrections of it by hand."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import msgspec
from litestar.types import ControllerRouterHandler

from meterline.api.contract_shapes_context import Showing
from meterline.api.contract_shapes_grants import GrantReply, UniquenessKey, grant_reply
from meterline.api.requests import (
    Body,
    CustomFields,
    Instant,
    Reply,
    body_page_request,
    instant,
    member,
    optional_instant,
)
from meterline.api.wire import post
from meterline.core.errors import Invalid
from meterline.core.ledger.grant import AccessType
from meterline.core.money import USD_CENTS
from meterline.services import balances, grants
from meterline.services.balances import (
    BalanceFilter,
    BalanceType,
    GrantFilter,
    InvoiceInclusion,
    Listing,
    NetBalance,
)
from meterline.services.grant_views import Wanted
from meterline.services.workspace import Workspace

PATH = "/v1/contracts"
LIMIT_MAX = 25
NO_CREDIT_TYPE = UUID(int=0)
"""Stands where a credit type would, for balances in units of a product."""


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


class BalanceFilterBody(Body):
    balance_types: list[str] | None = None
    ids: list[UUID] | None = None
    custom_fields: CustomFields | None = None


class GetNetBalance(Body):
    customer_id: UUID
    credit_type_id: UUID | None = None
    access_type: str | None = None
    filters: list[BalanceFilterBody] | None = None
    invoice_inclusion_mode: str | None = None


class AddManualEntry(Body):
    id: UUID
    customer_id: UUID
    segment_id: UUID
    amount: Decimal
    reason: str
    contract_id: UUID | None = None
    per_group_amounts: dict[str, Decimal] | None = None
    timestamp: Instant | None = None
    uniqueness_key: UniquenessKey | None = None


class BalancesReply(Reply):
    data: list[GrantReply]
    next_page: str | None


class NetBalanceShown(Reply, kw_only=True, omit_defaults=False):
    balance: Decimal
    credit_type_id: UUID


class NetBalanceReply(Reply):
    data: NetBalanceShown


@post(f"{PATH}/customerCommits/list", scope="read")
async def list_commits(workspace: Workspace, data: ListCommits) -> BalancesReply:
    """A customer's commits."""
    wanted = GrantFilter(
        data.customer_id,
        grants.COMMITS,
        data.commit_id,
        of_contracts=data.include_contract_commits,
        archived=data.include_archived,
    )
    return await _page(workspace, "commits", data, wanted)


@post(f"{PATH}/customerCredits/list", scope="read")
async def list_credits(workspace: Workspace, data: ListCredits) -> BalancesReply:
    """A customer's credits."""
    wanted = GrantFilter(
        data.customer_id,
        grants.CREDITS,
        data.credit_id,
        of_contracts=data.include_contract_credits,
        archived=data.include_archived,
    )
    return await _page(workspace, "credits", data, wanted)


@post(f"{PATH}/customerBalances/list", scope="read")
async def list_balances(workspace: Workspace, data: ListBalances) -> BalancesReply:
    """A customer's commits and credits in one list."""
    wanted = GrantFilter(
        data.customer_id,
        id=data.id,
        of_contracts=data.include_contract_balances,
        archived=data.include_archived,
    )
    return await _page(
        workspace, "balances", data, wanted, exclude_zero_balances=data.exclude_zero_balances
    )


@post(f"{PATH}/customerBalances/getNetBalance", scope="read")
async def get_net_balance(workspace: Workspace, data: GetNetBalance) -> NetBalanceReply:
    """What is left of all commits and credits together."""
    access_type = _access_type(data.access_type) or AccessType.SPEND
    if access_type is AccessType.QUANTITY and data.credit_type_id is not None:
        raise Invalid("credit_type_id", "must be left out where access_type is QUANTITY")
    mode = data.invoice_inclusion_mode
    wanted = NetBalance(
        data.customer_id,
        data.credit_type_id,
        access_type,
        [_filter(f"filters[{at}].", one) for at, one in enumerate(data.filters or ())],
        InvoiceInclusion.FINALIZED_AND_DRAFT
        if mode is None
        else member("invoice_inclusion_mode", InvoiceInclusion, mode),
    )
    unit = data.credit_type_id or USD_CENTS.id
    return NetBalanceReply(
        data=NetBalanceShown(
            balance=await balances.net(workspace, wanted),
            credit_type_id=NO_CREDIT_TYPE if access_type is AccessType.QUANTITY else unit,
        )
    )


@post(f"{PATH}/addManualBalanceLedgerEntry")
async def add_manual_entry(workspace: Workspace, data: AddManualEntry) -> None:
    """Correct what is left of a segment by hand."""
    if data.per_group_amounts:
        raise Invalid("per_group_amounts", "is not supported: name the seat's own commit or credit")
    entry = grants.ManualEntry(
        customer_id=data.customer_id,
        grant_id=data.id,
        segment_id=data.segment_id,
        amount=data.amount,
        reason=data.reason,
        contract_id=data.contract_id,
        at=None if data.timestamp is None else instant("timestamp", data.timestamp),
        uniqueness_key=data.uniqueness_key,
    )
    await grants.add_manual_entry(workspace, entry)


async def _page(
    workspace: Workspace,
    name: str,
    data: ListBody,
    wanted: GrantFilter,
    *,
    exclude_zero_balances: bool = False,
) -> BalancesReply:
    listing = Listing(
        wanted,
        _access_type(data.access_type),
        optional_instant("covering_date", data.covering_date),
        optional_instant("starting_at", data.starting_at),
        optional_instant("effective_before", data.effective_before),
        exclude_zero_balances,
    )
    asked = msgspec.structs.asdict(data)
    scope = {key: asked[key] for key in sorted(asked.keys() - {"next_page", "limit"})}
    request = body_page_request(name, data.next_page, data.limit, scope, limit_max=LIMIT_MAX)
    shown = Wanted(data.include_balance, data.include_ledgers)
    page, sold = await balances.page(workspace, listing, shown, request)
    showing = Showing(sold, workspace.now)
    rows = [grant_reply(view, showing) for view in page.rows]
    return BalancesReply(data=rows, next_page=page.next_page)


def _access_type(text: str | None) -> AccessType | None:
    return None if text is None else member("access_type", AccessType, text)


def _filter(place: str, given: BalanceFilterBody) -> BalanceFilter:
    types = given.balance_types
    return BalanceFilter(
        None
        if types is None
        else frozenset(
            member(f"{place}balance_types[{at}]", BalanceType, one) for at, one in enumerate(types)
        ),
        None if given.ids is None else frozenset(given.ids),
        given.custom_fields,
    )


routes: list[ControllerRouterHandler] = [
    list_commits,
    list_credits,
    list_balances,
    get_net_balance,
    add_manual_entry,
]
