"""/v1/contracts/scheduleProServicesInvoice: contracted work, invoiced on request."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from meterline.api.invoice_shapes import InvoiceDetail, invoice_fields
from meterline.api.requests import Body, Instant, Reply, instant, optional_instant
from meterline.api.wire import post
from meterline.core.contract.schedule import DatedAmount
from meterline.services import professional_services
from meterline.services.bearers import custom_fields_of
from meterline.services.professional_services import ServiceLine
from meterline.services.workspace import Workspace


class LineBody(Body):
    professional_service_id: UUID
    amount: Decimal | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    metadata: str | None = None
    netsuite_invoice_billing_start: Instant | None = None
    netsuite_invoice_billing_end: Instant | None = None


class ScheduleInvoice(Body):
    contract_id: UUID
    customer_id: UUID
    issued_at: Instant
    line_items: list[LineBody]


class InvoicesReply(Reply):
    data: list[InvoiceDetail]


@post("/v1/contracts/scheduleProServicesInvoice")
async def schedule_pro_services_invoice(
    workspace: Workspace, data: ScheduleInvoice
) -> InvoicesReply:
    """Invoice services of a contract at a date, up to what it allows."""
    issued_at = instant("issued_at", data.issued_at)
    lines = [
        ServiceLine(
            body.professional_service_id,
            DatedAmount(issued_at, body.amount, body.unit_price, body.quantity),
            _shown(position, body),
        )
        for position, body in enumerate(data.line_items)
    ]
    invoices = await professional_services.schedule_invoice(
        workspace, data.customer_id, data.contract_id, lines
    )
    custom_fields = await custom_fields_of(workspace, invoices)
    return InvoicesReply(
        data=[InvoiceDetail(**invoice_fields(one, custom_fields)) for one in invoices]
    )


def _shown(position: int, body: LineBody) -> dict[str, Any]:
    """What is kept for the caller's own books."""
    shown: dict[str, Any] = {} if body.metadata is None else {"metadata": body.metadata}
    for name in ("netsuite_invoice_billing_start", "netsuite_invoice_billing_end"):
        at = optional_instant(f"line_items[{position}].{name}", getattr(body, name))
        if at is not None:
            shown[name] = at.isoformat()
    return shown


routes = [schedule_pro_services_invoice]
