"""Which rate is in force: at an instant, and through a period.

Of the rates of one (product, pricing group values) that cover an instant the latest to start wins,
and of those that start together the last added. So a price change is one more rate with a later
start, and a correction one more with the same. Source:
docs/decisions/0004-rate-resolution-and-tier-counters.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from meterline.core.catalogue import Rate
from meterline.core.period import Period


class RateSegment(NamedTuple):
    """A stretch of a period under one rate, entitled or not."""

    period: Period
    rate: Rate


def rate_at(rates: Sequence[Rate], instant: datetime) -> Rate | None:
    """Return the rate in force at `instant`, None where none is.

    `rates` are those of one product and one combination of pricing group values, in the order they
    were added.
    """
    current: Rate | None = None
    for rate in rates:
        covers = rate.starting_at <= instant and (
            rate.ending_before is None or instant < rate.ending_before
        )
        if covers and (current is None or rate.starting_at >= current.starting_at):
            current = rate
    return current


def rate_segments(rates: Sequence[Rate], period: Period) -> list[RateSegment]:
    """Return the stretches of `period` that have a rate, in order, each as long as its terms stay
    the same.

    `rates` as for `rate_at`. A rate added anew with equal terms does not cut.
    """
    changes = {period.start, period.end, *rate_edges(rates, period)}
    segments: list[RateSegment] = []
    for start, end in pairwise(sorted(changes)):
        rate_here = rate_at(rates, start)
        if rate_here is None:
            continue
        last = segments[-1] if segments else None
        if last and last.period.end == start and _same_terms(last.rate, rate_here):
            segments[-1] = RateSegment(Period(last.period.start, end), rate_here)
        else:
            segments.append(RateSegment(Period(start, end), rate_here))
    return segments


def rate_edges(rates: Sequence[Rate], period: Period) -> set[datetime]:
    """Return the instants of `period` at which one of `rates` starts or ends."""
    return {
        instant
        for rate in rates
        for instant in (rate.starting_at, rate.ending_before)
        if instant is not None and instant in period
    }


def _same_terms(left: Rate, right: Rate) -> bool:
    return (left.entitled, left.credit_type, left.terms, left.commit_terms) == (
        right.entitled,
        right.credit_type,
        right.terms,
        right.commit_terms,
    )
