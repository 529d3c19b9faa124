"""What is true of every ledger, as functions of its entries: each returns the ids of what breaks its rule.

Entries are a customer's, in the order they were posted.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from meterline.core.decimals import EXACT, ZERO
from meterline.core.ledger.entry import EntryType, LedgerEntry

_BY_INVOICE = {
    EntryType.AUTOMATED_INVOICE_DEDUCTION,
    EntryType.CREDITED,
    EntryType.CANCELED,
    EntryType.TRUEUP,
}
_CLOSING = {EntryType.EXPIRATION, EntryType.TRUEUP}


def without_cause(entries: Iterable[LedgerEntry]) -> list[UUID]:
    """Return the entries that do not say what they are of: each names its segment, and what its type is caused by."""
    return [entry.id for entry in entries if not _has_cause(entry)]


def _has_cause(entry: LedgerEntry) -> bool:
    if entry.segment_id is None:
        return False
    if entry.type in _BY_INVOICE:
        return entry.invoice_id is not None
    if entry.type is EntryType.ROLLOVER:
        return entry.new_contract_id is not None
    if entry.type is EntryType.MANUAL:
        return bool(entry.reason)
    return True


def overdrawn(entries: Iterable[LedgerEntry]) -> list[UUID]:
    """Return the segments of which an invoice drew more than was left when it did."""
    left: dict[UUID, Decimal] = {}
    found: dict[UUID, None] = {}
    for entry in entries:
        if entry.segment_id is None:
            continue
        now = EXACT.add(left.get(entry.segment_id, ZERO), entry.amount)
        left[entry.segment_id] = now
        if now < 0 and entry.type is EntryType.AUTOMATED_INVOICE_DEDUCTION:
            found[entry.segment_id] = None
    return list(found)


def closed_with_a_rest(entries: Iterable[LedgerEntry]) -> list[UUID]:
    """Return the segments that were closed last (expired or trued up, not reopened since) and do not sum to zero."""
    left: dict[UUID, Decimal] = {}
    closed: dict[UUID, bool] = {}
    for entry in entries:
        if entry.segment_id is None:
            continue
        left[entry.segment_id] = EXACT.add(left.get(entry.segment_id, ZERO), entry.amount)
        # An expiration that is taken back names the invoice it was taken back for.
        reopens = entry.type is EntryType.EXPIRATION and entry.invoice_id is not None
        if entry.type in _CLOSING:
            closed[entry.segment_id] = not reopens
        else:
            closed[entry.segment_id] = closed.get(entry.segment_id, False) and not entry.amount
    return [
        segment_id for segment_id, is_closed in closed.items() if is_closed and left[segment_id]
    ]
