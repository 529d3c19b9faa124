"""What alerts on commits and credits measure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal

from meterline.core.alert.alert import (
    BALANCES,
    OF_COMMITS,
    OF_CREDITS,
    PERCENTAGES,
    Alert,
    AlertType,
    CustomFieldFilter,
)
from meterline.core.alert.reading import Reading
from meterline.core.alert.situation import Situation
from meterline.core.decimals import EXACT, total
from meterline.core.ledger.balances import live_segments
from meterline.core.ledger.grant import AccessType, Grant, GrantKind

_HUNDRED = Decimal(100)
_DAY_MICROSECONDS = Decimal(timedelta(days=1) // timedelta(microseconds=1))


def balance_readings(alert: Alert, situation: Situation) -> Iterator[Reading]:
    """Yield what is left: in all, by seat, or by value of the custom field that balances are grouped by.

    Nothing for a customer who never had any of it: that is no low balance.
    """
    watched = [grant for grant in situation.grants if _is_watched(alert, grant, situation)]
    for subject, grants in _grouped(alert, watched, situation).items():
        if any(_has_begun(grant, situation) for grant in grants):
            yield _left(alert, grants, situation, subject)


def days_readings(alert: Alert, situation: Situation) -> Iterator[Reading]:
    """Yield how long each live segment still is, against the threshold in days; what is left in it does not matter."""
    threshold = EXACT.multiply(alert.threshold, _DAY_MICROSECONDS)
    for grant in situation.grants:
        if _is_watched(alert, grant, situation):
            for segment in live_segments(grant, at=situation.now):
                left = (segment.ending_before - situation.now) // timedelta(microseconds=1)
                yield Reading(Decimal(left), threshold, f"segment {segment.id}")


def _left(
    alert: Alert, grants: Iterable[Grant], situation: Situation, subject: str | None
) -> Reading:
    live = [segment for grant in grants for segment in live_segments(grant, at=situation.now)]
    left = total(situation.left(segment) for segment in live)
    if alert.type not in PERCENTAGES:
        return Reading(left, alert.threshold, subject)
    # left / granted <= threshold / 100, without a division that may not end. Nothing live: nothing of it is left.
    granted = total(segment.amount for segment in live)
    return Reading(
        EXACT.multiply(left, _HUNDRED), EXACT.multiply(granted, alert.threshold), subject
    )


def _is_watched(alert: Alert, grant: Grant, situation: Situation) -> bool:
    if grant.archived_at is not None or not _is_of_kind(alert, grant):
        return False
    if not all(situation.passes(one, grant) for one in alert.custom_field_filters):
        return False
    return not alert.specifiers or any(
        all(situation.passes(one, grant) for one in specifier.filters)
        and not any(
            all(situation.passes(one, grant) for one in group) for group in specifier.exclude
        )
        for specifier in alert.specifiers
    )


def _is_of_kind(alert: Alert, grant: Grant) -> bool:
    is_credit = grant.kind is GrantKind.CREDIT
    if alert.type in (OF_COMMITS if is_credit else OF_CREDITS) or not _is_of_seats(alert, grant):
        return False
    if alert.type not in BALANCES:
        return alert.credit_type in (None, grant.credit_type)
    if grant.access_type is not (alert.access_type or AccessType.SPEND):
        return False
    return grant.access_type is AccessType.QUANTITY or grant.credit_type == alert.unit


def _is_of_seats(alert: Alert, grant: Grant) -> bool:
    """Seats have alerts of their own; the other balances leave them out."""
    if alert.seat is None:
        return grant.seat_id is None
    if grant.seat_id is None or grant.seat_group_key != alert.seat.group_key:
        return False
    return alert.seat.value in (None, grant.seat_id)


def _grouped(
    alert: Alert, grants: Iterable[Grant], situation: Situation
) -> dict[str | None, list[Grant]]:
    """Grants by what is evaluated by itself: seats, values of a custom field; all together under None."""
    groups: dict[str | None, list[Grant]] = {}
    by = _grouping_field(alert)
    for grant in grants:
        if alert.type is AlertType.SEAT_BALANCE:
            subject = f"seat {grant.seat_id}"
        elif by is not None:
            subject = f"{by.key}={situation.field_of(by, grant)}"
        else:
            subject = None
        groups.setdefault(subject, []).append(grant)
    return groups


def _grouping_field(alert: Alert) -> CustomFieldFilter | None:
    for specifier in alert.specifiers:
        for one in specifier.filters:
            if one.value is None:
                return one
    return None


def _has_begun(grant: Grant, situation: Situation) -> bool:
    return any(segment.starting_at <= situation.now for segment in grant.segments)
