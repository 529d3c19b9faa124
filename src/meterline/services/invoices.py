"""Running invoices: computed when asked for, from catalogue, contract and usage, and stored nowhere.

Every billing period of a contract that has begun has its DRAFT. Drafts are rated in a thread, after
the transaction, so that neither connections nor other requests wait for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from meterline.core.invoice import Invoice, InvoiceStatus, InvoiceType, draft_invoice
from meterline.core.rating import PriceList
from meterline.core.usage import UsageBook
from meterline.services import bills, customers
from meterline.services.bills import Bill, Priced
from meterline.services.errors import NotFound
from meterline.services.paging import Key, Page, PageRequest
from meterline.services.workspace import Workspace
from meterline.store import contracts as contract_store
from meterline.store.database import Connection


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """Which invoices a list shows; None does not restrict.

    `starting_on` <= period start, and period end <= `ending_before`.
    """

    status: InvoiceStatus | None = None
    type: str | None = None
    contract_id: UUID | None = None
    credit_type_id: UUID | None = None
    starting_on: datetime | None = None
    ending_before: datetime | None = None
    newest_first: bool = False

    def shows(self, bill: Bill) -> bool:
        """Whether a draft usage invoice passes, as far as contract and period tell."""
        return (
            self.status in (None, InvoiceStatus.DRAFT)
            and self.type in (None, InvoiceType.USAGE.value)
            and self.contract_id in (None, bill.contract.id)
            and (self.starting_on is None or self.starting_on <= bill.period.start)
            and (self.ending_before is None or bill.period.end <= self.ending_before)
        )


async def page(
    workspace: Workspace, customer_id: UUID, wanted: InvoiceFilter, request: PageRequest
) -> Page[Invoice]:
    """A customer's invoices by period start. Raises NotFound for the customer or the contract."""
    after = request.after_row(2)
    async with workspace.transaction() as connection:
        await require_owner(connection, customer_id, wanted.contract_id)
        begun = await bills.begun(connection, customer_id, workspace.now)
        price_lists = await bills.load_price_lists(connection, begun)
        shown = [
            bill
            for bill in sorted(begun, key=lambda bill: bill.key, reverse=wanted.newest_first)
            if wanted.shows(bill)
            and _is_in(bill, price_lists, wanted.credit_type_id)
            and (after[0] is None or _follows(bill.key, after, wanted.newest_first))
        ]
        cut = request.page_of(shown[: request.fetch], lambda bill: bill.key)
        priced = [Priced(bill, bills.plan_of(bill, price_lists)) for bill in cut.rows]
        usage = await bills.load_usage(connection, workspace.environment_id, priced, price_lists)
    return Page(await asyncio.to_thread(_drafts, priced, usage, workspace.now), cut.next_page)


async def get(workspace: Workspace, customer_id: UUID, invoice_id: UUID) -> Invoice:
    """The invoice of that id. Raises NotFound."""
    async with workspace.transaction() as connection:
        await customers.require(connection, customer_id)
        begun = await bills.begun(connection, customer_id, workspace.now)
        found = [bill for bill in begun if bill.invoice_id == invoice_id]
        if not found:
            raise NotFound("invoice", invoice_id)
        price_lists = await bills.load_price_lists(connection, found)
        priced = [Priced(bill, bills.plan_of(bill, price_lists)) for bill in found]
        usage = await bills.load_usage(connection, workspace.environment_id, priced, price_lists)
    return (await asyncio.to_thread(_drafts, priced, usage, workspace.now))[0]


async def require_owner(
    connection: Connection, customer_id: UUID, contract_id: UUID | None
) -> None:
    """Raise NotFound unless the customer exists and has the contract, archived or not."""
    await customers.require(connection, customer_id)
    if contract_id is not None and not await contract_store.select(
        connection, contract_id, customer_id
    ):
        raise NotFound("contract", contract_id)


def _is_in(bill: Bill, price_lists: Mapping[UUID, PriceList], credit_type_id: UUID | None) -> bool:
    card = bills.price_list_of(bill, price_lists).card
    return credit_type_id in (None, card.fiat_credit_type.id)


def _follows(key: Key, after: Key | tuple[None, ...], newest_first: bool) -> bool:
    return key < tuple(after) if newest_first else key > tuple(after)


def _drafts(priced: Sequence[Priced], usage: Sequence[UsageBook], now: datetime) -> list[Invoice]:
    return [
        draft_invoice(bill.contract, plan, book, now=now)
        for (bill, plan), book in zip(priced, usage, strict=True)
    ]
