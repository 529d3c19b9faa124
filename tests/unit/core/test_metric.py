from decimal import Decimal

import pytest
from tests.unit.core.builders import metric, uid

from meterline.core.metric import (
    Aggregation,
    BillableMetric,
    PropertyFilter,
    ValueFilter,
    metric_issues,
    property_text,
)


def filtered(*filters: PropertyFilter, event_type: ValueFilter | None = None) -> BillableMetric:
    return BillableMetric(uid(1), "m", Aggregation.COUNT, None, event_type, filters)


def test_a_metric_without_filters_matches_everything() -> None:
    assert filtered().matches("anything", {})


def test_event_types_are_listed_in_or_out() -> None:
    listed = filtered(event_type=ValueFilter(in_values=("call", "chat"), not_in_values=("chat",)))
    assert listed.matches("call", {})
    assert not listed.matches("chat", {})
    assert not listed.matches("other", {})


@pytest.mark.parametrize(
    ("condition", "present", "absent"),
    [
        (PropertyFilter("region"), True, True),
        (PropertyFilter("region", exists=True), True, False),
        (PropertyFilter("region", exists=False), False, True),
        (PropertyFilter("region", in_values=("eu", "us")), True, False),
        (PropertyFilter("region", in_values=("us",)), False, False),
        (PropertyFilter("region", not_in_values=("us",)), True, True),
        (PropertyFilter("region", not_in_values=("eu",)), False, True),
        (PropertyFilter("region", exists=True, not_in_values=("us",)), True, False),
    ],
)
def test_property_filters(condition: PropertyFilter, present: bool, absent: bool) -> None:
    assert filtered(condition).matches("call", {"region": "eu"}) is present
    assert filtered(condition).matches("call", {}) is absent
    assert filtered(condition).matches("call", {"region": None}) is absent


def test_filters_are_anded() -> None:
    both = filtered(PropertyFilter("a", exists=True), PropertyFilter("b", exists=True))
    assert both.matches("call", {"a": "1", "b": "2"})
    assert not both.matches("call", {"a": "1"})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("5.0", "5.0"),
        (Decimal("5.0"), "5"),
        (5, "5"),
        (Decimal("1E-7"), "0.0000001"),
        (True, "true"),
        (None, None),
    ],
)
def test_numbers_are_filtered_by_their_shortest_text(value: object, text: str | None) -> None:
    assert property_text(value) == text


@pytest.mark.parametrize("value", [0.1, {"a": 1}, ["a"]])
def test_floats_and_nested_values_are_no_properties(value: object) -> None:
    with pytest.raises(TypeError):
        property_text(value)


def test_group_properties_are_the_sorted_union() -> None:
    grouped = metric(group_keys=[("region",), ("region", "model"), ("account",)])
    assert grouped.group_properties == ("account", "model", "region")


def test_a_group_key_is_found_in_any_order_but_only_whole() -> None:
    grouped = metric(group_keys=[("region", "model")])
    assert grouped.has_group_key("model", "region")
    assert not grouped.has_group_key("model")


@pytest.mark.parametrize("aggregation", list(Aggregation))
def test_a_sound_metric_has_no_issues(aggregation: Aggregation) -> None:
    assert metric_issues(metric(1, aggregation, [("a",), ("a", "b")])) == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (BillableMetric(uid(1), "", Aggregation.COUNT), "name"),
        (BillableMetric(uid(1), "m", Aggregation.COUNT, "tokens"), "aggregation_key"),
        (BillableMetric(uid(1), "m", Aggregation.SUM), "aggregation_key"),
        (BillableMetric(uid(1), "m", Aggregation.UNIQUE, ""), "aggregation_key"),
        (metric(group_keys=[("a",), ()]), "group_keys[1]"),
        (metric(group_keys=[("",)]), "group_keys[0]"),
        (metric(group_keys=[("a", "a")]), "group_keys[0]"),
        (metric(group_keys=[("a", "b"), ("b", "a")]), "group_keys[1]"),
        (filtered(PropertyFilter("")), "property_filters[0].name"),
        (
            filtered(PropertyFilter("a", exists=False, in_values=("x",))),
            "property_filters[0].exists",
        ),
    ],
)
def test_each_fault_names_its_field(wrong: BillableMetric, field: str) -> None:
    assert [issue.field for issue in metric_issues(wrong)] == [field]


@pytest.mark.parametrize(
    ("minimum", "maximum", "quantity", "counted"),
    [
        (None, None, "7.5", "7.5"),
        ("0.3", None, "0.1", "0.3"),
        ("0.3", None, "0.3", "0.3"),
        ("0.3", None, "0", "0.3"),
        ("0.3", None, "12", "12"),
        (None, "100", "100.000000000000000001", "100"),
        (None, "100", "99", "99"),
        (None, "0", "5", "0"),
        ("2", "5", "1", "2"),
        ("2", "5", "6", "5"),
        ("2", "5", "3", "3"),
        ("0.3", "100", "-0.1", "-0.3"),
        ("0.3", "100", "-500", "-100"),
        ("0.3", "100", "-4", "-4"),
    ],
)
def test_what_an_event_counts_is_raised_and_cut_to_its_limits(
    minimum: str | None, maximum: str | None, quantity: str, counted: str
) -> None:
    limited = BillableMetric(
        uid(1),
        "m",
        Aggregation.SUM,
        "n",
        event_minimum=None if minimum is None else Decimal(minimum),
        event_maximum=None if maximum is None else Decimal(maximum),
    )
    assert limited.counted(Decimal(quantity)) == Decimal(counted)


@pytest.mark.parametrize(
    ("aggregation", "minimum", "maximum", "field"),
    [
        (Aggregation.COUNT, "1", None, "event_minimum"),
        (Aggregation.MAX, None, "1", "event_maximum"),
        (Aggregation.LATEST, "1", None, "event_minimum"),
        (Aggregation.UNIQUE, None, "1", "event_maximum"),
        (Aggregation.SUM, "-1", None, "event_minimum"),
        (Aggregation.SUM, None, "1e18", "event_maximum"),
        (Aggregation.SUM, "1e-19", None, "event_minimum"),
        (Aggregation.SUM, "5", "4", "event_minimum"),
    ],
)
def test_limits_of_events_that_make_no_sense(
    aggregation: Aggregation, minimum: str | None, maximum: str | None, field: str
) -> None:
    limited = BillableMetric(
        uid(1),
        "m",
        aggregation,
        None if aggregation is Aggregation.COUNT else "n",
        event_minimum=None if minimum is None else Decimal(minimum),
        event_maximum=None if maximum is None else Decimal(maximum),
    )
    assert [issue.field for issue in metric_issues(limited)] == [field]
