"""/v1/contracts: a customer on a rate card. Parts that are not rated yet are refused by name."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from litestar.types import ControllerRouterHandler
from msgspec import UNSET

from meterline.api.contract_shapes import (
    ArchiveContract,
    ContractsV1Reply,
    ContractV1Reply,
    CreateContract,
    CreatedContract,
    CreatedContractReply,
    GetContract,
    ListContracts,
    SetUsageFilter,
    StatementBody,
    UpdateEndDate,
    contract_v1,
    contract_v2,
)
from meterline.api.requests import (
    IdReply,
    body_page_request,
    id_reply,
    instant,
    member,
    optional_instant,
)
from meterline.api.wire import post
from meterline.core.contract import UsageFilter
from meterline.core.decimals import decimal_issues
from meterline.core.errors import Invalid, require
from meterline.core.period import Frequency, StatementDay
from meterline.services import contracts
from meterline.services.paging import PageRequest
from meterline.services.workspace import Workspace

CONTRACTS_LIMIT_MAX = 20

_NOT_RATED_YET = (
    "billing_provider_configuration",
    "commits",
    "credits",
    "discounts",
    "hierarchy_configuration",
    "overrides",
    "package_alias",
    "package_id",
    "prepaid_balance_threshold_configuration",
    "professional_services",
    "recurring_commits",
    "recurring_credits",
    "reseller_royalties",
    "revenue_system_configuration",
    "scheduled_charges",
    "spend_threshold_configuration",
    "spend_trackers",
    "subscriptions",
    "transition",
)


class Prioritization(StrEnum):
    LOWEST_MULTIPLIER = "LOWEST_MULTIPLIER"
    EXPLICIT = "EXPLICIT"


class ChargesOnUsageInvoices(StrEnum):
    ALL = "ALL"


@post("/v1/contracts/create")
async def create_contract(workspace: Workspace, data: CreateContract) -> CreatedContractReply:
    """Put a customer on a rate card."""
    _refuse_unrated(data)
    usage_filter = data.usage_filter
    starting_at = instant("starting_at", data.starting_at)
    new = contracts.NewContract(
        customer_id=data.customer_id,
        starting_at=starting_at,
        ending_before=optional_instant("ending_before", data.ending_before),
        name=data.name,
        rate_card_id=data.rate_card_id,
        rate_card_alias=data.rate_card_alias,
        uniqueness_key=data.uniqueness_key,
        statement=_statement(data.usage_statement_schedule),
        usage_filter=None
        if usage_filter is None
        else UsageFilter(
            usage_filter.group_key,
            frozenset(usage_filter.group_values),
            optional_instant("usage_filter.starting_at", usage_filter.starting_at) or starting_at,
        ),
        shown=_shown(data),
        custom_fields=data.custom_fields or {},
    )
    row = await contracts.create(workspace, new)
    return CreatedContractReply(
        data=CreatedContract(id=row["contract_id"], contract=contract_v2(row))
    )


@post("/v1/contracts/get", scope="read")
async def get_contract(workspace: Workspace, data: GetContract) -> ContractV1Reply:
    """One contract of a customer."""
    row = await contracts.get(workspace, data.contract_id, data.customer_id)
    return ContractV1Reply(data=contract_v1(row, workspace.now))


@post("/v1/contracts/list", scope="read")
async def list_contracts(workspace: Workspace, data: ListContracts) -> ContractsV1Reply:
    """The contracts of a customer."""
    wanted, request = contract_page("contracts-v1", data)
    page = await contracts.page(workspace, wanted, request)
    rows = [contract_v1(row, workspace.now) for row in page.rows]
    return ContractsV1Reply(data=rows, cursor=page.next_page)


@post("/v1/contracts/updateEndDate")
async def update_end_date(workspace: Workspace, data: UpdateEndDate) -> IdReply:
    """Move the end; without a date the contract is open."""
    ending_before = optional_instant("ending_before", data.ending_before)
    await contracts.update_end_date(workspace, data.contract_id, data.customer_id, ending_before)
    return id_reply(data.contract_id)


@post("/v1/contracts/setUsageFilter")
async def set_usage_filter(workspace: Workspace, data: SetUsageFilter) -> None:
    """Let other usage be the contract's from an hour on."""
    usage_filter = UsageFilter(
        data.group_key,
        frozenset(data.group_values),
        instant("starting_at", data.starting_at),
    )
    await contracts.set_usage_filter(workspace, data.contract_id, data.customer_id, usage_filter)


