"""Billing periods tile a contract's life, and buckets tile a period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile

from hypothesis import given
from hypothesis import strategies as st

from meterline.core.period import (
    HOUR,
    Frequency,
    Period,
    StatementDay,
    StatementSchedule,
    hour_index,
    hour_start,
    tiles,
)

hours = st.integers(hour_index(datetime(2015, 1, 1, tzinfo=UTC)), 600_000).map(hour_start)


@st.composite
def schedules(draw: st.DrawFn) -> tuple[StatementSchedule, datetime]:
    start = draw(hours)
    schedule = StatementSchedule.of(
        draw(st.sampled_from(Frequency)),
        draw(st.sampled_from(StatementDay)),
        contract_start=start,
        billing_anchor_date=draw(hours),
    )
    return schedule, start


@given(schedules(), st.integers(1, 24 * 800))
def test_billing_periods_tile_a_life(
    chosen: tuple[StatementSchedule, datetime], length: int
) -> None:
    schedule, start = chosen
    end = start + length * HOUR
    periods = list(schedule.periods(starting_at=start, ending_before=end))
    assert periods[0].start == start
    assert periods[-1].end == end
    assert all(before.end == after.start for before, after in pairwise(periods))
    for period in periods:
        for instant in (period.start, period.end - timedelta(microseconds=1)):
            found = schedule.period_at(instant, starting_at=start, ending_before=end)
            assert found == period


@given(schedules(), st.integers(0, 24 * 800))
def test_inner_boundaries_fall_on_the_anchors_day(
    chosen: tuple[StatementSchedule, datetime], length: int
) -> None:
    schedule, start = chosen
    periods = schedule.periods(starting_at=start, ending_before=None)
    limit = start + length * HOUR
    for period in takewhile(lambda period: period.end <= limit, periods):
        assert period.end.hour == 0
        if schedule.frequency is Frequency.WEEKLY:
            assert period.end.weekday() == schedule.anchor.weekday()
        elif period.end.day != schedule.anchor.day:
            assert period.end.day < schedule.anchor.day
            assert (period.end + timedelta(days=1)).day == 1


@given(hours, st.integers(1, 24 * 100))
def test_tiles_cover_a_period_once(start: datetime, length: int) -> None:
    period = Period(start, start + length * HOUR)
    runs = tiles(period)
    assert len(runs) <= 5
    assert runs[0].first_hour == period.first_hour
    assert runs[-1].end_hour == period.end_hour
    assert all(before.end_hour == after.first_hour for before, after in pairwise(runs))
    for grain, first, after in runs:
        if grain in "dm":
            assert hour_start(first).hour == hour_start(after).hour == 0
        if grain == "m":
            assert hour_start(first).day == hour_start(after).day == 1


@given(hours, st.integers(1, 24 * 100))
def test_tiles_are_as_coarse_as_can_be(start: datetime, length: int) -> None:
    """Reference: an hour belongs to the month bucket if the period holds that month, else to the
    day.
    """
    period = Period(start, start + length * HOUR)
    grain_of = {
        hour: tile.grain for tile in tiles(period) for hour in range(tile.first_hour, tile.end_hour)
    }
    for hour in range(period.first_hour, period.end_hour, 7):
        day = hour_start(hour).replace(hour=0)
        month = day.replace(day=1)
        next_month = (month + timedelta(days=32)).replace(day=1)
        if period.start <= month and next_month <= period.end:
            expected = "m"
        elif period.start <= day and day + timedelta(days=1) <= period.end:
            expected = "d"
        else:
            expected = "h"
        assert grain_of[hour] == expected
