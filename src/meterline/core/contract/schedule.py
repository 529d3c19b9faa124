"""Dated amounts: what is charged, and when, beside usage. Commits, charges and discounts share them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
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


@dataclass(frozen=True, slots=True)
class ScheduledCharge:
    """A fixed charge of a contract (a discount is one that takes off: its lines are negative)."""

    id: UUID
    product_id: UUID
    schedule: InvoiceSchedule
    name: str | None = None
    is_discount: bool = False
    archived_at: datetime | None = None
