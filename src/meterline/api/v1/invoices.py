"""/v1/customers/{customer_id}/invoices and /v1/invoices: drafts and final ones, spend over time, corrections."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import Parameter, QueryParameter

from meterline.api.explanation_shapes import ExplanationReply, explanation_reply
from meterline.api.invoice_shapes import BreakdownDetail, InvoiceDetail, invoice_fields
from meterline.api.requests import (
    Body,
    IdReply,
    Instant,
    Limit,
    NextPage,
    Reply,
    id_reply,
    instant,
    member,
    page_request,
    path_id,
)
from meterline.api.wire import post
from meterline.core.errors import Invalid
from meterline.core.invoice import InvoiceStatus
from meterline.services import breakdowns, explanations, invoices
from meterline.services.bearers import custom_fields_of
from meterline.services.breakdowns import BreakdownQuery
from meterline.services.invoices import InvoiceFilter
from meterline.services.windows import WindowSize
from meterline.services.workspace import Workspace

PATH = "/v1/customers/{customer_id:str}/invoices"
DRAFTS_DEFAULT = 20
"""Invoices of a page when no limit is asked for: each is rated anew."""

INVOICE_TYPES = ("USAGE", "USAGE_CONSOLIDATED", "SCHEDULED")
SORTS = ("date_asc", "date_desc")

Text = Annotated[str | None, Parameter(required=False)]


class InvoiceId(Body):
    id: UUID


class InvoiceReply(Reply):
    data: InvoiceDetail


class InvoicesReply(Reply):
    data: list[InvoiceDetail]
    next_page: str | None


class BreakdownsReply(Reply):
    data: list[BreakdownDetail]
    next_page: str | None


@get(PATH)
async def list_invoices(  # noqa: PLR0913, PLR0917 - one argument a query parameter
    workspace: Workspace,
    customer_id: str,
    status: Text = None,
    type_: Annotated[str | None, QueryParameter(name="type", required=False)] = None,
    contract_id: Text = None,
    credit_type_id: Text = None,
    starting_on: Text = None,
    ending_before: Text = None,
    sort: Text = None,
    skip_zero_qty_line_items: bool = False,
    limit: Limit = None,
    next_page: NextPage = None,
) -> InvoicesReply:
    """A customer's invoices, by billing period."""
    customer = path_id("customer", customer_id)
    wanted = InvoiceFilter(
        status=_status(status),
        type=_invoice_type(type_),
        contract_id=_uuid("contract_id", contract_id),
        credit_type_id=_uuid("credit_type_id", credit_type_id),
        starting_on=_instant("starting_on", starting_on),
        ending_before=_instant("ending_before", ending_before),
        newest_first=_newest_first(sort),
    )
    request = page_request(
        "invoices", next_page, DRAFTS_DEFAULT if limit is None else limit, customer, wanted
    )
    page = await invoices.page(workspace, customer, wanted, request)
    custom_fields = await custom_fields_of(workspace, page.rows)
    shown = [
        InvoiceDetail(**invoice_fields(one, custom_fields, skip_zero_qty_line_items))
        for one in page.rows
    ]
    return InvoicesReply(data=shown, next_page=page.next_page)


@get(f"{PATH}/breakdowns")
async def list_breakdowns(  # noqa: PLR0913, PLR0917 - one argument a query parameter
    workspace: Workspace,
    customer_id: str,
    starting_on: Text = None,
    ending_before: Text = None,
    window_size: Text = None,
    status: Text = None,
    credit_type_id: Text = None,
    sort: Text = None,
    skip_zero_qty_line_items: bool = False,
    limit: Limit = None,
    next_page: NextPage = None,
) -> BreakdownsReply:
    """A customer's spend by hour or day; an invoice's rows add up to it exactly."""
    customer = path_id("customer", customer_id)
    size = member("window_size", WindowSize, window_size or "DAY")
    if size is WindowSize.NONE:
        raise Invalid("window_size", "must be one of HOUR, DAY")
    start = _instant("starting_on", starting_on)
    end = _instant("ending_before", ending_before)
    if start is None or end is None:
        raise Invalid("starting_on" if start is None else "ending_before", "is required")
    query = BreakdownQuery(
        starting_on=start,
        ending_before=end,
        size=size,
        status=_status(status),
        credit_type_id=_uuid("credit_type_id", credit_type_id),
        newest_first=_newest_first(sort),
    )
    request = page_request("breakdowns", next_page, limit, customer, query)
    page = await breakdowns.page(workspace, customer, query, request)
    custom_fields = await custom_fields_of(workspace, [row.invoice for row in page.rows])
    shown = [
        BreakdownDetail(
            **invoice_fields(invoice, custom_fields, skip_zero_qty_line_items),
            breakdown_start_timestamp=window.start,
            breakdown_end_timestamp=window.end,
        )
        for window, invoice in page.rows
    ]
    return BreakdownsReply(data=shown, next_page=page.next_page)


@get(f"{PATH}/{{invoice_id:str}}")
async def get_invoice(
    workspace: Workspace,
    customer_id: str,
    invoice_id: str,
    skip_zero_qty_line_items: bool = False,
) -> InvoiceReply:
    """One invoice."""
    invoice = await invoices.get(
        workspace, path_id("customer", customer_id), path_id("invoice", invoice_id)
    )
    custom_fields = await custom_fields_of(workspace, [invoice])
    fields = invoice_fields(invoice, custom_fields, skip_zero_qty_line_items)
    return InvoiceReply(data=InvoiceDetail(**fields))


@get(f"{PATH}/{{invoice_id:str}}/lines/{{line_id:str}}/explain")
async def explain_line(
    workspace: Workspace, customer_id: str, invoice_id: str, line_id: str
) -> ExplanationReply:
    """Why a line says what it says: its rate, the walk through the tiers, what paid for it, the usage."""
    found = await explanations.explain_line(
        workspace,
        path_id("customer", customer_id),
        path_id("invoice", invoice_id),
        path_id("line", line_id),
    )
    return explanation_reply(found)


@post("/v1/invoices/void")
async def void_invoice(workspace: Workspace, data: InvoiceId) -> IdReply:
    """Make a final invoice void; what it drew from commits and credits is given back."""
    await invoices.void_invoice(workspace, data.id)
    return id_reply(data.id)


@post("/v1/invoices/regenerate")
async def regenerate_invoice(workspace: Workspace, data: InvoiceId) -> IdReply:
    """Make a void invoice anew from present terms, usage and balances; answers the new one's id."""
    return id_reply(await invoices.regenerate_invoice(workspace, data.id))


def _status(text: str | None) -> InvoiceStatus | None:
    return None if text is None else member("status", InvoiceStatus, text)


def _invoice_type(text: str | None) -> str | None:
    if text is not None and text.upper() not in INVOICE_TYPES:
        raise Invalid("type", f"must be one of {', '.join(INVOICE_TYPES)}")
    return None if text is None else text.upper()


def _newest_first(sort: str | None) -> bool:
    if sort is not None and sort.lower() not in SORTS:
        raise Invalid("sort", f"must be one of {', '.join(SORTS)}")
    return sort is not None and sort.lower() == "date_desc"


def _uuid(field: str, text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError as error:
        raise Invalid(field, "must be a UUID") from error


def _instant(field: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return instant(field, msgspec.convert(text, Instant))
    except msgspec.ValidationError as error:
        raise Invalid(field, "must be an RFC 3339 timestamp with an offset from UTC") from error


routes = [
    list_invoices,
    list_breakdowns,
    get_invoice,
    explain_line,
    void_invoice,
    regenerate_invoice,
]
