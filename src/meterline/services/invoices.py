"""Invoices: drafts, computed when asked for, among those that are stored; void, and made anew.

Lists are by the date an invoice is for (the end of a usage invoice's period), so that one keeps its place when it
becomes final.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from meterline.core.invoice import Invoice, InvoiceStatus
from meterline.core.lifecycle import Account, Change, regenerate, statement_of, void
from meterline.services import books, customers
from meterline.services.errors import NotFound
from meterline.services.paging import Key, Page, PageRequest
from meterline.services.statement_usage import usage_of
from meterline.services.workspace import Workspace
from meterline.store import contracts as contract_store
from meterline.store import invoices as store
from meterline.store import touches
from meterline.store.database import Connection


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """Which invoices a list shows; None does not restrict.

    `starting_on` <= period start, and period end <= `ending_before`. `type` as on the wire: of USAGE_CONSOLIDATED there
    are none.
    """

    status: InvoiceStatus | None = None
    type: str | None = None
    contract_id: UUID | None = None
    credit_type_id: UUID | None = None
    starting_on: datetime | None = None
    ending_before: datetime | None = None
    newest_first: bool = False

    def shows(self, invoice: Invoice) -> bool:
        """Whether an invoice passes."""
        return (
            self.status in (None, invoice.status)
            and self.type in (None, invoice.type.value)
            and self.contract_id in (None, invoice.contract_id)
            and self.credit_type_id in (None, invoice.credit_type.id)
            and (self.starting_on is None or self.starting_on <= invoice.start_timestamp)
            and (self.ending_before is None or invoice.end_timestamp <= self.ending_before)
        )


async def page(
    workspace: Workspace, customer_id: UUID, wanted: InvoiceFilter, request: PageRequest
) -> Page[Invoice]:
    """A customer's invoices by date. Raises NotFound for the customer or the contract."""
    after = request.after_row(2)
    async with books.reading(workspace, [customer_id]) as (connection, accounts):
        await require_owner(connection, customer_id, wanted.contract_id)
        account = accounts[customer_id]
        found = [*account.invoices]
        if wanted.status in (None, InvoiceStatus.DRAFT):
            live = await books.live(connection, workspace.environment_id, account, workspace.now)
            found += live.invoices
        shown = [
            invoice
            for invoice in sorted(found, key=_key, reverse=wanted.newest_first)
            if wanted.shows(invoice)
            and (after[0] is None or _follows(_key(invoice), after, wanted.newest_first))
        ]
        cut = request.page_of(shown[: request.fetch], _key)
        return Page(await whole(connection, cut.rows), cut.next_page)


async def get(workspace: Workspace, customer_id: UUID, invoice_id: UUID) -> Invoice:
    """The invoice of that id. Raises NotFound."""
    async with books.reading(workspace, [customer_id]) as (connection, accounts):
        await customers.require(connection, customer_id)
        return await find(connection, workspace, accounts[customer_id], invoice_id)


async def find(
    connection: Connection, workspace: Workspace, account: Account, invoice_id: UUID
) -> Invoice:
    """The account's invoice of that id, stored or draft, with its lines. Raises NotFound."""
    stored = [invoice for invoice in account.invoices if invoice.id == invoice_id]
    if stored:
        return (await whole(connection, stored))[0]
    live = await books.live(connection, workspace.environment_id, account, workspace.now)
    for invoice in live.invoices:
        if invoice.id == invoice_id:
            return invoice
    raise NotFound("invoice", invoice_id)


async def whole(connection: Connection, invoices: Sequence[Invoice]) -> list[Invoice]:
    """The same invoices with all their lines, which accounts have of drafts alone."""
    stored = [invoice for invoice in invoices if invoice.status is not InvoiceStatus.DRAFT]
    read = {invoice.id: invoice for invoice in await store.with_lines(connection, stored)}
    return [read.get(invoice.id, invoice) for invoice in invoices]


async def void_invoice(workspace: Workspace, invoice_id: UUID) -> None:
    """Make a final invoice void, and give back what it drew. Raises Invalid, NotFound."""
    async with workspace.transaction() as connection:
        account = await _held(connection, workspace, invoice_id)
        await _enter(connection, workspace, account, void(account, invoice_id, workspace.now))


async def regenerate_invoice(workspace: Workspace, invoice_id: UUID) -> UUID:
    """Make a void invoice anew, from present terms, usage and balances; returns its id. Raises Invalid, NotFound."""
    async with workspace.transaction() as connection:
        account = await _held(connection, workspace, invoice_id)
        statement = statement_of(account, invoice_id)
        usage = None
        if statement is not None:
            accounts = {account.customer_id: account}
            read = await usage_of(connection, workspace.environment_id, accounts, [statement])
            usage = read[statement.invoice_id]
        change = regenerate(account, invoice_id, usage, workspace.now)
        await _enter(connection, workspace, account, change)
        return change.invoices[-1].id


async def require_owner(
    connection: Connection, customer_id: UUID, contract_id: UUID | None
) -> None:
    """Raise NotFound unless the customer exists and has the contract, archived or not."""
    await customers.require(connection, customer_id)
    if contract_id is not None and not await contract_store.select(
        connection, contract_id, customer_id
    ):
        raise NotFound("contract", contract_id)


async def _held(connection: Connection, workspace: Workspace, invoice_id: UUID) -> Account:
    """The settled account of a stored invoice's customer, whose books are held from now on."""
    customer_id = await store.customer_of(connection, invoice_id)
    if customer_id is None:
        raise NotFound("final invoice", invoice_id)
    await books.lock(connection, customer_id)
    environment_id, now = workspace.environment_id, workspace.now
    await books.settle(connection, environment_id, [customer_id], now)
    return (await books.load(connection, environment_id, [customer_id], now))[customer_id]


async def _enter(
    connection: Connection, workspace: Workspace, account: Account, change: Change
) -> None:
    """Write a correction, and do what falls due by it."""
    await books.write(connection, {account.customer_id: [change]})
    await books.settle(connection, workspace.environment_id, [account.customer_id], workspace.now)
    await touches.customers(connection, [account.customer_id])


def _key(invoice: Invoice) -> Key:
    return (invoice.end_timestamp.isoformat(), str(invoice.id))


def _follows(key: Key, after: Key | tuple[None, ...], newest_first: bool) -> bool:
    return key < tuple(after) if newest_first else key > tuple(after)
