"""Dated amounts: what is charged, and when, beside usage. Commits, charges and discounts share them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from meterline.core.money import CreditType


@dataclass(frozen=True, slots=True)
class ScheduleItem:
    """One date of a schedule: `amount` is `unit_price` x `quantity` where those were given.

    The id is what edits name. Amounts are in the schedule's credit type, in its own measure.
    """

    id: UUID
    timestamp: datetime
    amount: Decimal
    unit_price: Decimal | None = None
    quantity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class InvoiceSchedule:
    """When what is invoiced, by `timestamp`. `do_not_invoice`: the amounts are kept, no invoice shows them."""

    credit_type: CreditType
    items: tuple[ScheduleItem, ...]
    do_not_invoice: bool = False


class ScheduleFrequency(StrEnum):
    """How far apart the dates of a recurring schedule are."""

    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"
    SEMI_ANNUAL = "SEMI_ANNUAL"
    ANNUAL = "ANNUAL"


class AmountDistribution(StrEnum):
    """Whether the amount is each date's (EACH) or the total of all dates, to the last digit (DIVIDED) or in whole
    smallest units of the currency (DIVIDED_ROUNDED).
    """

    DIVIDED = "DIVIDED"
    DIVIDED_ROUNDED = "DIVIDED_ROUNDED"
    EACH = "EACH"


@dataclass(frozen=True, slots=True)
class DatedAmount:
    """An explicit item as a caller sends it: `amount`, or `unit_price` and `quantity`."""

    timestamp: datetime
    amount: Decimal | None = None
    unit_price: Decimal | None = None
    quantity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class RecurringSchedule:
    """Dates every `frequency` in starting_at <= t < ending_before; `amount`, or `unit_price` and `quantity`."""

    starting_at: datetime
    ending_before: datetime
    frequency: ScheduleFrequency
    amount_distribution: AmountDistribution
    amount: Decimal | None = None
    unit_price: Decimal | None = None
    quantity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ScheduleTerms:
    """A schedule as a caller sends it: explicit items or a recurring schedule (None: not given), never both."""

    credit_type: CreditType
    items: tuple[DatedAmount, ...] | None = None
    recurring: RecurringSchedule | None = None
    do_not_invoice: bool = False


@dataclass(frozen=True, slots=True)
class ScheduledCharge:
    """A fixed charge of a contract (a discount is one that takes off: its lines are negative)."""

    id: UUID
    product_id: UUID
    schedule: InvoiceSchedule
    name: str | None = None
    is_discount: bool = False
    archived_at: datetime | None = None
