"""The compiled expression of a metric counts exactly the events that the reference predicate counts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.metering.strategies import Sent, as_columns, events, metrics

from meterline.core.metric import Aggregation, BillableMetric
from meterline.metering.compile import match, wanted_properties


def counts(metric: BillableMetric, event: Sent) -> bool:
    """The rule: every filter passes, and what is aggregated is there."""
    there = (
        metric.aggregation is Aggregation.COUNT
        or event.properties.get(metric.aggregation_key or "") is not None
    )
    return there and metric.matches(event.event_type, event.properties)


@settings(max_examples=300)
@given(st.lists(metrics(), min_size=1, max_size=4), st.lists(events(), min_size=1, max_size=12))
def test_compiled_is_as_specified(live: list[BillableMetric], sent: list[Sent]) -> None:
    frame = as_columns(sent, live)
    for metric in live:
        mask = frame.select(matched=match(metric)).get_column("matched")
        if len(mask) == 1:  # without conditions: a literal
            mask = mask.extend_constant(mask[0], len(sent) - 1)
        assert mask.null_count() == 0
        assert mask.to_list() == [counts(metric, event) for event in sent], metric


@given(metrics())
def test_everything_a_metric_looks_at_is_decoded(metric: BillableMetric) -> None:
    wanted = wanted_properties([metric])
    assert set(metric.group_properties) <= wanted
    assert {condition.name for condition in metric.property_filters} <= wanted
    assert metric.aggregation_key is None or metric.aggregation_key in wanted
