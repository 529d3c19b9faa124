"""Rates one customer's usage of a period against a compiled plan. Invoice lines and spend both come
from `charges`.

For each product and combination of its group values the metric's parts are merged, turned into
quantities since the period's start, converted and rounded there, and cut at the rate changes; each
cut piece then moves the combination's tier counter, which starts at zero with the period and runs
on across rate changes. # invariant: the sum of a product's charges is the same however the usage
rows are ordered or split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple
from uuid import UUID

from meterline.core.decimals import EXACT, ZERO
from meterline.core.money import CreditType
from meterline.core.rating.limited import CounterMove, limited
from meterline.core.rating.piece import Piece, PieceKind
from meterline.core.rating.plan import Grouping, PriceSegment, ProductPlan, RatePlan, Stint
from meterline.core.usage import (
    GroupValues,
    Part,
    UsageBook,
    UsageRow,
    cumulative_values,
    merge,
)

Parts = list[Part | None]

UNITS = PieceKind.UNITS  # a global: one look-up less a piece


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
    return [
        Charge(product, grouping, segment, values, piece)
        for product in plan.products
        for grouping in product.groupings
        for values, segment, before, after in _moves(grouping, usage, in_order=True)
        for piece in segment.list_model(values).pieces(before, after)
    ]


class Move(NamedTuple):
    """A move of the tier counter of one combination of group values, under one price: what is priced, and what grants
    pay for. `values`: of the grouping's pricing key, then of its presentation key.
    """

    product: ProductPlan
    grouping: Grouping
    segment: PriceSegment
    values: GroupValues
    before: Decimal
    after: Decimal


def moves(plan: RatePlan, usage: UsageBook) -> Iterator[Move]:
    """Yield what one customer's `usage` moves, in the order of invoice lines: by product, group values (null first)
    and start.
    """
    for product in plan.products:
        for grouping in product.groupings:
            for values, segment, before, after in _moves(grouping, usage, in_order=True):
                yield Move(product, grouping, segment, values, before, after)


def product_totals(
    plan: RatePlan, usage: UsageBook
) -> dict[tuple[UUID, UUID], tuple[Decimal, Decimal]]:
    """Return {(product id, credit type id): (amount, quantity)}: the sums of the usage lines of the
    same invoice, quantities of those that count units.
    """
    add = EXACT.add
    totals: dict[tuple[UUID, UUID], tuple[Decimal, Decimal]] = {}
    for product in plan.products:
        # By unit rather than by key: a product has one, and hashing two ids a line would cost more
        # than the sums.
        unit: CreditType | None = None
        amount = quantity = ZERO
        for grouping in product.groupings:
            for values, segment, before, after in _moves(grouping, usage, in_order=False):
                if segment.rate.credit_type is not unit:
                    if unit is not None:
                        totals[product.id, unit.id] = amount, quantity
                    unit = segment.rate.credit_type
                    amount, quantity = totals.get((product.id, unit.id), (ZERO, ZERO))
                model = segment.model if segment.is_plain else segment.list_model(values)
                for count, _, cost, _, kind in model.pieces(before, after):
                    amount = add(amount, cost)
                    if kind is UNITS:
                        quantity = add(quantity, count)
        if unit is not None:
            totals[product.id, unit.id] = amount, quantity
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


def _moves(grouping: Grouping, usage: UsageBook, *, in_order: bool) -> Iterator[CounterMove]:
    """Yield what is priced of a grouping: plain tuples, as there is one a line and customer."""
    found = _counter_moves(grouping, usage, in_order=in_order)
    return limited(grouping, found) if grouping.is_limited else found


def _counter_moves(
    grouping: Grouping, usage: UsageBook, *, in_order: bool
) -> Iterator[CounterMove]:
    """Yield the moves of every counter of a grouping; by group values, null first, if `in_order`.

    The moves of one counter always come in order of time.
    """
    groups = _groups(grouping, usage)
    keys: Iterable[GroupValues] = groups
    if in_order and len(groups) > 1:
        keys = sorted(groups, key=_null_first)
    pricing_keys = len(grouping.pricing_key)
    always_shown = not (grouping.pricing_key or grouping.presentation_key)
    for values in keys:
        counter = ZERO
        for stint, parts in zip(grouping.stints, groups[values], strict=True):
            segments = stint.prices.get(values[:pricing_keys])
            if not segments:
                continue
            quantities = _cumulative(stint, parts)
            for segment in segments:
                first, last = segment.first, segment.last
                if not always_shown and parts[first:last].count(None) == last - first:
                    continue
                before, counter = counter, quantities[last]
                # Most counters start with the period, at zero, where there is nothing to add.
                if first or before is not ZERO:
                    counter = EXACT.add(before, EXACT.subtract(counter, quantities[first]))
                yield values, segment, before, counter


def _groups(grouping: Grouping, usage: UsageBook) -> dict[GroupValues, list[Parts]]:
    """The parts of each combination of group values: by stint, by segment. Without group keys there
    is one, always.
    """
    groups: dict[GroupValues, list[Parts]] = {}
    lengths = [len(stint.metric.cuts) - 1 for stint in grouping.stints]
    if not (grouping.pricing_key or grouping.presentation_key):
        groups[()] = [[None] * length for length in lengths]
    for index, stint in enumerate(grouping.stints):
        rows = usage.get(stint.metric_id, ())
        if stint.metric.admissions:
            rows = _admitted(stint, rows)
        choose, aggregation = _chooser(stint.positions), stint.metric.aggregation
        for group_values, segment, part in rows:
            values = choose(group_values)
            of_stints = groups.get(values)
            if of_stints is None:
                of_stints = groups[values] = [[None] * length for length in lengths]
            parts = of_stints[index]
            held = parts[segment]
            parts[segment] = part if held is None else merge(aggregation, held, part)
    return groups


@lru_cache(maxsize=1_000)
def _chooser(positions: tuple[int, ...]) -> Callable[[GroupValues], GroupValues]:
    """Return a function that takes the values at `positions`, as this runs once a row of usage."""
    if not positions:
        return lambda _: ()
    if len(positions) == 1:
        (position,) = positions
        return lambda values: (values[position],)
    return itemgetter(*positions)


def _admitted(stint: Stint, rows: Sequence[UsageRow]) -> list[UsageRow]:
    """The rows that the contract's usage filter, as it is in their segment, lets through."""
    admissions = stint.metric.admissions
    return [
        row for row in rows if (admission := admissions[row[1]]) is None or admission.admits(row[0])
    ]


def _cumulative(stint: Stint, parts: Parts) -> tuple[Decimal, ...]:
    """The priced quantity since the period's start, at each cut."""
    quantities = cumulative_values(stint.metric.aggregation, parts)
    if stint.rule is None:
        return quantities
    return (ZERO, *map(stint.rule, quantities[1:]))


def _null_first(values: GroupValues) -> tuple[tuple[bool, str], ...]:
    return tuple((value is not None, value or "") for value in values)
