"""Billing cycles of a subscription, and where its charges are collected.

Cycles tile the subscription's life. Source: docs/decisions/0011-charges-beside-usage.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from meterline.core.contract import Contract
from meterline.core.contract.subscription import Subscription
from meterline.core.period import Period


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


def subscription_cycles(
    subscription: Subscription, contract: Contract, *, since: datetime | None = None
) -> Iterator[Cycle]:
    """Yield the cycles in order, from the one `since` lies in (None: the first); without end if both are open."""
    raise NotImplementedError


def cycle_at(subscription: Subscription, contract: Contract, instant: datetime) -> Cycle | None:
    """Return the cycle `instant` lies in, None outside the subscription's life."""
    raise NotImplementedError


def billing_periods(
    subscription: Subscription, contract: Contract, now: datetime
) -> BillingPeriods:
    """Return the cycles around `now`, as the API shows them."""
    raise NotImplementedError


def statement_ending_at(contract: Contract, instant: datetime) -> Period | None:
    """Return the billing period that ends at `instant` and gets a usage invoice, None if there is none."""
    raise NotImplementedError


def statement_collecting(contract: Contract, instant: datetime) -> Period | None:
    """Return the billing period start < `instant` <= end that gets a usage invoice, None if there is none."""
    raise NotImplementedError
