"""Folding equals a model that looks at one event at a time, however the events are ordered and cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.metering.strategies import (
    Sent,
    as_columns,
    events,
    metrics,
    quantity_texts,
    simple_metrics,
)
from tests.unit.metering.builders import HOUR

from meterline.core.metric import Aggregation, BillableMetric, property_text
from meterline.core.usage import Latest, Part, merge
from meterline.metering.fold import fold
from meterline.stream.routing import event_id

# (metric, customer, group values, hour)
Place = tuple[UUID, str, tuple[str | None, ...], int]
Totals = dict[Place, Part]


def model(live: Iterable[BillableMetric], sent: Iterable[Sent]) -> Totals:
    """What the events come to, one at a time. Fractions are exact: `Decimal` is only added with enough digits."""
    totals: Totals = {}
    for event in sent:
        for metric in live:
            part = _part(metric, event)
            if part is None:
                continue
            groups = tuple(
                property_text(event.properties.get(name)) for name in metric.group_properties
            )
            place = (metric.id, event.customer_id, groups, event.at // HOUR)
            totals[place] = (
                merge(metric.aggregation, totals[place], part) if place in totals else part
            )
    return totals


def _part(metric: BillableMetric, event: Sent) -> Part | None:
    if not metric.matches(event.event_type, event.properties):
        return None
    if metric.aggregation is Aggregation.COUNT:
        return Decimal(1)
    text = property_text(event.properties.get(metric.aggregation_key or ""))
    if text is None:
        return None
    if metric.aggregation is Aggregation.UNIQUE:
        return frozenset({text})
    quantity = _quantity(text)
    if quantity is not None and metric.aggregation is Aggregation.LATEST:
        return Latest(event.at, UUID(bytes=event_id(1, event.transaction_id)), quantity)
    return None if quantity is None else _limited(metric, quantity)


def _limited(metric: BillableMetric, quantity: Decimal) -> Decimal:
    sign, size = (-1 if quantity < 0 else 1), Fraction(quantity) * (-1 if quantity < 0 else 1)
    size = max(size, Fraction(metric.event_minimum or 0))
    if metric.event_maximum is not None:
        size = min(size, Fraction(metric.event_maximum))
    counted = metric.counted(quantity)
    assert Fraction(counted) == sign * size
    return counted


def _quantity(text: str) -> Decimal | None:
    try:
        quantity = Decimal(text)
    except ArithmeticError:
        return None
    return quantity if quantity.is_finite() else None


def folded(live: Sequence[BillableMetric], sent: Sequence[Sent]) -> Totals:
    """What `fold` makes of one batch."""
    totals: Totals = {}
    for part in fold(as_columns(list(sent), list(live)), live).sums:
        for row in part.frame.iter_rows(named=True):
            groups = tuple(row[f"p:{name}"] for name in part.metric.group_properties)
            place = (part.metric.id, row["customer_id"], groups, row["hour"])
            if part.fold == "u":
                known = totals.get(place, frozenset())
                assert isinstance(known, frozenset)
                totals[place] = known | {row["member"]}
            else:
                assert place not in totals, "a place has one row"
                totals[place] = _row_part(part.fold, row)
    return totals


def _row_part(kind: str, row: dict[str, Any]) -> Part:
    quantity = Decimal(row["quantity"])
    if kind == "l":
        return Latest(row["latest_at"], UUID(bytes=row["latest_id"]), quantity)
    return quantity


def merged(live: Sequence[BillableMetric], batches: Iterable[Totals]) -> Totals:
    aggregations = {metric.id: metric.aggregation for metric in live}
    totals: Totals = {}
    for batch in batches:
        for place, part in batch.items():
            kind = aggregations[place[0]]
            totals[place] = merge(kind, totals[place], part) if place in totals else part
    return totals


quantified = st.lists(events(quantity_texts), max_size=30)


@settings(max_examples=200)
@given(
    st.lists(metrics(), max_size=4, unique_by=lambda one: one.id), st.lists(events(), max_size=20)
)
def test_any_metrics_over_any_events(live: list[BillableMetric], sent: list[Sent]) -> None:
    assert folded(live, sent) == model(live, sent)


@settings(max_examples=200)
@given(quantified)
def test_every_aggregation_over_quantities(sent: list[Sent]) -> None:
    live = simple_metrics()
    assert folded(live, sent) == model(live, sent)


@settings(max_examples=50)
@given(st.lists(events(st.just("9" * 18 + "." + "9" * 18)), min_size=1, max_size=3))
def test_sums_beyond_what_a_column_holds(sent: list[Sent]) -> None:
    live = simple_metrics()
    many = [
        Sent(
            f"{one.transaction_id}-{copy}", one.customer_id, one.event_type, one.at, one.properties
        )
        for one in sent
        for copy in range(150)
    ]
    assert folded(live, many) == model(live, many)


@settings(max_examples=150)
@given(quantified, st.randoms(use_true_random=False), st.lists(st.integers(0, 30), max_size=5))
def test_order_and_batches_make_no_difference(sent: list[Sent], rng: Any, cuts: list[int]) -> None:
    live = simple_metrics()
    shuffled = list(sent)
    rng.shuffle(shuffled)
    places = sorted({0, len(sent), *(min(cut, len(sent)) for cut in cuts)})
    batches = [shuffled[start:end] for start, end in pairwise(places)]
    whole = folded(live, sent)
    assert merged(live, [folded(live, batch) for batch in batches]) == whole
    assert merged(live, reversed([folded(live, batch) for batch in batches])) == whole


@settings(max_examples=150)
@given(
    st.lists(metrics(), max_size=3, unique_by=lambda one: one.id), st.lists(events(), max_size=20)
)
def test_every_event_is_counted_refused_or_unmatched(
    live: list[BillableMetric], sent: list[Sent]
) -> None:
    batch = fold(as_columns(sent, live), live)
    refused = {(one.row, one.metric.id) for one in batch.refused}
    unmatched = 0
    for row, event in enumerate(sent):
        matched = False
        for metric in live:
            there = metric.aggregation is Aggregation.COUNT or (
                event.properties.get(metric.aggregation_key or "") is not None
            )
            if there and metric.matches(event.event_type, event.properties):
                matched = True
                assert (_part(metric, event) is None) == ((row, metric.id) in refused)
            else:
                assert (row, metric.id) not in refused
        unmatched += not matched
    assert batch.unmatched["events"].sum() == unmatched
