"""The quantity of a subscription through time, as ordered. (What of it is charged when: `subscriptions`.)

Changes take effect in order of their date, those of one date in order of arrival. The quantity of a SEAT_BASED
subscription is the count of its seats; one that became SEAT_BASED later has plain quantities before its first seats.
Source: docs/decisions/0011-charges-beside-usage.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from typing import TypeVar

from meterline.core.charges.cycles import Life, life
from meterline.core.contract import Contract
from meterline.core.contract.subscription import QuantityChange, SeatChange, Subscription
from meterline.core.decimals import EXACT, ZERO

Change = TypeVar("Change", QuantityChange, SeatChange)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class QuantityStretch:
    """`quantity` in starting_at <= t < ending_before (None: open)."""

    starting_at: datetime
    ending_before: datetime | None
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Seats:
    """Seats at an instant: `ids` in the order they came, and how many more are unassigned."""

    ids: tuple[str, ...] = ()
    unassigned: int = 0

    @property
    def total(self) -> int:
        """Assigned and unassigned seats."""
        return len(self.ids) + self.unassigned


@dataclass(frozen=True, slots=True)
class SeatStretch:
    """The seats in starting_at <= t < ending_before (None: open)."""

    starting_at: datetime
    ending_before: datetime | None
    seats: Seats


def quantity_history(subscription: Subscription, contract: Contract) -> list[QuantityStretch]:
    """Return the ordered quantity over the subscription's life, in stretches of one quantity."""
    lived = life(subscription, contract)
    steps = list(quantity_steps(subscription))
    if lived is None or not steps:
        return []
    return [
        QuantityStretch(start, end, quantity) for start, end, quantity in _stretches(steps, lived)
    ]


def quantity_at(subscription: Subscription, contract: Contract, instant: datetime) -> Decimal:
    """Return the ordered quantity at `instant`, 0 outside the subscription's life."""
    for stretch in quantity_history(subscription, contract):
        if instant in Life(stretch.starting_at, stretch.ending_before):
            return stretch.quantity
    return ZERO


def quantity_schedule(
    subscription: Subscription, contract: Contract, now: datetime
) -> list[QuantityStretch]:
    """Return the current and all future stretches, as the API shows them."""
    return [
        stretch
        for stretch in quantity_history(subscription, contract)
        if stretch.ending_before is None or now < stretch.ending_before
    ]


def seat_history(subscription: Subscription, contract: Contract) -> list[SeatStretch]:
    """Return the seats of a SEAT_BASED subscription over its life, in stretches of equal seats."""
    lived = life(subscription, contract)
    steps = list(_seat_steps(subscription.seat_changes))
    if lived is None or not steps:
        return []
    return [SeatStretch(start, end, seats) for start, end, seats in _stretches(steps, lived)]


def seats_at(subscription: Subscription, contract: Contract, instant: datetime) -> Seats:
    """Return the seats at `instant`, none outside the subscription's life."""
    for stretch in seat_history(subscription, contract):
        if instant in Life(stretch.starting_at, stretch.ending_before):
            return stretch.seats
    return Seats()


def quantity_steps(subscription: Subscription) -> Iterator[tuple[datetime, Decimal]]:
    """Yield (instant, quantity from then on) after each change, whatever the subscription's life."""
    seats = subscription.seat_changes
    first_seats = min((change.starting_at for change in seats), default=None)
    quantity = ZERO
    for change in _in_order(subscription.quantity_changes):
        if first_seats is not None and change.starting_at >= first_seats:
            break
        quantity = quantity_after(quantity, change)
        yield change.starting_at, quantity
    for starting_at, standing in _standings(seats):
        yield starting_at, Decimal(standing.total)


def quantity_after(quantity: Decimal, change: QuantityChange) -> Decimal:
    """Return the quantity after `change`. It does not fall below zero."""
    if change.quantity is not None:
        return change.quantity
    assert change.quantity_delta is not None, "a change has a quantity or a delta"
    return max(ZERO, EXACT.add(quantity, change.quantity_delta))


def _seat_steps(changes: Sequence[SeatChange]) -> Iterator[tuple[datetime, Seats]]:
    for starting_at, standing in _standings(changes):
        yield starting_at, Seats(tuple(standing.ids), standing.unassigned)


def _standings(changes: Sequence[SeatChange]) -> Iterator[tuple[datetime, _Standing]]:
    """Yield (instant, seats from then on) after each change: one value, which goes on changing."""
    standing = _Standing()
    for change in _in_order(changes):
        standing.change(change)
        yield change.starting_at, standing


@dataclass(slots=True)
class _Standing:
    """Seats as they are changed: ids in the order they came, so that a change costs no more than its own size."""

    ids: dict[str, None] = field(default_factory=dict)
    unassigned: int = 0

    @property
    def total(self) -> int:
        return len(self.ids) + self.unassigned

    def change(self, change: SeatChange) -> None:
        """First what goes, then the ids that come, then unassigned seats.

        An id that is there already, and one to be removed that is not, change nothing. An id that comes takes an
        unassigned seat while there is one. No more unassigned seats go than there are.
        """
        for seat in change.remove_seat_ids:
            self.ids.pop(seat, None)
        self.unassigned = max(0, self.unassigned - change.remove_unassigned_seats)
        before = len(self.ids)
        self.ids.update(dict.fromkeys(change.add_seat_ids))
        came = len(self.ids) - before
        self.unassigned = max(0, self.unassigned - came) + change.add_unassigned_seats


def _in_order(changes: Iterable[Change]) -> list[Change]:
    return sorted(changes, key=lambda change: change.starting_at)


def _stretches(
    steps: Sequence[tuple[datetime, Value]], lived: Life
) -> Iterator[tuple[datetime, datetime | None, Value]]:
    """Values by stretch of `lived`, the latest step of an instant winning, equal neighbours as one.

    What stepped before the life began counts from its beginning.
    """
    values: dict[datetime, Value] = {}
    for instant, value in steps:
        start = max(instant, lived.starting_at)
        if start in lived:
            values[start] = value
    starts = sorted(values)
    kept = [
        start
        for index, start in enumerate(starts)
        if index == 0 or values[start] != values[starts[index - 1]]
    ]
    for start, end in zip_longest(kept, kept[1:]):
        yield start, end if end is not None else lived.ending_before, values[start]
