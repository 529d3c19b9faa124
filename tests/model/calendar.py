"""Billing periods, found by walking from day to day."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

from tests.model.terms import DAY, Contract, Hour, instant


class Rhythm(NamedTuple):
    """A frequency, and the date it is anchored on: the contract's first day, or the first of that month."""

    frequency: str
    start: Hour
    from_start: bool


def rhythm(contract: Contract, frequency: str | None = None) -> Rhythm:
    """The contract's own, or another frequency on the same anchor."""
    return Rhythm(frequency or contract.frequency, contract.start, contract.from_start)


@cache
def is_boundary(of: Rhythm, hour: Hour) -> bool:
    """Whether `hour` is a boundary: a midnight, so many weeks or months from the anchor."""
    if hour % DAY:
        return False
    frequency = of.frequency
    today, signed = instant(hour), instant(of.start)
    anchor = datetime(
        signed.year, signed.month, signed.day if of.from_start else 1, tzinfo=signed.tzinfo
    )
    if frequency == "WEEKLY":
        return (today - anchor).days % 7 == 0
    # A month without the anchor's day has its boundary on its last day.
    tomorrow_is_first = (today + timedelta(days=1)).day == 1
    return today.day == anchor.day or (tomorrow_is_first and today.day < anchor.day)


@cache
def next_boundary(of: Rhythm, hour: Hour) -> Hour:
    """The first boundary after `hour`."""
    hour += 1
    while not is_boundary(of, hour):
        hour += 1
    return hour


@cache
def last_boundary(of: Rhythm, hour: Hour) -> Hour:
    """The last boundary at or before `hour`."""
    while not is_boundary(of, hour):
        hour -= 1
    return hour


def periods(contract: Contract, until: Hour) -> list[tuple[Hour, Hour]]:
    """The billing periods that begin before or at `until`: [start, end) of hours."""
    found = []
    start = contract.start
    while start <= until and (contract.end is None or start < contract.end):
        end = next_boundary(rhythm(contract), start)
        if contract.end is not None:
            end = min(end, contract.end)
        found.append((start, end))
        start = end
    return found
