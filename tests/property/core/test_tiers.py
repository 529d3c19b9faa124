"""Tier walks are additive, whatever the steps; the counters here move up, down and across bounds."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from tests.property.core.model import price_of_total
from tests.property.core.strategies import quantities, round_quantities, terms

from meterline.core.catalogue import RateTerms
from meterline.core.rating import bands, walk
from meterline.core.rating.models import price_model

counters = st.lists(quantities | round_quantities, min_size=1, max_size=8)
huge = st.decimals(-(10**18), 10**18, places=18)


def amount(chosen: RateTerms, before: Decimal, after: Decimal) -> Fraction:
    return sum(
        (Fraction(piece.amount) for piece in price_model(chosen).pieces(before, after)),
        Fraction(0),
    )


@given(terms(), counters)
def test_any_path_costs_what_its_ends_cost(chosen: RateTerms, path: list[Decimal]) -> None:
    stops = [Decimal(0), *path]
    parts = [amount(chosen, here, there) for here, there in zip(stops, path, strict=False)]
    assert sum(parts) == amount(chosen, Decimal(0), path[-1])


@given(terms(), quantities | round_quantities | huge)
def test_from_zero_the_price_is_the_closed_form(chosen: RateTerms, total: Decimal) -> None:
    assert amount(chosen, Decimal(0), total) == price_of_total(chosen, Fraction(total))


@given(terms(), quantities | huge, quantities | huge)
def test_pieces_cover_the_move_in_order(chosen: RateTerms, before: Decimal, after: Decimal) -> None:
    pieces = price_model(chosen).pieces(before, after)
    assert sum(Fraction(piece.quantity) for piece in pieces) == Fraction(after) - Fraction(before)
    levels = [piece.tier.level for piece in pieces if piece.tier]
    assert levels == sorted(set(levels))
    if before != after:
        assert all((piece.quantity > 0) == (after > before) for piece in pieces)


@given(terms().filter(lambda chosen: bool(chosen.tiers)), counters)
def test_a_path_leaves_in_each_band_what_its_ends_do(
    chosen: RateTerms, path: list[Decimal]
) -> None:
    laid = bands(chosen.tiers)
    along: Counter[int] = Counter()
    stops = [Decimal(0), *path]
    for here, there in zip(stops, path, strict=False):
        for band, quantity in walk(laid, here, there):
            along[band.position.level] += int(quantity * 1000)
    straight = {
        band.position.level: int(quantity * 1000)
        for band, quantity in walk(laid, Decimal(0), path[-1])
    }
    assert {level: net for level, net in along.items() if net} == {
        level: net for level, net in straight.items() if net
    }
