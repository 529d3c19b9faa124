"""Why a line of an invoice says what it says, from the same terms, usage and ledger that made it."""

from __future__ import annotations

import asyncio
from uuid import UUID

from meterline.core.invoice import Invoice, InvoiceStatus
from meterline.core.invoice.explanation import Books, Explanation, explain
from meterline.core.ledger.entry import LedgerEntry
from meterline.core.lifecycle import Account, statement_of
from meterline.services import books, customers, invoices
from meterline.services.errors import NotFound
from meterline.services.statement_usage import usage_of
from meterline.services.workspace import Workspace
from meterline.store.database import Connection


async def explain_line(
    workspace: Workspace, customer_id: UUID, invoice_id: UUID, line_id: UUID
) -> Explanation:
    """Why the line says what it says. Raises NotFound for the customer, the invoice or the line."""
    async with books.reading(workspace, [customer_id]) as (connection, accounts):
        await customers.require(connection, customer_id)
        account = accounts[customer_id]
        invoice = await invoices.find(connection, workspace, account, invoice_id)
        beside = await _books(connection, workspace, account, invoice)
    found = await asyncio.to_thread(explain, invoice, line_id, beside)
    if found is None:
        raise NotFound("line", line_id)
    return found


async def _books(
    connection: Connection, workspace: Workspace, account: Account, invoice: Invoice
) -> Books:
    entries: tuple[LedgerEntry, ...] = account.entries
    if invoice.status is InvoiceStatus.DRAFT:
        live = await books.live(connection, workspace.environment_id, account, workspace.now)
        entries += live.entries
    statement = statement_of(account, invoice.id)
    if statement is None:
        return Books(None, None, (), account.grants, entries)
    usage = await usage_of(
        connection, workspace.environment_id, {account.customer_id: account}, [statement]
    )
    overrides = statement.contract.overrides
    return Books(statement.plan, usage[statement.invoice_id], overrides, account.grants, entries)
