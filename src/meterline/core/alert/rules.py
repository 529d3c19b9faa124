"""What is wrong with a new alert. Fields are as in POST /v1/alerts/create."""

from __future__ import annotations

from collections.abc import Iterable

from meterline.core.alert.alert import (
    BALANCES,
    COMBINED,
    DAYS,
    OF_COMMITS,
    OF_CREDITS,
    PERCENTAGES,
    Alert,
    AlertType,
    CustomFieldFilter,
    FilteredEntity,
)
from meterline.core.decimals import decimal_issues
from meterline.core.errors import Issue
from meterline.core.ledger.grant import AccessType

GROUP_KEYS_MAX = 3
"""Source: Metronome's limit of group keys a customer."""


def alert_issues(alert: Alert) -> list[Issue]:
    """Return what is wrong with an alert: values out of range, and fields that its type has not."""
    issues = decimal_issues("threshold", alert.threshold)
    if not issues and alert.type in PERCENTAGES and alert.threshold > 100:
        issues.append(Issue("threshold", "must be from 0 to 100 per cent"))
    issues += _presence_issues(alert)
    issues += _group_issues(alert)
    issues += _filter_issues(alert)
    issues += _specifier_issues(alert)
    if alert.access_type is AccessType.QUANTITY and alert.credit_type is not None:
        issues.append(Issue("credit_type_id", "must not be given for QUANTITY access"))
    return issues


def _presence_issues(alert: Alert) -> list[Issue]:
    """What a type needs, and what belongs to other types."""
    of_usage, of_seats = alert.type is AlertType.USAGE, alert.type is AlertType.SEAT_BALANCE
    allowed = [
        ("billable_metric_id", alert.billable_metric_id is not None, of_usage),
        ("seat_filter", alert.seat is not None, of_seats),
        ("group_values", bool(alert.group_values), alert.type is AlertType.SPEND),
        ("alert_specifiers", bool(alert.specifiers), alert.type in COMBINED),
        ("access_type", alert.access_type is not None, alert.type in BALANCES),
        (
            "invoice_types_filter",
            bool(alert.invoice_types),
            alert.type is AlertType.INVOICE_TOTAL,
        ),
    ]
    issues = [
        Issue(field, f"must not be given for {alert.type}")
        for field, is_given, fits in allowed
        if is_given and not fits
    ]
    if of_usage and alert.billable_metric_id is None:
        issues.append(Issue("billable_metric_id", f"is required for {alert.type}"))
    if of_seats and alert.seat is None:
        issues.append(Issue("seat_filter", f"is required for {alert.type}"))
    return issues


def _group_issues(alert: Alert) -> list[Issue]:
    keys = [one.key for one in alert.group_values]
    if len(keys) > GROUP_KEYS_MAX:
        return [Issue("group_values", f"must have at most {GROUP_KEYS_MAX} keys")]
    if len(set(keys)) != len(keys):
        return [Issue("group_values", "must name a key once")]
    return []


def _filter_issues(alert: Alert) -> list[Issue]:
    return [
        Issue(f"custom_field_filters[{index}].entity", _unfit(one, alert))
        for index, one in enumerate(alert.custom_field_filters)
        if not _fits(one, alert)
    ]


def _specifier_issues(alert: Alert) -> list[Issue]:
    issues = []
    for index, specifier in enumerate(alert.specifiers):
        field = f"alert_specifiers[{index}]"
        keyless = [one for one in specifier.filters if one.value is None]
        if keyless and (len(alert.specifiers) > 1 or len(specifier.filters) > 1):
            message = "a key without a value must be the only filter of the only specifier"
            issues.append(Issue(f"{field}.custom_field_filters", message))
        if not specifier.filters and not specifier.exclude:
            issues.append(Issue(field, "must have custom_field_filters or exclude"))
        issues += [
            Issue(f"{field}.exclude[{place}].custom_field_filters", "must not be empty")
            for place, group in enumerate(specifier.exclude)
            if not group
        ]
    return issues


def _fits(one: CustomFieldFilter, alert: Alert) -> bool:
    return one.entity in _entities(alert)


def _unfit(one: CustomFieldFilter, alert: Alert) -> str:
    return f"must be one of {', '.join(_entities(alert))} for {alert.type}, and is {one.entity}"


def _entities(alert: Alert) -> Iterable[FilteredEntity]:
    """Whose fields can be asked for: a filter that nothing passes would keep the alert silent for ever."""
    if alert.type not in BALANCES | DAYS:
        return (FilteredEntity.CONTRACT,)
    if alert.type in OF_COMMITS:
        return (FilteredEntity.CONTRACT, FilteredEntity.COMMIT, FilteredEntity.CREDIT_OR_COMMIT)
    if alert.type in OF_CREDITS:
        return (FilteredEntity.CONTRACT, FilteredEntity.CREDIT, FilteredEntity.CREDIT_OR_COMMIT)
    return tuple(FilteredEntity)
