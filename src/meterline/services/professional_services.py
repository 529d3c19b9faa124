"""Invoices of professional services: on request, up to what the contract allows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from meterline.core.charges import service_invoice_issues
from meterline.core.contract import Contract
from meterline.core.contract.professional_service import ProfessionalService
from meterline.core.contract.schedule import DatedAmount, ScheduleItem
from meterline.core.decimals import EXACT, ONE, plain
from meterline.core.errors import Invalid, require
from meterline.core.invoice import Invoice
from meterline.services import books, invoices
from meterline.services.contract_writes import finish, hold, locked
from meterline.services.workspace import Workspace
from meterline.store import contracts as store


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """What is to be invoiced of a service. `amount` has the date of the invoice. `shown`: kept for the caller alone."""

    service_id: UUID
    amount: DatedAmount
    shown: Mapping[str, Any] = field(default_factory=dict)


async def schedule_invoice(
    workspace: Workspace, customer_id: UUID, contract_id: UUID, lines: Sequence[ServiceLine]
) -> list[Invoice]:
    """Put `lines` on an invoice of their date: final at once if that is past. Returns the invoices that have them.

    Raises NotFound for the contract, Invalid for a service it lacks, and beyond a service's `max_amount`.
    """
    if not lines:
        raise Invalid("line_items", "must have at least one line")
    async with workspace.transaction() as connection:
        await hold(workspace, connection, customer_id)
        row = await locked(connection, contract_id, customer_id)
        contract = store.contract_of(row)
        priced = _priced(contract, lines)
        items = [_item(workspace.new_id(), line.amount) for line in priced]
        terms = {**row["terms"], **store.part_fields(_with(contract, priced, items))}
        shown = {
            str(item.id): dict(line.shown)
            for line, item in zip(priced, items, strict=True)
            if line.shown
        }
        if shown:
            terms["shown"] = {**terms.get("shown", {}), **shown}
        await store.update(connection, {**row, "terms": terms})
        await finish(workspace, connection, customer_id)
    return await _invoices_of(workspace, customer_id, {item.id for item in items})


def _priced(contract: Contract, lines: Sequence[ServiceLine]) -> list[ServiceLine]:
    """`lines` with the service's own price where only a quantity is given. Raises Invalid."""
    services = {service.id: service for service in contract.professional_services}
    priced = []
    of_service: dict[UUID, list[DatedAmount]] = defaultdict(list)
    for position, line in enumerate(lines):
        service = services.get(line.service_id)
        if service is None:
            raise Invalid(
                f"line_items[{position}].professional_service_id",
                "names no professional service of the contract",
            )
        given = line.amount
        if (given.amount, given.unit_price) == (None, None) and given.quantity is not None:
            given = replace(given, unit_price=service.unit_price)
        priced.append(replace(line, amount=given))
        of_service[line.service_id].append(given)
    for service_id, amounts in of_service.items():
        places = [n for n, line in enumerate(lines) if line.service_id == service_id]
        require(service_invoice_issues(services[service_id], amounts, places))
    return priced


def _item(item_id: UUID, given: DatedAmount) -> ScheduleItem:
    unit_price, quantity = given.unit_price, given.quantity
    if unit_price is None or quantity is None:
        assert given.amount is not None, "its issues would say so"
        unit_price, quantity = given.amount, ONE
    amount = plain(EXACT.multiply(unit_price, quantity))
    return ScheduleItem(item_id, given.timestamp, amount, plain(unit_price), plain(quantity))


def _with(
    contract: Contract, lines: Sequence[ServiceLine], items: Sequence[ScheduleItem]
) -> Contract:
    def invoiced(service: ProfessionalService) -> ProfessionalService:
        own = [
            item for line, item in zip(lines, items, strict=True) if line.service_id == service.id
        ]
        return replace(service, invoiced=(*service.invoiced, *own))

    services = tuple(invoiced(service) for service in contract.professional_services)
    return replace(contract, professional_services=services)


async def _invoices_of(
    workspace: Workspace, customer_id: UUID, item_ids: set[UUID]
) -> list[Invoice]:
    async with books.reading(workspace, [customer_id]) as (connection, accounts):
        account = accounts[customer_id]
        drafts = await books.live(connection, workspace.environment_id, account, workspace.now)
        found = [
            invoice
            for invoice in (*account.invoices, *drafts.invoices)
            if any(line.source_id in item_ids for line in invoice.line_items)
        ]
        return await invoices.whole(connection, found)
