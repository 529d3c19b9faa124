"""Billable metrics compiled to column expressions. `core.metric.BillableMetric.matches` is the rule; this is its
fast form, and a property test holds the two equal."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import and_

import polars as pl

from meterline.core.metric import Aggregation, BillableMetric, PropertyFilter, ValueFilter
from meterline.metering.columns import property_column


def wanted_properties(metrics: Iterable[BillableMetric]) -> set[str]:
    """Return the properties that any of `metrics` filters, groups or aggregates by."""
    names: set[str] = set()
    for metric in metrics:
        names.update(metric.group_properties)
        names.update(condition.name for condition in metric.property_filters)
        if metric.aggregation_key is not None:
            names.add(metric.aggregation_key)
    return names


def match(metric: BillableMetric) -> pl.Expr:
    """Return the boolean expression, never null, that tells which events `metric` counts."""
    conditions: list[pl.Expr] = []
    if metric.event_type_filter is not None:
        conditions += _values(pl.col("event_type"), metric.event_type_filter)
    for condition in metric.property_filters:
        conditions += _property(condition)
    if metric.aggregation is not Aggregation.COUNT:
        assert metric.aggregation_key is not None
        conditions.append(pl.col(property_column(metric.aggregation_key)).is_not_null())
    return reduce(and_, conditions, pl.lit(value=True))


def _property(condition: PropertyFilter) -> list[pl.Expr]:
    column = pl.col(property_column(condition.name))
    expressions = _values(column, condition)
    if condition.exists is True:
        expressions.append(column.is_not_null())
    elif condition.exists is False:
        expressions.append(column.is_null())
    return expressions


def _values(column: pl.Expr, condition: ValueFilter | PropertyFilter) -> list[pl.Expr]:
    expressions = []
    if condition.in_values:
        expressions.append(column.is_in(list(condition.in_values)).fill_null(value=False))
    if condition.not_in_values:
        # A property that is absent is not among the values.
        expressions.append(~column.is_in(list(condition.not_in_values)).fill_null(value=False))
    return expressions
