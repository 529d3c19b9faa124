"""Recurring commits and credits: their periods, and the grant each period makes.

Periods follow the contract's usage statements, or, where a frequency is set, are anchored on the recurring grant's own
start. Source: Metronome's recurring commits and credits; docs/decisions/0009-drawdown.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID, uuid5

from meterline.core.charges.proration import prorated
from meterline.core.charges.schedules import months_after
from meterline.core.contract import Contract
from meterline.core.contract.recurring import (
    GrantProration,
    RecurrenceFrequency,
    RecurringAmount,
    RecurringGrant,
)
from meterline.core.contract.schedule import InvoiceSchedule, ScheduleItem
from meterline.core.contract.subscription import ProrationRounding
from meterline.core.decimals import EXACT, ONE, plain
from meterline.core.ledger.grant import Grant, GrantSegment
from meterline.core.period import Period

_MONTHS = {
    RecurrenceFrequency.MONTHLY: 1,
    RecurrenceFrequency.QUARTERLY: 3,
    RecurrenceFrequency.ANNUAL: 12,
}
_DAYS = {RecurrenceFrequency.WEEKLY: 7, RecurrenceFrequency.DAILY: 1}
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


class Recurrence(NamedTuple):
    """A period of a recurring grant: the part of `whole` that lies in its life.

    `access_ends`: until when the grant made for it can be spent.
    """

    period: Period
    whole: Period
    access_ends: datetime


class Seat(NamedTuple):
    """A seat that gets a grant of its own; `joined_at`: when, if that is after the period's start."""

    id: str
    group_key: str
    joined_at: datetime | None = None


def recurrence_periods(recurring: RecurringGrant, contract: Contract) -> Iterator[Recurrence]:
    """Yield the periods in order; without end where both the recurring grant and the contract are open.

    An archived recurring grant makes none that start when it is archived or later.
    """
    whole_at = _rhythm(recurring, contract)
    ends = [end for end in (recurring.ending_before, contract.ending_before) if end is not None]
    life_ends = min(ends, default=None)
    whole = whole_at(recurring.starting_at)
    while True:
        period = whole.clipped(starting_at=recurring.starting_at, ending_before=life_ends)
        if period is None:
            return
        if recurring.archived_at is not None and period.start >= recurring.archived_at:
            return
        yield Recurrence(period, whole, _access_ends(recurring, contract, period, whole_at))
        whole = whole_at(whole.end)


def child_grant_id(
    recurring: RecurringGrant, period_start: datetime, seat_id: str | None = None
) -> UUID:
    """Return the id that the period's grant has or will have."""
    name = period_start.isoformat()
    return uuid5(recurring.id, name if seat_id is None else f"{name}/seat/{seat_id}")


def child_grant(
    recurring: RecurringGrant,
    contract: Contract,
    recurrence: Recurrence,
    *,
    quantity: Decimal | None = None,
    seat: Seat | None = None,
) -> Grant:
    """Return the grant that `recurring` makes for a period, at its start.

    `quantity`: of the subscription at that time, where it is POOLED. `seat`: whose own it is, where INDIVIDUAL; one
    that joined later has its grant from then on.
    """
    joined_at = None if seat is None else seat.joined_at
    start = recurrence.period.start if joined_at is None else joined_at
    grant_id = child_grant_id(recurring, recurrence.period.start, None if seat is None else seat.id)
    part = _counted(recurring, recurrence, joined_at)
    access = _amount(recurring.access, quantity, part, recurrence.whole, recurring.access_rounding)
    invoice = None
    if recurring.invoice is not None:
        due = _amount(
            recurring.invoice, quantity, part, recurrence.whole, recurring.invoice_rounding
        )
        item = ScheduleItem(uuid5(grant_id, "invoice/0"), start, due, due, ONE)
        invoice = InvoiceSchedule(recurring.invoice.credit_type, (item,))
    return Grant(
        id=grant_id,
        customer_id=contract.customer_id,
        kind=recurring.kind,
        product_id=recurring.product_id,
        credit_type=recurring.access.credit_type,
        segments=(
            GrantSegment(uuid5(grant_id, "segment/0"), access, start, recurrence.access_ends),
        ),
        created_at=start,
        contract_id=contract.id,
        invoice=invoice,
        priority=recurring.priority,
        access_type=recurring.access_type,
        rate_type=recurring.rate_type,
        specifiers=recurring.specifiers,
        rollover_fraction=recurring.rollover_fraction,
        recurring_grant_id=recurring.id,
        seat_group_key=None if seat is None else seat.group_key,
        seat_id=None if seat is None else seat.id,
        name=recurring.name,
    )


