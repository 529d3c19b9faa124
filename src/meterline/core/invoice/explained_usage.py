"""The usage behind a line: the moves of its counter, their prices step by step, and what was metered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from meterline.core.decimals import EXACT, plain
from meterline.core.period import Period
from meterline.core.rating.charges import Move
from meterline.core.rating.piece import PieceKind
from meterline.core.rating.plan import Stint
from meterline.core.rating.tier_walk import TierPosition
from meterline.core.usage import GroupValues, Part, UsageBook, merge_all, segment_quantities


class TierStep(NamedTuple):
    """A part of the walk: the counter goes from `counter_before` to `counter_after` at `unit_price` each."""

    counter_before: Decimal
    counter_after: Decimal
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    tier: TierPosition | None


class UsageSource(NamedTuple):
    """A stretch of metered usage that went into the line. `quantity`: the metric's, before conversion and rounding."""

    metric_id: UUID
    group_properties: tuple[str, ...]
    group_values: GroupValues
    period: Period
    quantity: Decimal


def walk_of(run: Iterable[Move]) -> Iterator[TierStep]:
    """Yield the pieces of the run at list price. Only units move the counter; fees and limits stand where it is."""
    for move in run:
        counter = move.before
        for piece in move.segment.list_model(move.values).pieces(move.before, move.after):
            before = counter
            if piece.kind is PieceKind.UNITS:
                counter = EXACT.add(counter, piece.quantity)
            yield TierStep(
                plain(before),
                plain(counter),
                plain(piece.quantity),
                plain(piece.unit_price),
                plain(piece.amount),
                piece.tier,
            )


def sources_of(run: Sequence[Move], usage: UsageBook) -> list[UsageSource]:
    """Return the usage of the run's group values, by the spans it was read in."""
    found: dict[tuple[UUID, datetime], UsageSource] = {}
    for move in run:
        for stint in move.grouping.stints:
            first, last = move.segment.first, move.segment.last
            cuts = stint.metric.cuts
            if last >= len(cuts) or cuts[first] != move.segment.period.start:
                continue
            names = (*move.grouping.pricing_key, *move.grouping.presentation_key)
            quantities = _quantities(stint, move.values, usage)
            for index in range(first, last):
                if quantities[index]:
                    period = Period(cuts[index], cuts[index + 1])
                    found[stint.metric_id, period.start] = UsageSource(
                        stint.metric_id, names, move.values, period, plain(quantities[index])
                    )
    return list(found.values())


def _quantities(stint: Stint, values: GroupValues, usage: UsageBook) -> tuple[Decimal, ...]:
    """What each span between the metric's cuts adds to its quantity, for these group values."""
    parts: list[Part | None] = [None] * (len(stint.metric.cuts) - 1)
    for group_values, index, part in usage.get(stint.metric_id, ()):
        if tuple(group_values[position] for position in stint.positions) != values:
            continue
        admission = stint.metric.admissions[index] if stint.metric.admissions else None
        if admission is None or admission.admits(group_values):
            parts[index] = merge_all(stint.metric.aggregation, (parts[index], part))
    return segment_quantities(stint.metric.aggregation, parts)
