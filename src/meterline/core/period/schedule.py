"""Statement schedules: how a contract's life is cut into billing periods.

Boundaries lie at UTC midnight, a whole number of steps (weeks, or 1, 3 or 12 months) before or
after the anchor. A month too short for the anchor's day has its boundary on its last day, and the
next one returns to the anchor's day (31 January, 28 February, 31 March). The first and last periods
are stubs where the contract starts or ends between boundaries. Periods of one contract tile its
life: no gap, no overlap. Source: docs/decisions/0002-billing-periods.md.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from meterline.core.errors import Invalid
from meterline.core.period.span import Period

WEEK = timedelta(weeks=1)


class Frequency(StrEnum):
    """How long a full billing period is."""

    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"
    ANNUAL = "ANNUAL"
    WEEKLY = "WEEKLY"


MONTHLY, QUARTERLY, ANNUAL, WEEKLY = Frequency

_MONTHS = {MONTHLY: 1, QUARTERLY: 3, ANNUAL: 12}


class StatementDay(StrEnum):
    """Which date the schedule is anchored on."""

    FIRST_OF_MONTH = "FIRST_OF_MONTH"
    CONTRACT_START = "CONTRACT_START"
    CUSTOM_DATE = "CUSTOM_DATE"


@dataclass(frozen=True, slots=True)
class StatementSchedule:
    """Boundaries at `anchor` (UTC midnight) and every step before and after it."""

    frequency: Frequency
    anchor: datetime

    def __post_init__(self) -> None:
        if self.anchor.utcoffset() != timedelta(0) or self.anchor.time() != time():
            raise Invalid("billing_anchor_date", "must be midnight UTC")

    @classmethod
    def of(
        cls,
        frequency: Frequency,
        day: StatementDay,
        *,
        contract_start: datetime,
        billing_anchor_date: datetime | None = None,
    ) -> StatementSchedule:
        """Return the schedule a contract asks for. Time of day is dropped from every anchor.

        Raises Invalid when CUSTOM_DATE comes without a date.
        """
        if day is StatementDay.CUSTOM_DATE:
            if billing_anchor_date is None:
                raise Invalid(
                    "usage_statement_schedule.billing_anchor_date", "is required for CUSTOM_DATE"
                )
            return cls(frequency, _midnight(billing_anchor_date.astimezone(UTC).date()))
        start = contract_start.astimezone(UTC).date()
        if day is StatementDay.FIRST_OF_MONTH:
            start = start.replace(day=1)
        return cls(frequency, _midnight(start))

    def boundary(self, index: int) -> datetime:
        """Return the boundary `index` steps after the anchor (before it, if negative)."""
        months = _MONTHS.get(self.frequency)
        if months is None:
            return self.anchor + index * WEEK
        whole = self.anchor.year * 12 + self.anchor.month - 1 + index * months
        year, month = whole // 12, whole % 12 + 1
        return _midnight(date(year, month, min(self.anchor.day, monthrange(year, month)[1])))

    def _index_at(self, instant: datetime) -> int:
        """The index of the last boundary at or before `instant`."""
        months = _MONTHS.get(self.frequency)
        if months is None:
            return (instant - self.anchor) // WEEK
        apart = (instant.year - self.anchor.year) * 12 + instant.month - self.anchor.month
        index = apart // months
        # The boundary may still lie ahead in the instant's own month.
        return index if self.boundary(index) <= instant else index - 1

    def period_at(
        self, instant: datetime, *, starting_at: datetime, ending_before: datetime | None
    ) -> Period | None:
        """Return the billing period `instant` lies in, cut to the contract's life; None outside it.

        `instant` is aware; `starting_at` and `ending_before` (None: open) are on the hour.
        """
        if instant < starting_at or (ending_before is not None and instant >= ending_before):
            return None
        index = self._index_at(instant.astimezone(UTC))
        whole = Period(self.boundary(index), self.boundary(index + 1))
        return whole.clipped(starting_at=starting_at, ending_before=ending_before)

    def periods(self, *, starting_at: datetime, ending_before: datetime | None) -> Iterator[Period]:
        """Yield the billing periods in order: without end when `ending_before` is None."""
        index = self._index_at(starting_at)
        while True:
            whole = Period(self.boundary(index), self.boundary(index + 1))
            period = whole.clipped(starting_at=starting_at, ending_before=ending_before)
            if period is None:
                return
            yield period
            index += 1


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
