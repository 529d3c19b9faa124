"""Asks for the part of an alert that is evaluated by itself: one group, one seat, one value of a custom field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from meterline.core.alert.alert import COMBINED, Alert, BalanceSpecifier, GroupValue, SeatFilter
from meterline.core.errors import Invalid


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Which part is asked for; nothing: all of it. Every part names its value."""

    group_values: tuple[GroupValue, ...] = ()
    seat: SeatFilter | None = None
    specifiers: tuple[BalanceSpecifier, ...] = ()


def narrowed(alert: Alert, wanted: Narrowing) -> Alert:
    """Return `alert` as it stands for the part wanted. Raises Invalid for a part that it has not."""
    if wanted.group_values:
        alert = replace(alert, group_values=_group_values(alert, wanted.group_values))
    if wanted.seat is not None:
        if alert.seat is None or alert.seat.group_key != wanted.seat.group_key:
            raise Invalid("seat_filter.seat_group_key", "is not the alert's")
        if alert.seat.value not in (None, wanted.seat.value):
            raise Invalid("seat_filter.seat_group_value", "is not the alert's")
        alert = replace(alert, seat=wanted.seat)
    if wanted.specifiers:
        if alert.type not in COMBINED:
            raise Invalid("alert_specifiers", f"must not be given for {alert.type}")
        if not _fits(alert.specifiers, wanted.specifiers):
            raise Invalid("alert_specifiers", "must be the alert's, with a value for the key")
        # What an alert leaves out stays left out.
        given = tuple(
            replace(one, exclude=own.exclude)
            for one, own in zip(wanted.specifiers, alert.specifiers, strict=True)
        )
        alert = replace(alert, specifiers=given)
    return alert


def _group_values(alert: Alert, wanted: Sequence[GroupValue]) -> tuple[GroupValue, ...]:
    given = {one.key: one for one in wanted}
    if len(given) != len(wanted) or set(given) != {own.key for own in alert.group_values}:
        raise Invalid("group_values", "must name each key of the alert once")
    for own in alert.group_values:
        if own.value not in (None, given[own.key].value):
            raise Invalid("group_values", f"{own.key} of the alert is {own.value!r}")
    return tuple(given[own.key] for own in alert.group_values)


def _fits(own: Sequence[BalanceSpecifier], wanted: Sequence[BalanceSpecifier]) -> bool:
    """Whether `wanted` are the alert's own specifiers, with values where those have none."""
    if [len(one.filters) for one in own] != [len(one.filters) for one in wanted]:
        return False
    pairs = [
        pair
        for mine, given in zip(own, wanted, strict=True)
        for pair in zip(mine.filters, given.filters, strict=True)
    ]
    return all(
        (mine.entity, mine.key) == (given.entity, given.key) and mine.value in (None, given.value)
        for mine, given in pairs
    )
