"""Recurring commits and credits: terms that make a grant of their own each period."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from meterline.core.contract.subscription import ProrationRounding
from meterline.core.ledger.grant import AccessType, GrantKind, GrantSpecifier, RateChoice
from meterline.core.money import CreditType


class RecurrenceFrequency(StrEnum):
    """How often a grant is made; not given: each usage statement."""

    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"
    ANNUAL = "ANNUAL"
    WEEKLY = "WEEKLY"
    DAILY = "DAILY"


class GrantProration(StrEnum):
    """Which of the cut periods get a part of the amount only."""

    NONE = "NONE"
    FIRST = "FIRST"
    LAST = "LAST"
    FIRST_AND_LAST = "FIRST_AND_LAST"


class SeatAllocation(StrEnum):
    """Whether seats share one balance or each have their own."""

    POOLED = "POOLED"
    INDIVIDUAL = "INDIVIDUAL"


@dataclass(frozen=True, slots=True)
class RecurringAmount:
    """`unit_price` x `quantity` of `credit_type` a period (quantity None: the subscription's, see RecurringGrant)."""

    credit_type: CreditType
    unit_price: Decimal
    quantity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class RecurringGrant:
    """A recurring commit (`kind` PREPAID) or credit, making grants from `starting_at` to `ending_before` (None: open).

    Each grant can be spent for `duration_periods` periods. `subscription_id`: amounts are times its quantity.
    """

    id: UUID
    kind: GrantKind
    product_id: UUID
    priority: Decimal
    access: RecurringAmount
    duration_periods: int
    starting_at: datetime
    ending_before: datetime | None = None
    invoice: RecurringAmount | None = None
    access_type: AccessType = AccessType.SPEND
    frequency: RecurrenceFrequency | None = None
    proration: GrantProration = GrantProration.FIRST_AND_LAST
    access_rounding: ProrationRounding | None = None
    invoice_rounding: ProrationRounding | None = None
    specifiers: tuple[GrantSpecifier, ...] = ()
    rate_type: RateChoice = RateChoice.LIST_RATE
    rollover_fraction: Decimal | None = None
    name: str | None = None
    description: str | None = None
    subscription_id: UUID | None = None
    allocation: SeatAllocation = SeatAllocation.POOLED
    prorates_seat_increases: bool = False
    archived_at: datetime | None = None
