"""Billable metrics: which events count, what is taken from each, and how it is grouped.

`BillableMetric.matches` is the reference predicate, slow and obviously right; the metering stage
compiles the same rules to column expressions and is tested against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from meterline.core.decimals import decimal_issues, plain
from meterline.core.errors import Issue

EVENT_LIMIT = Decimal(10) ** 18  # the quantity of an event has at most 18 digits before the point


class Aggregation(StrEnum):
    """How the events of a period become one quantity."""

    COUNT = "COUNT"
    SUM = "SUM"
    MAX = "MAX"
    LATEST = "LATEST"
    UNIQUE = "UNIQUE"

    @property
    def is_additive(self) -> bool:
        """Whether the quantity of a period is the sum of its hours'."""
        return self in (Aggregation.COUNT, Aggregation.SUM)


@dataclass(frozen=True, slots=True)
class ValueFilter:
    """Text must be one of `in_values` (empty: any) and none of `not_in_values`."""

    in_values: tuple[str, ...] = ()
    not_in_values: tuple[str, ...] = ()

    def accepts(self, text: str) -> bool:
        """Whether `text` passes."""
        return (not self.in_values or text in self.in_values) and text not in self.not_in_values


@dataclass(frozen=True, slots=True)
class PropertyFilter:
    """A test of one property.

    `exists`: True, it must be present; False, absent; None, no test. An event that lacks the
    property fails `in_values` and passes `not_in_values`.
    """

    name: str
    exists: bool | None = None
    in_values: tuple[str, ...] = ()
    not_in_values: tuple[str, ...] = ()

    def accepts(self, text: str | None) -> bool:
        """Whether the property's text (None: the event lacks it) passes."""
        if text is None:
            return self.exists is not True and not self.in_values
        return self.exists is not False and ValueFilter(self.in_values, self.not_in_values).accepts(
            text
        )


@dataclass(frozen=True, slots=True)
class BillableMetric:
    """A metric. `group_keys` are the (compound) keys it can be grouped by, each a tuple of property
    names. `event_minimum` and `event_maximum`: of SUM, what one event counts at least and at most.
    """

    id: UUID
    name: str
    aggregation: Aggregation
    aggregation_key: str | None = None
    event_type_filter: ValueFilter | None = None
    property_filters: tuple[PropertyFilter, ...] = ()
    group_keys: tuple[tuple[str, ...], ...] = ()
    archived_at: datetime | None = None
    event_minimum: Decimal | None = None
    event_maximum: Decimal | None = None

    @property
    def group_properties(self) -> tuple[str, ...]:
        """Every property of any group key, sorted: the order of `GroupValues`."""
        return tuple(sorted({name for key in self.group_keys for name in key}))

    def has_group_key(self, *properties: str) -> bool:
        """Whether `properties`, in any order, are exactly one of the group keys."""
        return frozenset(properties) in {frozenset(key) for key in self.group_keys}

    def matches(self, event_type: str, properties: Mapping[str, object]) -> bool:
        """Whether an event passes every filter. Says nothing of the aggregation key."""
        if self.event_type_filter is not None and not self.event_type_filter.accepts(event_type):
            return False
        return all(
            condition.accepts(property_text(properties.get(condition.name)))
            for condition in self.property_filters
        )

    def counted(self, quantity: Decimal) -> Decimal:
        """Return what an event of this quantity counts, raised or cut to the event's limits.

        A quantity below zero corrects one above it, so its size is limited alike and its sign kept.
        """
        size = quantity.copy_abs()
        if self.event_minimum is not None and size < self.event_minimum:
            size = self.event_minimum
        if self.event_maximum is not None and size > self.event_maximum:
            size = self.event_maximum
        return size.copy_negate() if quantity < 0 else size


def property_text(value: object) -> str | None:
    """Return the text that filters and groups see: strings as they are, numbers in shortest exact
    form.

    None (absent, or JSON null) stays None. Raises TypeError for floats and nested values: a float
    has lost digits.
    """
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal():
            return format(plain(value), "f")
    raise TypeError(f"a property is text, a number, true, false or null, not {type(value)}")


def metric_issues(metric: BillableMetric) -> list[Issue]:
    """Return what is wrong with a new metric; fields are named as in POST
    /v1/billable-metrics/create.
    """
    issues = []
    if not metric.name:
        issues.append(Issue("name", "must not be empty"))
    if metric.aggregation is Aggregation.COUNT and metric.aggregation_key is not None:
        issues.append(Issue("aggregation_key", "must be left out for COUNT, which counts events"))
    if metric.aggregation is not Aggregation.COUNT and not metric.aggregation_key:
        issues.append(Issue("aggregation_key", f"is required for {metric.aggregation}"))
    issues += _event_limit_issues(metric)
    for position, condition in enumerate(metric.property_filters):
        field = f"property_filters[{position}]"
        if not condition.name:
            issues.append(Issue(f"{field}.name", "must not be empty"))
        if condition.exists is False and (condition.in_values or condition.not_in_values):
            issues.append(
                Issue(f"{field}.exists", "cannot be false beside in_values or not_in_values")
            )
    return issues + _group_key_issues(metric.group_keys)


def _event_limit_issues(metric: BillableMetric) -> list[Issue]:
    lowest, highest = metric.event_minimum, metric.event_maximum
    issues = []
    for field, limit in (("event_minimum", lowest), ("event_maximum", highest)):
        if limit is None:
            continue
        if metric.aggregation is not Aggregation.SUM:
            issues.append(Issue(field, f"must be left out for {metric.aggregation}"))
        issues += decimal_issues(field, limit)
        if not issues and limit >= EVENT_LIMIT:
            issues.append(Issue(field, "must be less than 10^18, as quantities of events are"))
    if not issues and lowest is not None and highest is not None and lowest > highest:
        issues.append(Issue("event_minimum", "must not be above event_maximum"))
    return issues


def _group_key_issues(group_keys: tuple[tuple[str, ...], ...]) -> list[Issue]:
    issues = []
    seen: set[frozenset[str]] = set()
    for position, key in enumerate(group_keys):
        field = f"group_keys[{position}]"
        if not key or not all(key):
            issues.append(Issue(field, "must name at least one property, and none may be empty"))
        if len(set(key)) < len(key):
            issues.append(Issue(field, "must not repeat a property"))
        if frozenset(key) in seen:
            issues.append(Issue(field, "repeats an earlier group key"))
        seen.add(frozenset(key))
    return issues
