"""Spans cover what they say with few runs, and rolling up merges groups."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from meterline.core.metric import Aggregation, BillableMetric
from meterline.core.period import HOUR, Period, hour_index, tiles
from meterline.core.usage import SegmentUsage
from meterline.services.usage import quantity_shown, rolled_up, spans_between

START = datetime(2026, 1, 30, 5, tzinfo=UTC)


@given(st.sets(st.integers(0, 2500), min_size=2, max_size=12))
def test_spans_read_exactly_the_tiles_of_each_span(hours: set[int]) -> None:
    cuts = [START + hour * HOUR for hour in sorted(hours)]
    spans = spans_between(cuts)
    assert list(spans.cuts) == [hour_index(cut) for cut in cuts]
    singly = [tile for start, end in pairwise(cuts) for tile in tiles(Period(start, end))]
    for run, after in pairwise(spans.tiles):
        assert run.end_hour == after.first_hour
        assert run.grain != after.grain
    for tile in singly:
        within = [
            run
            for run in spans.tiles
            if run.grain == tile.grain
            and run.first_hour <= tile.first_hour
            and tile.end_hour <= run.end_hour
        ]
        assert len(within) == 1
    assert (spans.tiles[0].first_hour, spans.tiles[-1].end_hour) == (spans.cuts[0], spans.cuts[-1])


def test_a_calendar_month_is_one_run_and_windows_of_hours_are_one_run() -> None:
    month = [datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)]
    assert [tile.grain for tile in spans_between(month).tiles] == ["m"]
    hours = [month[0] + number * HOUR for number in range(100)]
    assert [tile.grain for tile in spans_between(hours).tiles] == ["h"]


def test_rolling_up_unites_distinct_values_rather_than_counting_them_twice() -> None:
    metric = BillableMetric(
        UUID(int=1), "users", Aggregation.UNIQUE, "user", group_keys=(("a", "b"), ("b",))
    )
    rows = [
        SegmentUsage(("x", "y"), 0, frozenset({"u1", "u2"})),
        SegmentUsage((None, "y"), 0, frozenset({"u2", "u3"})),
        SegmentUsage(("x", "z"), 2, frozenset({"u1"})),
    ]
    assert rolled_up(metric, ("b",), rows) == {
        0: {("y",): frozenset({"u1", "u2", "u3"})},
        2: {("z",): frozenset({"u1"})},
    }
    assert quantity_shown(rolled_up(metric, (), rows)[0][()]) == 3
    assert list(rolled_up(metric, ("b", "a"), rows)[0]) == [("y", "x"), ("y", None)]


def test_nothing_is_none_and_zero_is_zero() -> None:
    assert quantity_shown(None) is None
    assert str(quantity_shown(Decimal("1E+2"))) == "100"
    assert str(quantity_shown(Decimal("-0.00"))) == "0"
