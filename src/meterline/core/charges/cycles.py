"""Billing cycles of a subscription, and the usage statements that collect its charges.

# invariant: the cycles of a subscription tile its life; a stub is part of a whole cycle.
Source: docs/decisions/0011-charges-beside-usage.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import NamedTuple

from meterline.core.contract import Contract
from meterline.core.contract.subscription import Subscription
from meterline.core.period import HOUR, Period, StatementSchedule

_ALWAYS = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cycle:
    """A billing cycle: `period` is the part of `whole` that lies in the subscription's life."""

    period: Period
    whole: Period

    @property
    def is_stub(self) -> bool:
        """Whether the subscription starts or ends within it."""
        return self.period != self.whole


@dataclass(frozen=True, slots=True)
class BillingPeriods:
    """The cycle `now` lies in, and the ones before and after it; None where there is none."""

    previous: Period | None
    current: Period | None
    next: Period | None


class Life(NamedTuple):
    """starting_at <= t < ending_before (None: open)."""

    starting_at: datetime
    ending_before: datetime | None

    def __contains__(self, instant: object) -> bool:
        assert isinstance(instant, datetime)
        return self.starting_at <= instant and (
            self.ending_before is None or instant < self.ending_before
        )


def life(subscription: Subscription, contract: Contract) -> Life | None:
    """Return when a subscription of `contract` is in force, None if never."""
    start = max(subscription.starting_at, contract.starting_at)
    ends = [end for end in (subscription.ending_before, contract.ending_before) if end is not None]
    end = min(ends, default=None)
    return Life(start, end) if end is None or start < end else None


def subscription_cycles(
    subscription: Subscription, contract: Contract, *, since: datetime | None = None
) -> Iterator[Cycle]:
    """Yield the cycles in order, from the one `since` lies in (None: the first); without end if both are open."""
    lived = life(subscription, contract)
    if lived is None:
        return
    schedule = _schedule(subscription, contract)
    instant = lived.starting_at if since is None else max(since, lived.starting_at)
    while instant in lived:
        whole = schedule.period_at(instant, starting_at=_ALWAYS, ending_before=None)
        assert whole is not None, "a schedule has no end"
        period = whole.clipped(starting_at=lived.starting_at, ending_before=lived.ending_before)
        assert period is not None, "it holds an instant of the subscription's life"
        yield Cycle(period, whole)
        instant = whole.end


def _schedule(subscription: Subscription, contract: Contract) -> StatementSchedule:
    anchor = subscription.anchor_date
    if anchor is None:
        return StatementSchedule(subscription.billing_frequency, contract.schedule.anchor)
    day = anchor.astimezone(UTC).date()
    return StatementSchedule(subscription.billing_frequency, datetime.combine(day, time(), UTC))


def cycle_at(subscription: Subscription, contract: Contract, instant: datetime) -> Cycle | None:
    """Return the cycle `instant` lies in, None outside the subscription's life."""
    lived = life(subscription, contract)
    if lived is None or instant not in lived:
        return None
    return next(subscription_cycles(subscription, contract, since=instant))


def billing_periods(
    subscription: Subscription, contract: Contract, now: datetime
) -> BillingPeriods:
    """Return the cycles around `now`, as the API shows them.

    Before the subscription starts its first cycle is the next one; after its end its last is the previous one.
    """
    lived = life(subscription, contract)
    if lived is None:
        return BillingPeriods(None, None, None)

    def at(instant: datetime) -> Period | None:
        cycle = cycle_at(subscription, contract, instant)
        return cycle.period if cycle else None

    if now < lived.starting_at:
        return BillingPeriods(None, None, at(lived.starting_at))
    if lived.ending_before is not None and now >= lived.ending_before:
        return BillingPeriods(at(lived.ending_before - HOUR), None, None)
    current = at(now)
    assert current is not None, "now is within the life"
    return BillingPeriods(at(current.start - HOUR), current, at(current.end))


def statement_ending_at(contract: Contract, instant: datetime) -> Period | None:
    """Return the billing period that ends at `instant` and gets a usage invoice, None if there is none."""
    period = statement_collecting(contract, instant)
    return period if period is not None and period.end == instant else None


def statement_collecting(contract: Contract, instant: datetime) -> Period | None:
    """Return the billing period start < `instant` <= end that gets a usage invoice, None if there is none."""
    period = contract.period_at(instant - HOUR)
    if period is None or contract.rate_card_id is None:
        return None
    suppressed = contract.invoices_from is not None and period.end <= contract.invoices_from
    return None if suppressed else period
