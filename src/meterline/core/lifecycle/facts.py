"""What the stored facts of an account say, looked up by what steps ask for. Made anew for every account."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from meterline.core.contract import Contract
from meterline.core.decimals import EXACT, ZERO
from meterline.core.invoice import Invoice, InvoiceStatus, InvoiceType, LineItem, LineType
from meterline.core.ledger.entry import EntryType, LedgerEntry
from meterline.core.ledger.grant import GrantSegment
from meterline.core.lifecycle.account import Account
from meterline.core.rating.piece import PieceKind

STARTS = (EntryType.SEGMENT_START, EntryType.INITIAL_BALANCE)


class Posting(NamedTuple):
    """An entry of a segment, to be posted at `at` or later."""

    at: datetime
    segment_id: UUID
    entry: LedgerEntry


def bills(line: LineItem) -> bool:
    """Whether a line's quantity is billed of the term it names."""
    return line.type is not LineType.APPLIED and line.counts is PieceKind.UNITS


@dataclass(frozen=True, slots=True)
class Facts:
    """`contracts`: those not archived, by id. `entries`, `balances`: by segment. `closed_until`: by contract, the end
    of its last stored usage invoice. `successors`: what stands in for a void invoice. `billed`: by schedule item or
    subscription charge, the quantity on stored invoices that nothing stands in for: what is void and not made again
    is not billed a second time. `invoices`: by id.
    """

    contracts: Mapping[UUID, Contract]
    entries: Mapping[UUID, Sequence[LedgerEntry]]
    balances: Mapping[UUID, Decimal]
    closed_until: Mapping[UUID, datetime]
    successors: Mapping[UUID, Invoice]
    billed: Mapping[UUID, Decimal]
    invoices: Mapping[UUID, Invoice]

    @classmethod
    def of(cls, account: Account) -> Facts:
        """Return the facts of `account`."""
        entries: dict[UUID, list[LedgerEntry]] = defaultdict(list)
        balances: dict[UUID, Decimal] = defaultdict(lambda: ZERO)
        for entry in account.entries:
            if entry.segment_id is not None:
                entries[entry.segment_id].append(entry)
                balances[entry.segment_id] = EXACT.add(balances[entry.segment_id], entry.amount)
        successors = {
            invoice.regenerated_from: invoice
            for invoice in account.invoices
            if invoice.regenerated_from is not None
        }
        closed: dict[UUID, datetime] = {}
        billed: dict[UUID, Decimal] = defaultdict(lambda: ZERO)
        for invoice in account.invoices:
            if invoice.type is InvoiceType.USAGE and invoice.contract_id is not None:
                end = closed.get(invoice.contract_id, invoice.end_timestamp)
                closed[invoice.contract_id] = max(end, invoice.end_timestamp)
            if invoice.id in successors:
                continue
            for line in invoice.line_items:
                if bills(line) and line.source_id is not None:
                    billed[line.source_id] = EXACT.add(billed[line.source_id], line.quantity)
        return cls(
            {one.id: one for one in account.contracts if one.archived_at is None},
            entries,
            dict(balances),
            closed,
            successors,
            dict(billed),
            {invoice.id: invoice for invoice in account.invoices},
        )

    def balance(self, segment_id: UUID) -> Decimal:
        """What is left of a segment: the sum of its entries."""
        return self.balances.get(segment_id, ZERO)

    def count(self, segment_id: UUID, *types: EntryType) -> int:
        """How many entries of these types a segment has."""
        return sum(1 for entry in self.entries.get(segment_id, ()) if entry.type in types)

    def draws_on(self, invoice: Invoice, segment: GrantSegment) -> bool:
        """Whether a usage invoice is of a time in which the segment can be spent, or drew on it otherwise.

        A subscription paid in advance draws on what is live when its cycle starts, after the invoice's period.
        """
        if (
            invoice.start_timestamp < segment.ending_before
            and segment.starting_at < invoice.end_timestamp
        ):
            return True
        return any(entry.invoice_id == invoice.id for entry in self.entries.get(segment.id, ()))

    def is_pending(self, invoice: Invoice) -> bool:
        """Whether an invoice is void and nothing stands in for it yet."""
        return invoice.status is InvoiceStatus.VOID and invoice.id not in self.successors
