"""Recurring commits and credits: their periods, and the grant each period makes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from meterline.core.contract import Contract
from meterline.core.contract.recurring import RecurringGrant
from meterline.core.ledger.grant import Grant
from meterline.core.period import Period


class Recurrence(NamedTuple):
    """A period of a recurring grant: the part of `whole` that lies in its life, and until when its grant is spendable."""

    period: Period
    whole: Period
    access_ends: datetime


class Seat(NamedTuple):
    """A seat that gets a grant of its own; `joined_at`: when, if that is after the period's start."""

    id: str
    group_key: str
    joined_at: datetime | None = None


def recurrence_periods(recurring: RecurringGrant, contract: Contract) -> Iterator[Recurrence]:
    """Yield the periods in order; without end where both the recurring grant and the contract are open."""
    raise NotImplementedError


def child_grant(
    recurring: RecurringGrant,
    contract: Contract,
    recurrence: Recurrence,
    *,
    quantity: Decimal | None = None,
    seat: Seat | None = None,
) -> Grant:
    """Return the grant that `recurring` makes for a period, at its start.

    `quantity`: of the subscription at that time, where it is POOLED. Its id derives from recurring grant, period, seat.
    """
    raise NotImplementedError


def child_grant_id(
    recurring: RecurringGrant, period_start: datetime, seat_id: str | None = None
) -> UUID:
    """Return the id that the period's grant has or will have."""
    raise NotImplementedError


def seat_increase_amount(
    recurring: RecurringGrant, recurrence: Recurrence, seats: Decimal, at: datetime
) -> Decimal:
    """Return what `seats` more, from `at` on, add to a POOLED period's grant."""
    raise NotImplementedError