def seat_increase_amount(
    recurring: RecurringGrant, recurrence: Recurrence, seats: Decimal, at: datetime
) -> Decimal:
    """Return what `seats` more, from `at` on, add to a POOLED period's grant."""
    part = _counted(recurring, recurrence, at)
    return _amount(recurring.access, seats, part, recurrence.whole, recurring.access_rounding)


def _counted(
    recurring: RecurringGrant, recurrence: Recurrence, joined_at: datetime | None
) -> Period:
    """The part of the whole period that is paid for: where a cut is not prorated, as if there were none."""
    period, whole = recurrence.period, recurrence.whole
    proration = recurring.proration
    at_start = proration in (GrantProration.FIRST, GrantProration.FIRST_AND_LAST)
    at_end = proration in (GrantProration.LAST, GrantProration.FIRST_AND_LAST)
    start = period.start if at_start else whole.start
    if joined_at is not None and recurring.prorates_seat_increases:
        start = joined_at
    return Period(start, period.end if at_end else whole.end)


def _amount(
    amount: RecurringAmount,
    quantity: Decimal | None,
    part: Period,
    whole: Period,
    rounding: ProrationRounding | None,
) -> Decimal:
    """Unit price, times its own quantity, times that of the subscription; prorated, and only then rounded."""
    units = EXACT.multiply(
        ONE if amount.quantity is None else amount.quantity, ONE if quantity is None else quantity
    )
    full = plain(EXACT.multiply(amount.unit_price, units))
    return full if part == whole else prorated(full, part, whole, rounding)


def _access_ends(
    recurring: RecurringGrant,
    contract: Contract,
    period: Period,
    whole_at: Callable[[datetime], Period],
) -> datetime:
    """The end of the period itself; of a later one, as far as the contract goes, where grants live longer."""
    if recurring.duration_periods == 1:
        return period.end
    end = period.start
    for _ in range(recurring.duration_periods):
        end = whole_at(end).end
    return end if contract.ending_before is None else min(end, contract.ending_before)


def _rhythm(recurring: RecurringGrant, contract: Contract) -> Callable[[datetime], Period]:
    """Return the function from an instant to the whole period it lies in."""
    if recurring.frequency is None:
        return lambda instant: _statement_at(contract, instant)
    frequency, anchor = recurring.frequency, recurring.starting_at
    days = _DAYS.get(frequency)
    if days is not None:
        step = timedelta(days=days)
        return lambda instant: _even_period(anchor, step, instant)
    months = _MONTHS[frequency]
    return lambda instant: _months_period(anchor, months, instant)


def _statement_at(contract: Contract, instant: datetime) -> Period:
    whole = contract.schedule.period_at(instant, starting_at=_BEGINNING, ending_before=None)
    assert whole is not None, "an open schedule has a period at any time"
    return whole


def _even_period(anchor: datetime, step: timedelta, instant: datetime) -> Period:
    start = anchor + (instant - anchor) // step * step
    return Period(start, start + step)


def _months_period(anchor: datetime, months: int, instant: datetime) -> Period:
    apart = (instant.year - anchor.year) * 12 + instant.month - anchor.month
    index = apart // months
    # The boundary may still lie ahead in the instant's own month.
    if months_after(anchor, index * months) > instant:
        index -= 1
    return Period(months_after(anchor, index * months), months_after(anchor, (index + 1) * months))
