"""Ledger entries, made from their causes: the same cause makes the same entry, id and all.

Every entry is bound to a segment, so that a segment's balance is the sum of its own entries. Amounts are in the grant's
own measure; taking away is negative.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid5

from meterline.core.ledger.entry import EntryType, LedgerEntry
from meterline.core.ledger.grant import Grant, GrantKind, GrantSegment


def segment_start(grant: Grant, segment: GrantSegment) -> LedgerEntry:
    """The segment's amount becomes spendable (SEGMENT_START; POSTPAID: INITIAL_BALANCE), at its start."""
    return LedgerEntry(
        id=uuid5(grant.id, f"start/{segment.id}"),
        grant_id=grant.id,
        type=_start_type(grant),
        amount=segment.amount,
        timestamp=segment.starting_at,
        segment_id=segment.id,
    )


def segment_correction(
    grant: Grant, segment: GrantSegment, difference: Decimal, *, at: datetime, cause: str
) -> LedgerEntry:
    """The amount of a segment that has begun was edited by `difference`. `cause`: what tells this edit from others."""
    return LedgerEntry(
        id=uuid5(grant.id, f"correction/{segment.id}/{cause}"),
        grant_id=grant.id,
        type=_start_type(grant),
        amount=difference,
        timestamp=at,
        segment_id=segment.id,
    )


def deduction(
    grant_id: UUID,
    segment_id: UUID,
    amount: Decimal,
    *,
    invoice_id: UUID,
    contract_id: UUID,
    at: datetime,
) -> LedgerEntry:
    """An invoice draws `amount` (positive); `at`: the end of its service period."""
    return LedgerEntry(
        id=uuid5(invoice_id, f"deduction/{segment_id}"),
        grant_id=grant_id,
        type=EntryType.AUTOMATED_INVOICE_DEDUCTION,
        amount=amount.copy_negate(),
        timestamp=at,
        segment_id=segment_id,
        invoice_id=invoice_id,
        contract_id=contract_id,
    )


def credited(deducted: LedgerEntry, *, at: datetime) -> LedgerEntry:
    """The void of the invoice that drew `deducted` gives it back."""
    assert deducted.type is EntryType.AUTOMATED_INVOICE_DEDUCTION, "only what was drawn comes back"
    return LedgerEntry(
        id=uuid5(deducted.id, "credited"),
        grant_id=deducted.grant_id,
        type=EntryType.CREDITED,
        amount=deducted.amount.copy_negate(),
        timestamp=at,
        segment_id=deducted.segment_id,
        invoice_id=deducted.invoice_id,
        contract_id=deducted.contract_id,
    )


def expiration(
    grant: Grant, segment: GrantSegment, remaining: Decimal, *, at: datetime, earlier: int = 0
) -> LedgerEntry:
    """What is left of a segment at its end is gone. `earlier`: how many EXPIRATION entries it has already."""
    return LedgerEntry(
        id=uuid5(grant.id, f"expiration/{segment.id}/{earlier}"),
        grant_id=grant.id,
        type=EntryType.EXPIRATION,
        amount=remaining.copy_negate(),
        timestamp=at,
        segment_id=segment.id,
    )


def expiration_reversal(expired: LedgerEntry, *, cause: UUID, at: datetime) -> LedgerEntry:
    """An expiration is taken back, because `cause` (an invoice made again) may draw on the segment after all."""
    assert expired.type is EntryType.EXPIRATION, "only an expiration is taken back"
    return LedgerEntry(
        id=uuid5(expired.id, f"reversed/{cause}"),
        grant_id=expired.grant_id,
        type=EntryType.EXPIRATION,
        amount=expired.amount.copy_negate(),
        timestamp=at,
        segment_id=expired.segment_id,
        invoice_id=cause,
    )


def trueup(
    grant: Grant,
    segment: GrantSegment,
    remaining: Decimal,
    *,
    invoice_id: UUID,
    contract_id: UUID | None,
    at: datetime,
) -> LedgerEntry:
    """The shortfall of a POSTPAID commit is billed, which leaves nothing."""
    return LedgerEntry(
        id=uuid5(grant.id, f"trueup/{segment.id}"),
        grant_id=grant.id,
        type=EntryType.TRUEUP,
        amount=remaining.copy_negate(),
        timestamp=at,
        segment_id=segment.id,
        invoice_id=invoice_id,
        contract_id=contract_id,
    )


def rollover(
    grant: Grant, segment: GrantSegment, amount: Decimal, *, new_contract_id: UUID, at: datetime
) -> LedgerEntry:
    """`amount` goes over to the contract that renews this one."""
    return LedgerEntry(
        id=uuid5(grant.id, f"rollover/{segment.id}/{new_contract_id}"),
        grant_id=grant.id,
        type=EntryType.ROLLOVER,
        amount=amount.copy_negate(),
        timestamp=at,
        segment_id=segment.id,
        new_contract_id=new_contract_id,
    )


def manual(
    grant: Grant, segment_id: UUID, amount: Decimal, *, reason: str, at: datetime, cause: UUID
) -> LedgerEntry:
    """Somebody adds (or takes away) by hand. `cause`: the id of the request."""
    return LedgerEntry(
        id=uuid5(grant.id, f"manual/{cause}"),
        grant_id=grant.id,
        type=EntryType.MANUAL,
        amount=amount,
        timestamp=at,
        segment_id=segment_id,
        reason=reason,
    )


def seat_adjustment(
    grant: Grant, segment: GrantSegment, amount: Decimal, *, at: datetime
) -> LedgerEntry:
    """Seats were added at `at`, after the segment began: the sum of all that were added at that instant."""
    return LedgerEntry(
        id=uuid5(grant.id, f"seats/{segment.id}/{at.isoformat()}"),
        grant_id=grant.id,
        type=EntryType.SEAT_BASED_ADJUSTMENT,
        amount=amount,
        timestamp=at,
        segment_id=segment.id,
    )


def _start_type(grant: Grant) -> EntryType:
    if grant.kind is GrantKind.POSTPAID:
        return EntryType.INITIAL_BALANCE
    return EntryType.SEGMENT_START
