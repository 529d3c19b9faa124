"""Commits and credits of a customer himself: given and ended. Their lists are in `balances`."""

from __future__ import annotations

from uuid import UUID

from litestar.types import ControllerRouterHandler

from meterline.api.contract_shapes_context import making_of
from meterline.api.contract_shapes_grants import (
    CreateCommit,
    CreateCredit,
    commit_of,
    credit_of,
)
from meterline.api.requests import Body, IdReply, Instant, id_reply, instant, optional_instant
from meterline.api.wire import post
from meterline.core.errors import Invalid
from meterline.services import grants
from meterline.services.workspace import Workspace

PATH = "/v1/contracts"


class UpdateCommitEnd(Body):
    customer_id: UUID
    commit_id: UUID
    access_ending_before: Instant | None = None
    invoices_ending_before: Instant | None = None


class UpdateCreditEnd(Body):
    customer_id: UUID
    credit_id: UUID
    access_ending_before: Instant


@post(f"{PATH}/customerCommits/create")
async def create_commit(workspace: Workspace, data: CreateCommit) -> IdReply:
    """Give a customer a commit."""
    making = await making_of(workspace, data)
    part = commit_of("", data, making, customer_id=data.customer_id, contract_id=None)
    return id_reply(await grants.create(workspace, part, data.uniqueness_key))


@post(f"{PATH}/customerCredits/create")
async def create_credit(workspace: Workspace, data: CreateCredit) -> IdReply:
    """Give a customer a credit."""
    making = await making_of(workspace, data)
    part = credit_of("", data, making, customer_id=data.customer_id, contract_id=None)
    return id_reply(await grants.create(workspace, part, data.uniqueness_key))


@post(f"{PATH}/customerCommits/updateEndDate")
async def update_commit_end(workspace: Workspace, data: UpdateCommitEnd) -> IdReply:
    """End what can be spent of a commit, or what is invoiced for it, at another date."""
    access = optional_instant("access_ending_before", data.access_ending_before)
    invoices = optional_instant("invoices_ending_before", data.invoices_ending_before)
    if access is None and invoices is None:
        raise Invalid("access_ending_before", "is required, or invoices_ending_before")
    await grants.update_end_date(
        workspace,
        data.customer_id,
        data.commit_id,
        grants.COMMITS,
        access_ending_before=access,
        invoices_ending_before=invoices,
    )
    return id_reply(data.commit_id)


@post(f"{PATH}/customerCredits/updateEndDate")
async def update_credit_end(workspace: Workspace, data: UpdateCreditEnd) -> IdReply:
    """End what can be spent of a credit at another date."""
    await grants.update_end_date(
        workspace,
        data.customer_id,
        data.credit_id,
        grants.CREDITS,
        access_ending_before=instant("access_ending_before", data.access_ending_before),
    )
    return id_reply(data.credit_id)


routes: list[ControllerRouterHandler] = [
    create_commit,
    create_credit,
    update_commit_end,
    update_credit_end,
]
