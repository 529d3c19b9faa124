"""Subscriptions: a quantity of seats or a fixed fee, charged by billing cycle in advance or in arrears."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from meterline.core.period import Frequency


class CollectionSchedule(StrEnum):
    """When a cycle is charged: at its start or at its end."""

    ADVANCE = "ADVANCE"
    ARREARS = "ARREARS"


class InvoiceBehavior(StrEnum):
    """When an increase in mid-cycle is charged: then, or with the next cycle. In arrears it is always the latter."""

    BILL_IMMEDIATELY = "BILL_IMMEDIATELY"
    BILL_ON_NEXT_COLLECTION_DATE = "BILL_ON_NEXT_COLLECTION_DATE"


class InvoicePlacement(StrEnum):
    """Which invoice carries the charge."""

    ON_USAGE_INVOICE = "ON_USAGE_INVOICE"
    ON_SCHEDULED_INVOICE = "ON_SCHEDULED_INVOICE"


class FiatRounding(StrEnum):
    """How a prorated unit price, or a prorated grant, is rounded."""

    HALF_UP = "HALF_UP"
    FLOOR = "FLOOR"
    CEILING = "CEILING"


@dataclass(frozen=True, slots=True)
class ProrationRounding:
    """Rounding to `decimal_places` (-5..5; -2 on US cents: whole dollars)."""

    decimal_places: int
    rounding_method: FiatRounding


@dataclass(frozen=True, slots=True)
class QuantityChange:
    """From `starting_at` on the quantity is `quantity`, or `quantity_delta` more than before. One of the two is set.

    Changes of the same instant apply in order of arrival.
    """

    starting_at: datetime
    quantity: Decimal | None = None
    quantity_delta: Decimal | None = None


@dataclass(frozen=True, slots=True)
class SeatChange:
    """Seats of a SEAT_BASED subscription that come or go at `starting_at`, in order of arrival."""

    starting_at: datetime
    add_seat_ids: tuple[str, ...] = ()
    remove_seat_ids: tuple[str, ...] = ()
    add_unassigned_seats: int = 0
    remove_unassigned_seats: int = 0


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription in starting_at <= t < ending_before (None: as long as the contract).

    `anchor_date`: where its billing cycles are anchored; None: as the contract's usage statements. `quantity_changes`
    begins with the initial quantity. With `seat_group_key` it is SEAT_BASED, and from the first of `seat_changes` on
    its quantity is the count of seats. Both kinds of changes are kept in order of arrival.
    """

    id: UUID
    product_id: UUID
    billing_frequency: Frequency
    collection_schedule: CollectionSchedule
    starting_at: datetime
    ending_before: datetime | None
    quantity_changes: tuple[QuantityChange, ...]
    is_prorated: bool = True
    invoice_behavior: InvoiceBehavior = InvoiceBehavior.BILL_IMMEDIATELY
    rounding: ProrationRounding | None = None
    invoice_placement: InvoicePlacement = InvoicePlacement.ON_USAGE_INVOICE
    anchor_date: datetime | None = None
    name: str | None = None
    seat_group_key: str | None = None
    seat_changes: tuple[SeatChange, ...] = ()
    created_at: datetime | None = None
