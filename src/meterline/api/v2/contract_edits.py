"""/v2/contracts/edit and its kin: what is agreed is changed, and how it was changed is shown."""

from __future__ import annotations

from uuid import UUID

from litestar.types import ControllerRouterHandler

from meterline.api.contract_shapes import ContractId
from meterline.api.contract_shapes_context import making_of
from meterline.api.contract_shapes_edits import (
    EditContract,
    EditContractReply,
    EditHistoryReply,
    PastEditReply,
    as_sent,
    edit_of,
    past_edit,
)
from meterline.api.contract_shapes_updates import (
    EditCommit,
    EditCredit,
    grant_edit,
    grant_shown,
)
from meterline.api.requests import Body, IdReply, id_reply
from meterline.api.wire import encode, post
from meterline.services import contract_edits, contracts, grants
from meterline.services.workspace import Workspace


class ArchiveCommit(Body):
    customer_id: UUID
    commit_id: UUID


class ArchiveCredit(Body):
    customer_id: UUID
    credit_id: UUID


@post("/v2/contracts/edit")
async def edit_contract(workspace: Workspace, data: EditContract) -> EditContractReply:
    """Change a contract, all of it as asked for or nothing."""
    contract = await contracts.get(workspace, data.contract_id, data.customer_id)
    wanted = edit_of(data, await making_of(workspace, data), start=contract["starting_at"])
    past = await contract_edits.edit(workspace, wanted)
    return EditContractReply(data=PastEditReply(id=past.id, edit=past_edit(past)))


@post("/v2/contracts/getEditHistory", scope="read")
async def get_edit_history(workspace: Workspace, data: ContractId) -> EditHistoryReply:
    """Every edit of a contract, its end dates and usage filters too."""
    edits = await contract_edits.history(workspace, data.contract_id, data.customer_id)
    return EditHistoryReply(data=[past_edit(one) for one in edits])


@post("/v2/contracts/commits/edit")
async def edit_commit(workspace: Workspace, data: EditCommit) -> IdReply:
    """Change a commit, the customer's own or a contract's."""
    making = await making_of(workspace, data)
    wanted = grants.GrantChange(
        data.customer_id,
        grants.COMMITS,
        grant_edit("", data.commit_id, data, making),
        grant_shown(data),
        frozenset() if data.product_id is None else frozenset([data.product_id]),
        encode({"update_commits": [as_sent(data, "commit_id")]}),
    )
    await grants.change(workspace, wanted)
    return id_reply(data.commit_id)


@post("/v2/contracts/credits/edit")
async def edit_credit(workspace: Workspace, data: EditCredit) -> IdReply:
    """Change a credit, the customer's own or a contract's."""
    making = await making_of(workspace, data)
    wanted = grants.GrantChange(
        data.customer_id,
        grants.CREDITS,
        grant_edit("", data.credit_id, data, making),
        grant_shown(data),
        frozenset() if data.product_id is None else frozenset([data.product_id]),
        encode({"update_credits": [as_sent(data, "credit_id")]}),
    )
    await grants.change(workspace, wanted)
    return id_reply(data.credit_id)


@post("/v2/contracts/commits/archive")
async def archive_commit(workspace: Workspace, data: ArchiveCommit) -> IdReply:
    """Archive a commit, the customer's own or a contract's. No method of the SDK; in Metronome's public description."""
    await grants.archive(workspace, data.customer_id, data.commit_id, grants.COMMITS)
    return id_reply(data.commit_id)


@post("/v2/contracts/credits/archive")
async def archive_credit(workspace: Workspace, data: ArchiveCredit) -> IdReply:
    """Archive a credit, the customer's own or a contract's. No method of the SDK; in Metronome's public description."""
    await grants.archive(workspace, data.customer_id, data.credit_id, grants.CREDITS)
    return id_reply(data.credit_id)


routes: list[ControllerRouterHandler] = [
    edit_contract,
    get_edit_history,
    edit_commit,
    edit_credit,
    archive_commit,
    archive_credit,
]
