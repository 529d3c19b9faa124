"""/v2/contracts: the same contracts in the newer form."""

from __future__ import annotations

from meterline.api.contract_shapes import (
    ContractsV2Reply,
    ContractV2Reply,
    GetContract,
    ListContracts,
    contract_v2,
)
from meterline.api.v1.contracts import contract_page
from meterline.api.wire import post
from meterline.services import contracts
from meterline.services.workspace import Workspace


@post("/v2/contracts/get", scope="read")
async def get_contract(workspace: Workspace, data: GetContract) -> ContractV2Reply:
    """One contract of a customer."""
    row = await contracts.get(workspace, data.contract_id, data.customer_id)
    return ContractV2Reply(data=contract_v2(row))


@post("/v2/contracts/list", scope="read")
async def list_contracts(workspace: Workspace, data: ListContracts) -> ContractsV2Reply:
    """The contracts of a customer."""
    wanted, request = contract_page("contracts-v2", data)
    page = await contracts.page(workspace, wanted, request)
    return ContractsV2Reply(data=[contract_v2(row) for row in page.rows], cursor=page.next_page)


routes = [get_contract, list_contracts]
