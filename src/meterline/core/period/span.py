"""Half-open periods of whole UTC hours.

Usage is kept by the hour, so an hour is the finest thing that can be billed: every `Period` starts
and ends on one. Hours are numbered from 1970-01-01T00:00Z.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from meterline.core.errors import Invalid

HOUR = timedelta(hours=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def hour_index(instant: datetime) -> int:
    """Return the number of the hour `instant` lies in. `instant` is aware."""
    return (instant - EPOCH) // HOUR


def hour_start(hour: int) -> datetime:
    """Return the instant, UTC, at which hour number `hour` begins."""
    return EPOCH + hour * HOUR


def is_hour(instant: datetime) -> bool:
    """Whether `instant` is aware, in UTC, and exactly on an hour."""
    return (
        instant.utcoffset() == timedelta(0)
        and instant.minute == instant.second == instant.microsecond == 0
    )


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """`start` <= t < `end`, both UTC on the hour, never empty. Raises Invalid otherwise."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            if not is_hour(getattr(self, name)):
                raise Invalid(name, "must be in UTC and on an hour boundary")
        if self.start >= self.end:
            raise Invalid("end", "must be after the start")

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def clipped(self, *, starting_at: datetime, ending_before: datetime | None) -> Period | None:
        """Return the part that lies in starting_at <= t < ending_before (None: open), or None."""
        start = max(self.start, starting_at)
        end = self.end if ending_before is None else min(self.end, ending_before)
        return Period(start, end) if start < end else None

    @property
    def first_hour(self) -> int:
        """The number of the first hour."""
        return hour_index(self.start)

    @property
    def end_hour(self) -> int:
        """The number of the hour after the last."""
        return hour_index(self.end)
