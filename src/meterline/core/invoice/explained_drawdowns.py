"""What grants paid of a line, with what they had before and after: told from the lines and the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from meterline.core.decimals import EXACT, ZERO, plain
from meterline.core.invoice.document import Invoice, LineItem, LineType
from meterline.core.ledger.entry import EntryType, LedgerEntry
from meterline.core.ledger.grant import AccessType, GrantKind
from meterline.core.period import EPOCH


class Drawdown(NamedTuple):
    """What one grant's segment paid: amounts in the grant's credit type, or units for QUANTITY access."""

    grant_id: UUID
    segment_id: UUID
    kind: GrantKind
    amount: Decimal
    balance_before: Decimal
    balance_after: Decimal


def drawdowns_of(
    invoice: Invoice, line: LineItem, entries: Iterable[LedgerEntry]
) -> Iterator[Drawdown]:
    """Yield what grants paid of the line; of one that is over, what they paid of the rest before they were used up."""
    applications = [one for one in invoice.line_items if one.type is LineType.APPLIED]
    held = list(entries)
    left: dict[UUID, Decimal] = {}
    for one in sorted(applications, key=_consuming_order):
        if one.applied is None or one.segment_id is None:
            continue
        if one.segment_id not in left:
            left[one.segment_id] = _balance_before(invoice.id, one.segment_id, held)
        in_units = one.applied.access_type is AccessType.QUANTITY
        amount = one.quantity if in_units else one.total.copy_negate()
        before = left[one.segment_id]
        left[one.segment_id] = EXACT.subtract(before, amount)
        if _is_of(one, line):
            yield Drawdown(
                one.applied.id,
                one.segment_id,
                one.applied.type,
                plain(amount),
                plain(before),
                plain(left[one.segment_id]),
            )


def _is_of(application: LineItem, line: LineItem) -> bool:
    """Whether an application is the line's, or of the same charge as a line that is over."""
    if line.segment_id is not None and line.segment_id != application.segment_id:
        return False
    if line.grant_id is not None and line.type is LineType.COMMIT_PURCHASE:
        return False
    same = place_of(application) == place_of(line) and application.source_id == line.source_id
    if line.segment_id is not None:
        return same and (application.tier, application.starting_at, application.counts) == (
            line.tier,
            line.starting_at,
            line.counts,
        )
    return same and _overlaps(application, line)


def _overlaps(left: LineItem, right: LineItem) -> bool:
    if left.starting_at is None or right.starting_at is None:
        return left.starting_at == right.starting_at
    left_end = left.ending_before or left.starting_at
    right_end = right.ending_before or right.starting_at
    return left.starting_at < right_end and right.starting_at < left_end


_CLASSES = {
    "UsageProductListItem": 0,
    "SubscriptionProductListItem": 1,
    "CompositeProductListItem": 2,
}


def _consuming_order(line: LineItem) -> tuple[object, ...]:
    """As grants pay: by class, start, unit price (highest first), name."""
    return (
        _CLASSES.get(line.product_type or "", len(_CLASSES)),
        line.starting_at or EPOCH,
        line.unit_price,  # negative, as it takes off
        line.name,
    )


def _balance_before(invoice_id: UUID, segment_id: UUID, entries: Iterable[LedgerEntry]) -> Decimal:
    """What was left of a segment when the invoice came to draw on it."""
    balance = ZERO
    for entry in entries:
        if entry.segment_id != segment_id:
            continue
        if entry.invoice_id == invoice_id and entry.type is EntryType.AUTOMATED_INVOICE_DEDUCTION:
            break
        balance = EXACT.add(balance, entry.amount)
    return balance


def place_of(line: LineItem) -> tuple[object, ...]:
    return (line.product_id, line.pricing_group_values, line.presentation_group_values)