@post("/v1/contracts/archive")
async def archive_contract(workspace: Workspace, data: ArchiveContract) -> IdReply:
    """Archive a contract for good. Only drafts exist, and they go with it."""
    await contracts.archive(workspace, data.contract_id, data.customer_id)
    return id_reply(data.contract_id)


def contract_page(
    listing: str, data: ListContracts
) -> tuple[contracts.ContractFilter, PageRequest]:
    """What a list of contracts asks for, in either version."""
    wanted = contracts.ContractFilter(
        customer_id=data.customer_id,
        covering_date=optional_instant("covering_date", data.covering_date),
        starting_at=optional_instant("starting_at", data.starting_at),
        include_archived=data.include_archived,
    )
    if wanted.covering_date is not None and wanted.starting_at is not None:
        raise Invalid("covering_date", "must be left out beside starting_at")
    request = body_page_request(
        listing,
        data.cursor,
        data.limit,
        wanted,
        limit_max=CONTRACTS_LIMIT_MAX,
        cursor_field="cursor",
    )
    return wanted, request


def _statement(given: StatementBody | None) -> contracts.StatementTerms:
    if given is None:
        return contracts.StatementTerms()
    place = "usage_statement_schedule"
    if not _says_nothing(given.invoice_generation_starting_at):
        raise Invalid(f"{place}.invoice_generation_starting_at", "is not supported yet")
    return contracts.StatementTerms(
        member(f"{place}.frequency", Frequency, given.frequency),
        member(f"{place}.day", StatementDay, given.day),
        optional_instant(f"{place}.billing_anchor_date", given.billing_anchor_date),
    )


def _shown(data: CreateContract) -> dict[str, Any]:
    """The terms that are kept only to be shown, as jsonb holds them."""
    days, value = data.net_payment_terms_days, data.total_contract_value
    for name, number in (("net_payment_terms_days", days), ("total_contract_value", value)):
        if number is not None:
            require(decimal_issues(name, number))
    if days is not None and days != int(days):
        raise Invalid("net_payment_terms_days", "must be a whole number of days")
    priority = data.multiplier_override_prioritization
    charges = data.scheduled_charges_on_usage_invoices
    shown = {
        "net_payment_terms_days": None if days is None else int(days),
        "total_contract_value": None if value is None else str(value),
        "netsuite_sales_order_id": data.netsuite_sales_order_id,
        "salesforce_opportunity_id": data.salesforce_opportunity_id,
        "multiplier_override_prioritization": None
        if priority is None
        else member("multiplier_override_prioritization", Prioritization, priority),
        "scheduled_charges_on_usage_invoices": None
        if charges is None
        else member("scheduled_charges_on_usage_invoices", ChargesOnUsageInvoices, charges),
    }
    return {name: value for name, value in shown.items() if value is not None}


def _refuse_unrated(data: CreateContract) -> None:
    for name in _NOT_RATED_YET:
        if not _says_nothing(getattr(data, name)):
            raise Invalid(name, f"{name} is not supported yet")


def _says_nothing(given: Any) -> bool:
    return given is UNSET or bytes(given).strip() in (b"null", b"[]")


routes: list[ControllerRouterHandler] = [
    create_contract,
    get_contract,
    list_contracts,
    update_end_date,
    set_usage_filter,
    archive_contract,
]
