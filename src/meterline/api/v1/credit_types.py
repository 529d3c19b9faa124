"""/v1/credit-types: currencies and custom pricing units."""

from __future__ import annotations

from uuid import UUID

from litestar import get

from meterline.api.requests import (
    Body,
    IdReply,
    Limit,
    NextPage,
    Reply,
    id_reply,
    page_request,
)
from meterline.api.wire import Name, post
from meterline.services import credit_types
from meterline.services.workspace import Workspace


class CreateCreditType(Body):
    name: Name


class ArchiveCreditType(Body):
    id: UUID


class CreditTypeReply(Reply):
    id: UUID
    name: str
    is_currency: bool


class CreditTypesReply(Reply):
    data: list[CreditTypeReply]
    next_page: str | None


@get("/v1/credit-types/list")
async def list_credit_types(
    workspace: Workspace, limit: Limit = None, next_page: NextPage = None
) -> CreditTypesReply:
    """Currencies first, then the environment's own units."""
    page = await credit_types.page(workspace, page_request("credit-types", next_page, limit))
    rows = [
        CreditTypeReply(id=one.id, name=one.name, is_currency=one.is_currency) for one in page.rows
    ]
    return CreditTypesReply(data=rows, next_page=page.next_page)


@post("/v1/credit-types/create")
async def create_credit_type(workspace: Workspace, data: CreateCreditType) -> IdReply:
    """Add a pricing unit."""
    return id_reply(await credit_types.create(workspace, data.name))


@post("/v1/credit-types/archive")
async def archive_credit_type(workspace: Workspace, data: ArchiveCreditType) -> IdReply:
    """Hide a pricing unit."""
    await credit_types.archive(workspace, data.id)
    return id_reply(data.id)


routes = [list_credit_types, create_credit_type, archive_credit_type]
