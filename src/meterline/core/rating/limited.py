"""The walk of counters whose rates limit what a period may cost.

A limit is no property of a single price, for one counter may be charged at several in a period. So the walk keeps what
the counter's units cost before each move, without any limit. A maximum is that of the rate a move is charged at
(`spend_limits.Capped`). A minimum is that of the last rate sold in the period, and what is short of it is one more
move, at the end, of money instead of units. # invariant: cutting a plan finer changes neither. Source:
docs/decisions/0008-price-models-and-overrides.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from meterline.core.decimals import EXACT, ZERO
from meterline.core.rating.plan import Grouping, PriceSegment
from meterline.core.rating.spend_limits import Shortfall, Spent, amount_of, minimum_spend
from meterline.core.usage import GroupValues

# As charges.moves has them, without product and grouping: group values, segment, counter before and after.
CounterMove = tuple[GroupValues, PriceSegment, Decimal, Decimal]


def limited(grouping: Grouping, moves: Iterable[CounterMove]) -> Iterator[CounterMove]:
    """Yield the moves of a grouping's counters, each counter's together, with their limits, and what is short of a
    minimum.
    """
    for values, of_counter in groupby(moves, key=itemgetter(0)):
        spent: dict[UUID, Decimal] = {}
        charged: dict[UUID, Decimal] = {}
        for _, segment, before, after in of_counter:
            unit = segment.rate.credit_type.id
            so_far = spent.get(unit, ZERO)
            move = replace(segment, spent=Spent(before, so_far))
            pieces = move.list_model(values).pieces(before, after)
            unlimited = segment.acting(values).model.pieces(before, after)
            spent[unit] = EXACT.add(so_far, amount_of(unlimited))
            charged[unit] = EXACT.add(charged.get(unit, ZERO), amount_of(pieces))
            yield values, move, before, after
        yield from _short_of_minimum(grouping, values, charged)


def _short_of_minimum(
    grouping: Grouping, values: GroupValues, charged: dict[UUID, Decimal]
) -> Iterator[CounterMove]:
    last = _last_sold(grouping, values[: len(grouping.pricing_key)])
    if last is None:
        return
    price = last.acting(values)
    minimum = minimum_spend(price.rate.terms)
    amount = charged.get(price.rate.credit_type.id, ZERO)
    if minimum is not None and minimum > amount:
        segment = PriceSegment(
            last.period,
            last.first,
            last.last,
            price.rate,
            Shortfall(),
            last.listed,
            price.override,
        )
        yield values, segment, ZERO, EXACT.subtract(minimum, amount)


def _last_sold(grouping: Grouping, pricing_values: GroupValues) -> PriceSegment | None:
    for stint in reversed(grouping.stints):
        segments = stint.prices.get(pricing_values)
        if segments:
            return segments[-1]
    return None
