"""The quantity of a subscription through time: as ordered, and as it counts for a cycle.

Source: docs/decisions/0011-charges-beside-usage.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from meterline.core.contract import Contract
from meterline.core.contract.subscription import Subscription


@dataclass(frozen=True, slots=True)
class QuantityStretch:
    """`quantity` in starting_at <= t < ending_before (None: open)."""

    starting_at: datetime
    ending_before: datetime | None
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class SeatStretch:
    """The seats in starting_at <= t < ending_before (None: open): `seat_ids` in the order they came."""

    starting_at: datetime
    ending_before: datetime | None
    seat_ids: tuple[str, ...]
    unassigned: int

    @property
    def total(self) -> int:
        """Assigned and unassigned seats."""
        return len(self.seat_ids) + self.unassigned


def quantity_history(subscription: Subscription, contract: Contract) -> list[QuantityStretch]:
    """Return the ordered quantity over the subscription's life, in stretches of one quantity."""
    raise NotImplementedError


def quantity_at(subscription: Subscription, contract: Contract, instant: datetime) -> Decimal:
    """Return the ordered quantity at `instant`, 0 outside the subscription's life."""
    raise NotImplementedError


def quantity_schedule(
    subscription: Subscription, contract: Contract, now: datetime
) -> list[QuantityStretch]:
    """Return the current and all future stretches, as the API shows them."""
    raise NotImplementedError


def seat_history(subscription: Subscription, contract: Contract) -> list[SeatStretch]:
    """Return the seats of a SEAT_BASED subscription over its life, in stretches of equal seats."""
    raise NotImplementedError


def seats_at(
    subscription: Subscription, contract: Contract, instant: datetime
) -> SeatStretch | None:
    """Return the stretch `instant` lies in, None outside the subscription's life."""
    raise NotImplementedError
