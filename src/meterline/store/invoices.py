"""Rows of `invoice`: the final ones, and those that are void now. A void never changes the lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from meterline.core.invoice import Invoice, InvoiceType, LineItem
from meterline.store import codec
from meterline.store.database import Connection

# All of a batch as one text: parsed once, where an array of documents would be quoted and parsed twice.
SAVE = """
    INSERT INTO invoice AS kept (
        environment_id, invoice_id, customer_id, contract_id, type, status, period_start, period_end, issued_at,
        credit_type_id, total, document, line_items, voided_at, regenerated_from)
    SELECT current_environment(), (d->>'id')::uuid, (d->>'customer_id')::uuid, (d->>'contract_id')::uuid, d->>'type',
           d->>'status', (d->>'start_timestamp')::timestamptz, (d->>'end_timestamp')::timestamptz,
           (d->>'issued_at')::timestamptz, (d->'credit_type'->>'id')::uuid, (d->>'total')::numeric, d, lines,
           (d->>'voided_at')::timestamptz, (d->>'regenerated_from')::uuid
    FROM (SELECT pair->0 AS d, pair->1 AS lines FROM jsonb_array_elements(%s::jsonb) AS pair) AS new
    ON CONFLICT (environment_id, invoice_id) DO UPDATE
       SET status = excluded.status, document = excluded.document, voided_at = excluded.voided_at
     WHERE kept.status = 'FINALIZED' AND excluded.status = 'VOID'
"""
SELECT_OF_CUSTOMERS = """
    SELECT customer_id, document::text AS document FROM invoice WHERE customer_id = ANY(%s::uuid[])
    ORDER BY customer_id, issued_at, invoice_id
"""
SELECT_LINES = """
    SELECT invoice_id, line_items::text AS line_items FROM invoice WHERE invoice_id = ANY(%s::uuid[])
"""

SELECT_CUSTOMER = "SELECT customer_id FROM invoice WHERE invoice_id = %s"

# Ids are UUIDs, so none is of two tables.
SELECT_CUSTOM_FIELDS = """
    WITH named AS (SELECT unnest(%s::uuid[]) AS id)
    SELECT id, custom_fields FROM named JOIN customer ON customer_id = id
    UNION ALL SELECT id, custom_fields FROM named JOIN contract ON contract_id = id
    UNION ALL SELECT id, custom_fields FROM named JOIN product ON product_id = id
    UNION ALL SELECT id, custom_fields FROM named JOIN account_grant ON grant_id = id
"""


async def customer_of(connection: Connection, invoice_id: UUID) -> UUID | None:
    """Whose stored invoice it is; None: there is none of that id."""
    row = await (await connection.execute(SELECT_CUSTOMER, (invoice_id,))).fetchone()
    return None if row is None else row["customer_id"]


async def save(connection: Connection, invoices: Sequence[Invoice]) -> None:
    """Store invoices. One that is stored already stays as it is, unless it is now void."""
    if invoices:
        pairs = [(_without_usage(invoice), invoice.line_items) for invoice in invoices]
        await connection.execute(SAVE, (codec.to_bytes(pairs).decode(),))


async def of_customers(
    connection: Connection, customer_ids: Sequence[UUID]
) -> dict[UUID, tuple[Invoice, ...]]:
    """The stored invoices of these customers, by issue; none for some: no entry.

    Of their lines those that bill terms (`LineItem.source_id`); `with_lines` has all.
    """
    rows = await (await connection.execute(SELECT_OF_CUSTOMERS, (list(customer_ids),))).fetchall()
    found: dict[UUID, list[Invoice]] = {}
    for row in rows:
        found.setdefault(row["customer_id"], []).append(codec.from_bytes(Invoice, row["document"]))
    return {customer_id: tuple(invoices) for customer_id, invoices in found.items()}


async def with_lines(connection: Connection, invoices: Sequence[Invoice]) -> list[Invoice]:
    """The same stored invoices, in the same order, with their lines."""
    if not invoices:
        return []
    ids = [invoice.id for invoice in invoices]
    rows = await (await connection.execute(SELECT_LINES, (ids,))).fetchall()
    lines: dict[UUID, tuple[LineItem, ...]] = {
        row["invoice_id"]: codec.from_bytes(_LINES, row["line_items"]) for row in rows
    }
    return [replace(invoice, line_items=lines[invoice.id]) for invoice in invoices]


async def custom_fields_of(
    connection: Connection, ids: Sequence[UUID]
) -> dict[UUID, dict[str, str]]:
    """The custom fields of customers, contracts, products and grants of these ids."""
    rows = await (await connection.execute(SELECT_CUSTOM_FIELDS, (list(ids),))).fetchall()
    return {row["id"]: row["custom_fields"] for row in rows}


def _without_usage(invoice: Invoice) -> Invoice:
    if invoice.type is not InvoiceType.USAGE:
        return invoice
    billing = tuple(line for line in invoice.line_items if line.source_id is not None)
    return replace(invoice, line_items=billing)


_LINES = tuple[LineItem, ...]
