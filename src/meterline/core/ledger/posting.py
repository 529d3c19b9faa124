"""Ledger entries, made from their causes: the same cause makes the same entry, id and all."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from meterline.core.ledger.entry import LedgerEntry
from meterline.core.ledger.grant import Grant, GrantSegment


def segment_start(grant: Grant, segment: GrantSegment) -> LedgerEntry:
    """The segment's amount becomes spendable (SEGMENT_START; POSTPAID: INITIAL_BALANCE), at its start."""
    raise NotImplementedError


def segment_correction(
    grant: Grant, segment: GrantSegment, difference: Decimal, *, at: datetime, cause: str
) -> LedgerEntry:
    """The amount of a segment that has begun was edited by `difference`. `cause`: what tells this edit from others."""
    raise NotImplementedError


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
    raise NotImplementedError


def credited(deduction: LedgerEntry, *, invoice_id: UUID, at: datetime) -> LedgerEntry:
    """The void of an invoice gives back what it drew."""
    raise NotImplementedError


def expiration(
    grant: Grant, segment: GrantSegment, remaining: Decimal, *, at: datetime, before: int = 0
) -> LedgerEntry:
    """What is left of a segment at its end is gone. `before`: how many expirations it had already."""
    raise NotImplementedError


def expiration_reversal(expired: LedgerEntry, *, cause: UUID, at: datetime) -> LedgerEntry:
    """An expiration is taken back, because `cause` (an invoice made again) draws on the segment after all."""
    raise NotImplementedError


def trueup(
    grant: Grant, segment: GrantSegment, remaining: Decimal, *, invoice_id: UUID, at: datetime
) -> LedgerEntry:
    """The shortfall of a POSTPAID commit is billed, which leaves nothing."""
    raise NotImplementedError


def rollover(
    grant: Grant, segment: GrantSegment, amount: Decimal, *, new_contract_id: UUID, at: datetime
) -> LedgerEntry:
    """`amount` goes over to the contract that renews this one."""
    raise NotImplementedError


def manual(
    grant: Grant, segment_id: UUID, amount: Decimal, *, reason: str, at: datetime, cause: UUID
) -> LedgerEntry:
    """Somebody adds (or takes away) by hand. `cause`: the id of the request."""
    raise NotImplementedError


def seat_adjustment(
    grant: Grant, segment: GrantSegment, amount: Decimal, *, at: datetime
) -> LedgerEntry:
    """Seats were added after the segment began."""
    raise NotImplementedError
