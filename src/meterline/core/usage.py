"""Usage as it is kept and merged: partial results ("parts") of an aggregation, and the quantities
they stand for.

A part is what the events of some hours left behind: a Decimal for COUNT, SUM and MAX, the latest
value with its time for LATEST, the set of distinct values for UNIQUE. Merging is associative and
commutative, so parts may be cut and ordered in any way. Merging parts of one aggregation is all
this module does to them; it never looks at events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

from meterline.core.decimals import EXACT, ZERO
from meterline.core.metric import Aggregation


class Latest(NamedTuple):
    """A LATEST part. The greatest (at, event_id) wins, so two events of one instant never tie."""

    at: int  # microseconds since 1970
    event_id: UUID
    quantity: Decimal


Part = Decimal | Latest | frozenset[str]

# The values of a metric's group properties, in the order of `BillableMetric.group_properties`; None
# where events lack one.
GroupValues = tuple[str | None, ...]


class SegmentUsage(NamedTuple):
    """A part of one customer's usage of a metric, in one of the segments a period is cut into.

    `segment` numbers them from 0: segment i of cuts (t0, ..., tn) is t[i] <= t < t[i+1].
    """

    group_values: GroupValues
    segment: int
    part: Part


# What a `SegmentUsage` is to a type checker. Rating reads rows by place, so that a reader of many customers may spare
# itself the names.
UsageRow = tuple[GroupValues, int, Part]

# One customer's usage in a period, by metric. Rows come in any order, and those of one place are
# merged: a reader may pass on rollups, live rows and every ingest key of the customer just as it
# finds them.
UsageBook = Mapping[UUID, Sequence[UsageRow]]


def merge(aggregation: Aggregation, left: Part, right: Part) -> Part:
    """Return the part of the events of both sides. Both are parts of `aggregation`."""
    match left, right:
        case Decimal(), Decimal():
            if aggregation is Aggregation.MAX:
                return max(left, right)
            return EXACT.add(left, right)
        case Latest(), Latest():
            return left if left[:2] >= right[:2] else right
        case frozenset(), frozenset():
            return left | right
    raise TypeError(f"parts of two kinds: {type(left)} and {type(right)}")


def merge_all(aggregation: Aggregation, parts: Iterable[Part | None]) -> Part | None:
    """Return all `parts` merged, leaving out None; None when nothing is left."""
    merged: Part | None = None
    for part in parts:
        if part is not None:
            merged = part if merged is None else merge(aggregation, merged, part)
    return merged


def value(part: Part | None) -> Decimal:
    """Return the quantity a part stands for: 0 for none, the latest value, the number of distinct
    values.
    """
    if isinstance(part, Decimal):  # first and apart, as nearly every part is one
        return part
    match part:
        case None:
            return ZERO
        case Latest():
            return part.quantity
        case frozenset():
            return Decimal(len(part))


def cumulative_values(
    aggregation: Aggregation, parts: Sequence[Part | None]
) -> tuple[Decimal, ...]:
    """Return the quantity from the period's start to each cut: n segments give n + 1 values, the
    first 0.
    """
    if len(parts) == 1:
        return (ZERO, value(parts[0]))
    values = [ZERO]
    merged: Part | None = None
    for part in parts:
        if part is not None:
            merged = part if merged is None else merge(aggregation, merged, part)
        values.append(value(merged))
    return tuple(values)


def segment_quantities(
    aggregation: Aggregation, parts: Sequence[Part | None]
) -> tuple[Decimal, ...]:
    """Return each segment's quantity: what it adds to the quantity since the period's start.

    Invariant: the segments' quantities add up to the period's, for every aggregation. MAX of
    positive values and UNIQUE are never negative; LATEST may be. Source:
    docs/decisions/0003-segments-of-non-additive-metrics.md.
    """
    values = cumulative_values(aggregation, parts)
    return tuple(EXACT.subtract(after, before) for before, after in pairwise(values))
