"""/v1/contracts: a customer on a rate card, with everything that is agreed beside it."""

from __future__ import annotations

from litestar.types import ControllerRouterHandler

from meterline.api.contract_shapes import (
    ArchiveContract,
    CreateContract,
    GetContract,
    ListContracts,
    SetUsageFilter,
    UpdateEndDate,
    new_contract,
)
from meterline.api.contract_shapes_context import making_of
from meterline.api.contract_shapes_shown import (
    ContractsV1Reply,
    ContractV1Reply,
    CreatedContract,
    CreatedContractReply,
    contract_v1,
    contract_v2,
)
from meterline.api.requests import (
    IdReply,
    body_page_request,
    id_reply,
    instant,
    optional_instant,
)
from meterline.api.wire import post
from meterline.core.contract import UsageFilter
from meterline.core.errors import Invalid
from meterline.services import contract_views, contracts
from meterline.services.grant_views import Wanted
from meterline.services.paging import PageRequest
from meterline.services.workspace import Workspace

CONTRACTS_LIMIT_MAX = 20


@post("/v1/contracts/create")
async def create_contract(workspace: Workspace, data: CreateContract) -> CreatedContractReply:
    """Put a customer on a rate card."""
    new = new_contract(data, await making_of(workspace, data))
    row = await contracts.create(workspace, new)
    view = await contract_views.get(workspace, row["contract_id"], row["customer_id"])
    return CreatedContractReply(
        data=CreatedContract(id=row["contract_id"], contract=contract_v2(view, workspace.now))
    )


@post("/v1/contracts/get", scope="read")
async def get_contract(workspace: Workspace, data: GetContract) -> ContractV1Reply:
    """One contract of a customer."""
    view = await contract_views.get(
        workspace,
        data.contract_id,
        data.customer_id,
        wanted=Wanted(data.include_balance, data.include_ledgers),
        with_initial=True,
    )
    return ContractV1Reply(data=contract_v1(view, workspace.now))


@post("/v1/contracts/list", scope="read")
async def list_contracts(workspace: Workspace, data: ListContracts) -> ContractsV1Reply:
    """The contracts of a customer."""
    wanted, request = contract_page("contracts-v1", data)
    shown = Wanted(data.include_balance, data.include_ledgers)
    page = await contract_views.page(workspace, wanted, request, shown=shown, with_initial=True)
    rows = [contract_v1(view, workspace.now) for view in page.rows]
    return ContractsV1Reply(data=rows, cursor=page.next_page)


@post("/v1/contracts/updateEndDate")
async def update_end_date(workspace: Workspace, data: UpdateEndDate) -> IdReply:
    """Move the end; without a date the contract is open."""
    await contracts.update_end_date(
        workspace,
        data.contract_id,
        data.customer_id,
        optional_instant("ending_before", data.ending_before),
        may_end_before_finalized=data.allow_ending_before_finalized_invoice,
    )
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
    """Archive a contract for good, its drafts with it and, if asked for, its final invoices."""
    await contracts.archive(
        workspace, data.contract_id, data.customer_id, void_invoices=data.void_invoices
    )
    return id_reply(data.contract_id)


def contract_page(
    listing: str, data: ListContracts
) -> tuple[contract_views.ContractFilter, PageRequest]:
    """What a list of contracts asks for, in either version."""
    wanted = contract_views.ContractFilter(
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


routes: list[ControllerRouterHandler] = [
    create_contract,
    get_contract,
    list_contracts,
    update_end_date,
    set_usage_filter,
    archive_contract,
]
