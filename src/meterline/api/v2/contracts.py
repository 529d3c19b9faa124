"""/v2/contracts: the same contracts in the newer form."""

from __future__ import annotations

from litestar.types import ControllerRouterHandler

from meterline.api.contract_shapes import GetContractAsOf, ListContracts
from meterline.api.contract_shapes_shown import ContractsV2Reply, ContractV2Reply, contract_v2
from meterline.api.requests import optional_instant
from meterline.api.v1.contracts import contract_page
from meterline.api.wire import post
from meterline.services import contract_views
from meterline.services.grant_views import Wanted
from meterline.services.workspace import Workspace


@post("/v2/contracts/get", scope="read")
async def get_contract(workspace: Workspace, data: GetContractAsOf) -> ContractV2Reply:
    """One contract of a customer, now or as of a date."""
    view = await contract_views.get(
        workspace,
        data.contract_id,
        data.customer_id,
        as_of=optional_instant("as_of_date", data.as_of_date),
        wanted=Wanted(data.include_balance, data.include_ledgers),
    )
    return ContractV2Reply(data=contract_v2(view, workspace.now))


@post("/v2/contracts/list", scope="read")
async def list_contracts(workspace: Workspace, data: ListContracts) -> ContractsV2Reply:
    """The contracts of a customer."""
    wanted, request = contract_page("contracts-v2", data)
    shown = Wanted(data.include_balance, data.include_ledgers)
    page = await contract_views.page(workspace, wanted, request, shown=shown)
    rows = [contract_v2(view, workspace.now) for view in page.rows]
    return ContractsV2Reply(data=rows, cursor=page.next_page)


routes: list[ControllerRouterHandler] = [get_contract, list_contracts]
