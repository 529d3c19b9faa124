"""/v1/customers/{customer_id}/invoices: running invoices, and spend over time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import Parameter, QueryParameter

from meterline.api.requests import (
    Instant,
    Limit,
    NextPage,
    Reply,
    instant,
    member,
    page_request,
    path_id,
)
from meterline.api.v1.rate_cards import CreditTypeRef, credit_type_ref
from meterline.core.errors import Invalid
from meterline.core.invoice import Invoice, InvoiceStatus, LineItem
from meterline.services import breakdowns, invoices
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


class TierReply(Reply):
    level: int
    starting_at: str
    size: str | None = None


class LineItemReply(Reply):
    name: str
    type: str
    total: Decimal
    credit_type: CreditTypeRef
    quantity: Decimal
    unit_price: Decimal
    product_id: UUID | None = None
    product_type: str | None = None
    product_tags: list[str] | None = None
    starting_at: datetime | None = None
    ending_before: datetime | None = None
    pricing_group_values: dict[str, str] | None = None
    presentation_group_values: dict[str, str | None] | None = None
    tier: TierReply | None = None


class InvoiceDetail(Reply):
    id: UUID
    customer_id: UUID
    contract_id: UUID
    type: str
    status: str
    credit_type: CreditTypeRef
    line_items: list[LineItemReply]
    subtotal: Decimal
    total: Decimal
    start_timestamp: datetime
    end_timestamp: datetime
    invoice_adjustments: list[dict[str, Any]]
    billable_status: str
    issued_at: datetime | None = None
    net_payment_terms_days: int | None = None


class BreakdownDetail(InvoiceDetail, kw_only=True):
    breakdown_start_timestamp: datetime
    breakdown_end_timestamp: datetime


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
    shown = [invoice_detail(one, skip_zero_qty_line_items) for one in page.rows]
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
    shown = [
        BreakdownDetail(
            **_invoice_fields(invoice, skip_zero_qty_line_items),
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
    return InvoiceReply(data=invoice_detail(invoice, skip_zero_qty_line_items))


def invoice_detail(invoice: Invoice, skip_zero: bool = False) -> InvoiceDetail:
    """An invoice as every reply shows it; `skip_zero` leaves out lines of quantity 0."""
    return InvoiceDetail(**_invoice_fields(invoice, skip_zero))


def _invoice_fields(invoice: Invoice, skip_zero: bool) -> dict[str, Any]:
    return {
        "id": invoice.id,
        "customer_id": invoice.customer_id,
        "contract_id": invoice.contract_id,
        "type": invoice.type,
        "status": invoice.status,
        "credit_type": credit_type_ref(invoice.credit_type),
        "line_items": [
            _line_item(line) for line in invoice.line_items if line.quantity or not skip_zero
        ],
        "subtotal": invoice.subtotal,
        "total": invoice.total,
        "start_timestamp": invoice.start_timestamp,
        "end_timestamp": invoice.end_timestamp,
        "invoice_adjustments": [],
        "billable_status": "billable",
        "issued_at": invoice.issued_at,
        "net_payment_terms_days": invoice.net_payment_terms_days,
    }


def _line_item(line: LineItem) -> LineItemReply:
    tier = line.tier
    return LineItemReply(
        name=line.name,
        type=line.type,
        total=line.total,
        credit_type=credit_type_ref(line.credit_type),
        quantity=line.quantity,
        unit_price=line.unit_price,
        product_id=line.product_id,
        product_type=line.product_type,
        product_tags=None if line.product_id is None else list(line.product_tags),
        starting_at=line.starting_at,
        ending_before=line.ending_before,
        pricing_group_values=_present(line.pricing_group_values),
        presentation_group_values=None
        if line.presentation_group_values is None
        else dict(line.presentation_group_values),
        tier=None
        if tier is None
        else TierReply(
            level=tier.level,
            starting_at=format(tier.starting_at, "f"),
            size=None if tier.size is None else format(tier.size, "f"),
        ),
    )


def _present(values: Mapping[str, str | None] | None) -> dict[str, str] | None:
    if values is None:
        return None
    return {name: value for name, value in values.items() if value is not None}


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


routes = [list_invoices, list_breakdowns, get_invoice]
