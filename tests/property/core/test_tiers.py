"""Tier walks are additive, whatever the steps; the counters here move up, down and across bounds."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from tests.property.core.model import price_of_total
from tests.property.core.strategies import prices, quantities, round_quantities, scales, terms

from meterline.core.catalogue import CustomModel, RateTerms, Tier
from meterline.core.rating import PieceKind, bands, walk
from meterline.core.rating.models import price_model
from meterline.core.rating.multiplied import multiplied, multiplied_by_tier

counters = st.lists(quantities | round_quantities, min_size=1, max_size=8)
terms_multipliers = st.sampled_from([Decimal(0), Decimal(1), Decimal("0.85")]) | prices
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
    units = [piece for piece in pieces if piece.kind is PieceKind.UNITS]
    if not is_custom(chosen, CustomModel.PACKAGE):
        moved = Fraction(after) - Fraction(before)
        assert sum(Fraction(piece.quantity) for piece in units) == moved
    levels = [piece.tier.level for piece in units if piece.tier]
    assert levels == sorted(set(levels))
    assert [one.tier.level for one in pieces if one.tier] == sorted(
        one.tier.level for one in pieces if one.tier
    )
    for piece in pieces:
        assert Fraction(piece.amount) == Fraction(piece.quantity) * Fraction(piece.unit_price)
    if before != after and not is_custom(chosen, CustomModel.VOLUME, CustomModel.PACKAGE):
        assert all((piece.quantity > 0) == (after > before) for piece in pieces)


def is_custom(chosen: RateTerms, *models: CustomModel) -> bool:
    return chosen.custom is not None and chosen.custom.model in models


@given(terms(), terms_multipliers, counters)
def test_a_multiplied_price_is_the_multiple(
    chosen: RateTerms, multiplier: Decimal, path: list[Decimal]
) -> None:
    for here, there in zip([Decimal(0), *path], path, strict=False):
        once = amount(chosen, here, there)
        assert amount(multiplied(chosen, multiplier), here, there) == once * Fraction(multiplier)


@given(terms(), scales(terms_multipliers), counters)
def test_tiers_of_multipliers_multiply_what_falls_in_each(
    chosen: RateTerms, multipliers: tuple[Tier, ...], path: list[Decimal]
) -> None:
    tiered = multiplied_by_tier(chosen, multipliers)

    def until(total: Decimal) -> Fraction:
        """By first principles: what the counter costs up to each bound, times the multiplier there."""
        whole, lower = Fraction(0), Fraction(0)
        for position, tier in enumerate(multipliers):
            upper = Fraction(total)
            if tier.size is not None:
                upper = min(upper, lower + Fraction(tier.size))
            if position == 0 or upper > lower:
                part = price_of_total(chosen, upper) - price_of_total(chosen, lower)
                whole += part * Fraction(tier.price)
            lower += Fraction(tier.size or 0)
        return whole

    for here, there in zip([Decimal(0), *path], path, strict=False):
        assert amount(tiered, here, there) == until(there) - until(here)


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
