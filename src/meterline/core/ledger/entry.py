"""Ledger entries: what happened to a grant. Appended, never changed: a correction is one more entry.

Source: Metronome's ledger of commits and credits (entry types without the prefix of the kind).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID


class EntryType(StrEnum):
    """What an entry is for; on the wire PREPAID_COMMIT_, POSTPAID_COMMIT_ or CREDIT_ comes before it."""

    SEGMENT_START = "SEGMENT_START"
    INITIAL_BALANCE = "INITIAL_BALANCE"
    AUTOMATED_INVOICE_DEDUCTION = "AUTOMATED_INVOICE_DEDUCTION"
    ROLLOVER = "ROLLOVER"
    EXPIRATION = "EXPIRATION"
    CANCELED = "CANCELED"
    CREDITED = "CREDITED"
    MANUAL = "MANUAL"
    SEAT_BASED_ADJUSTMENT = "SEAT_BASED_ADJUSTMENT"
    TRUEUP = "TRUEUP"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """`amount` (signed: a deduction is negative) of a grant's segment, at `timestamp`.

    The id derives from its cause, so that the same thing is never entered twice. A deduction's timestamp is the end of
    its service period. Entries of drafts are not stored; they move with the draft.
    """

    id: UUID
    grant_id: UUID
    type: EntryType
    amount: Decimal
    timestamp: datetime
    segment_id: UUID | None = None
    invoice_id: UUID | None = None
    contract_id: UUID | None = None
    new_contract_id: UUID | None = None
    reason: str | None = None
