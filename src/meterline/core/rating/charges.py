"""Rates one customer's usage of a period against a compiled plan. Invoice lines and spend both come
from `charges`.

For each product and combination of its group values the metric's parts are merged, turned into
quantities since the period's start, converted and rounded there, and cut at the rate changes; each
cut piece then moves the combination's tier counter, which starts at zero with the period and runs
on across rate changes. # invariant: the sum of a product's charges is the same however the usage
rows are ordered or split.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from meterline.core.decimals import EXACT, ZERO
from meterline.core.rating.piece import Piece
from meterline.core.rating.plan import Grouping, PriceSegment, ProductPlan, RatePlan, Stint
from meterline.core.usage import (
    GroupValues,
    Part,
    SegmentUsage,
    UsageBook,
    cumulative_values,
    merge,
)

Parts = list[Part | None]


class Charge(NamedTuple):
    """One line's worth: a piece of a product's quantity at one price.

    `values`: of the grouping's pricing key, then of its presentation key.
    """

    product: ProductPlan
    grouping: Grouping
    segment: PriceSegment
    values: GroupValues
    piece: Piece


def charges(plan: RatePlan, usage: UsageBook) -> list[Charge]:
    """Return what one customer's `usage` costs, in the order of invoice lines.

    That is by product, group values (null first), start and tier. Products without group keys
    appear even at zero, those with only where there is usage. Usage that no entitled rate covers
    yields nothing and moves no tier counter.
    """
    found: list[Charge] = []
    for product in plan.products:
        for grouping in product.groupings:
            _add_charges(found, product, grouping, usage)
    return found


def product_totals(
    plan: RatePlan, usage: UsageBook
) -> dict[tuple[UUID, UUID], tuple[Decimal, Decimal]]:
    """Return {(product id, credit type id): (amount, quantity)}: the sums of the usage lines of the
    same invoice.
    """
    totals: dict[tuple[UUID, UUID], tuple[Decimal, Decimal]] = {}
    for product, _, segment, _, piece in charges(plan, usage):
        key = (product.id, segment.rate.credit_type.id)
        held = totals.get(key)
        totals[key] = (
            (piece.amount, piece.quantity)
            if held is None
            else (EXACT.add(held[0], piece.amount), EXACT.add(held[1], piece.quantity))
        )
    return totals


class Unpriced(NamedTuple):
    """Usage of a product that the card has no entitled rate for, at any time in the period.

    `values`: of the grouping's pricing key, then of its presentation key.
    """

    product: ProductPlan
    grouping: Grouping
    values: GroupValues


def unpriced(plan: RatePlan, usage: UsageBook) -> list[Unpriced]:
    """Return the usage that `charges` passes over for want of a price, so that it can be shown."""
    return [
        Unpriced(product, grouping, values)
        for product in plan.products
        for grouping in product.groupings
        for values, of_stints in _groups(grouping, usage).items()
        if any(
            part is not None and not stint.prices.get(values[: len(grouping.pricing_key)])
            for stint, parts in zip(grouping.stints, of_stints, strict=True)
            for part in parts
        )
    ]


def _add_charges(
    found: list[Charge], product: ProductPlan, grouping: Grouping, usage: UsageBook
) -> None:
    groups = _groups(grouping, usage)
    ordered = sorted(groups, key=_null_first) if len(groups) > 1 else groups
    pricing_keys = len(grouping.pricing_key)
    always_shown = not (grouping.pricing_key or grouping.presentation_key)
    for values in ordered:
        counter = ZERO
        for stint, parts in zip(grouping.stints, groups[values], strict=True):
            segments = stint.prices.get(values[:pricing_keys])
            if not segments:
                continue
            quantities = _cumulative(stint, parts)
            for segment in segments:
                if not always_shown and not any(
                    part is not None for part in parts[segment.first : segment.last]
                ):
                    continue
                before = counter
                counter = EXACT.add(
                    before,
                    EXACT.subtract(quantities[segment.last], quantities[segment.first]),
                )
                for piece in segment.model.pieces(before, counter):
                    found.append(Charge(product, grouping, segment, values, piece))


def _groups(grouping: Grouping, usage: UsageBook) -> dict[GroupValues, list[Parts]]:
    """The parts of each combination of group values: by stint, by segment. Without group keys there
    is one, always.
    """
    groups: dict[GroupValues, list[Parts]] = {}
    if not (grouping.pricing_key or grouping.presentation_key):
        groups[()] = _empty(grouping)
    for index, stint in enumerate(grouping.stints):
        rows = usage.get(stint.metric_id, ())
        if stint.metric.admissions:
            rows = _admitted(stint, rows)
        positions, aggregation = stint.positions, stint.metric.aggregation
        for group_values, segment, part in rows:
            values = tuple([group_values[position] for position in positions])
            of_stints = groups.get(values)
            if of_stints is None:
                of_stints = groups[values] = _empty(grouping)
            parts = of_stints[index]
            held = parts[segment]
            parts[segment] = part if held is None else merge(aggregation, held, part)
    return groups


def _empty(grouping: Grouping) -> list[Parts]:
    return [[None] * (len(stint.metric.cuts) - 1) for stint in grouping.stints]


def _admitted(stint: Stint, rows: Sequence[SegmentUsage]) -> list[SegmentUsage]:
    """The rows that the contract's usage filter, as it is in their segment, lets through."""
    admissions = stint.metric.admissions
    return [
        row
        for row in rows
        if (admission := admissions[row.segment]) is None or admission.admits(row.group_values)
    ]


def _cumulative(stint: Stint, parts: Parts) -> tuple[Decimal, ...]:
    """The priced quantity since the period's start, at each cut."""
    quantities = cumulative_values(stint.metric.aggregation, parts)
    if stint.rule is None:
        return quantities
    return (ZERO, *map(stint.rule, quantities[1:]))


def _null_first(values: GroupValues) -> tuple[tuple[bool, str], ...]:
    return tuple((value is not None, value or "") for value in values)
