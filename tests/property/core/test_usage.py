"""Segments add up, and merging does not care about order or grouping, for all five aggregations."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tests.property.core.model import aggregate, part_of
from tests.property.core.strategies import HOURS, UsageEvent, usage_events

from meterline.core.metric import Aggregation
from meterline.core.usage import merge, merge_all, segment_quantities, value

aggregations = st.sampled_from(Aggregation)


@given(aggregations, usage_events(), st.data())
def test_merged_parts_stand_for_the_events(
    aggregation: Aggregation, events: list[UsageEvent], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(events))
    parts = [part_of(aggregation, event) for event in shuffled]
    assert Fraction(value(merge_all(aggregation, parts))) == aggregate(aggregation, events)


@given(aggregations, usage_events(), usage_events(), usage_events())
def test_merging_is_associative(
    aggregation: Aggregation,
    first: list[UsageEvent],
    second: list[UsageEvent],
    third: list[UsageEvent],
) -> None:
    left, middle, right = (
        merge_all(aggregation, [part_of(aggregation, event) for event in events])
        for events in (first, second, third)
    )
    if left is None or middle is None or right is None:
        return
    assert merge(aggregation, merge(aggregation, left, middle), right) == merge(
        aggregation, left, merge(aggregation, middle, right)
    )


@given(aggregations, usage_events(), st.sets(st.integers(1, HOURS - 1)))
def test_segments_add_up_however_the_period_is_cut(
    aggregation: Aggregation, events: list[UsageEvent], cuts: set[int]
) -> None:
    edges = [0, *sorted(cuts), HOURS]
    parts = [
        merge_all(
            aggregation,
            [part_of(aggregation, event) for event in events if start <= event.hour < end],
        )
        for start, end in pairwise(edges)
    ]
    added = segment_quantities(aggregation, parts)
    assert sum(map(Fraction, added)) == aggregate(aggregation, events)
    if aggregation in (Aggregation.COUNT, Aggregation.UNIQUE):
        assert all(quantity >= 0 for quantity in added)
