"""Rows of `ledger_entry`: appended, never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from uuid import UUID

from meterline.core.ledger.entry import EntryType, LedgerEntry
from meterline.store.database import Connection, Row

# A position that is taken is an error (somebody wrote without the customer's lock); an entry that is there is not.
APPEND = """
    INSERT INTO ledger_entry (
        environment_id, customer_id, position, entry_id, grant_id, segment_id, type, amount, effective_at, invoice_id,
        contract_id, new_contract_id, reason)
    SELECT current_environment(), new.customer_id,
           coalesce((SELECT max(position) FROM ledger_entry AS old WHERE old.customer_id = new.customer_id
                        AND old.environment_id = current_environment()), 0)
           + row_number() OVER (PARTITION BY new.customer_id ORDER BY new.number),
           new.entry_id, new.grant_id, new.segment_id, new.type, new.amount, new.effective_at, new.invoice_id,
           new.contract_id, new.new_contract_id, new.reason
    FROM unnest(
        %(customer_ids)s::uuid[], %(entry_ids)s::uuid[], %(grant_ids)s::uuid[], %(segment_ids)s::uuid[],
        %(types)s::text[], %(amounts)s::numeric[], %(effective_ats)s::timestamptz[], %(invoice_ids)s::uuid[],
        %(contract_ids)s::uuid[], %(new_contract_ids)s::uuid[], %(reasons)s::text[]) WITH ORDINALITY
        AS new (customer_id, entry_id, grant_id, segment_id, type, amount, effective_at, invoice_id, contract_id,
                new_contract_id, reason, number)
    ON CONFLICT (environment_id, entry_id) DO NOTHING
"""
SELECT_OF_CUSTOMERS = """
    SELECT customer_id, entry_id, grant_id, segment_id, type, amount, effective_at, invoice_id, contract_id,
           new_contract_id, reason
    FROM ledger_entry WHERE customer_id = ANY(%s::uuid[]) ORDER BY customer_id, position
"""


async def append(connection: Connection, entries: Mapping[UUID, Sequence[LedgerEntry]]) -> None:
    """Add each customer's entries in their order. An entry that is there already is passed over.

    The caller holds these customers' books (`books.lock`).
    """
    rows = [(customer_id, entry) for customer_id, posted in entries.items() for entry in posted]
    if not rows:
        return
    values = {
        "customer_ids": [customer_id for customer_id, _ in rows],
        "entry_ids": [entry.id for _, entry in rows],
        "grant_ids": [entry.grant_id for _, entry in rows],
        "segment_ids": [entry.segment_id for _, entry in rows],
        "types": [entry.type for _, entry in rows],
        "amounts": [entry.amount for _, entry in rows],
        "effective_ats": [entry.timestamp for _, entry in rows],
        "invoice_ids": [entry.invoice_id for _, entry in rows],
        "contract_ids": [entry.contract_id for _, entry in rows],
        "new_contract_ids": [entry.new_contract_id for _, entry in rows],
        "reasons": [entry.reason for _, entry in rows],
    }
    await connection.execute(APPEND, values)


async def of_customers(
    connection: Connection, customer_ids: Sequence[UUID]
) -> dict[UUID, tuple[LedgerEntry, ...]]:
    """The entries of these customers in the order they were posted; none for some: no entry."""
    rows = await (await connection.execute(SELECT_OF_CUSTOMERS, (list(customer_ids),))).fetchall()
    found: dict[UUID, list[LedgerEntry]] = {}
    for row in rows:
        found.setdefault(row["customer_id"], []).append(_entry_of(row))
    return {customer_id: tuple(entries) for customer_id, entries in found.items()}


def _entry_of(row: Row) -> LedgerEntry:
    return LedgerEntry(
        id=row["entry_id"],
        grant_id=row["grant_id"],
        type=EntryType(row["type"]),
        amount=row["amount"],
        timestamp=row["effective_at"].astimezone(UTC),
        segment_id=row["segment_id"],
        invoice_id=row["invoice_id"],
        contract_id=row["contract_id"],
        new_contract_id=row["new_contract_id"],
        reason=row["reason"],
    )
