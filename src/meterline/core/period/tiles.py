"""The runs of rollup buckets that tile a period, so that reading one costs the same however long it
is.

Rollups are kept by UTC hour ('h'), day ('d') and month ('m'); a period takes the coarsest that lie
wholly in it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from meterline.core.period.span import Period, hour_index

Grain = Literal["h", "d", "m"]


class Tile(NamedTuple):
    """A run of buckets of one grain: every bucket whose first hour is in first_hour <= h <
    end_hour.
    """

    grain: Grain
    first_hour: int
    end_hour: int


def tiles(period: Period) -> tuple[Tile, ...]:
    """Return the runs of buckets that cover `period` exactly: whole UTC months, else days, else
    hours.

    At most five runs (hours, days, months, days, hours), disjoint, ascending, whatever the period's
    length.
    """
    start, end = period.start, period.end
    first_day, last_day = _day_at_or_after(start), _day_before_or_at(end)
    if first_day >= last_day:
        return (Tile("h", period.first_hour, period.end_hour),)
    first_month, last_month = _month_at_or_after(first_day), _month_before_or_at(last_day)
    if first_month >= last_month:
        runs = [("h", start, first_day), ("d", first_day, last_day), ("h", last_day, end)]
    else:
        runs = [
            ("h", start, first_day),
            ("d", first_day, first_month),
            ("m", first_month, last_month),
            ("d", last_month, last_day),
            ("h", last_day, end),
        ]
    return tuple(
        Tile(grain, hour_index(first), hour_index(after))  # type: ignore[arg-type]
        for grain, first, after in runs
        if first < after
    )


def _day_before_or_at(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)


def _day_at_or_after(instant: datetime) -> datetime:
    day = _day_before_or_at(instant)
    return day if day == instant else day + timedelta(days=1)


def _month_before_or_at(day: datetime) -> datetime:
    return day.replace(day=1)


def _month_at_or_after(day: datetime) -> datetime:
    if day.day == 1:
        return day
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
