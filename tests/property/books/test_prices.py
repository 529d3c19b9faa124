"""Prices by the model and by the platform: what a counter's way costs, in however many steps it goes."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.model.prices import cost
from tests.model.terms import Price
from tests.property.books.core_books import price_terms

from meterline.core.rating.models import price_model

each = st.decimals(0, 50, places=4).map(Fraction)
size = st.decimals("0.001", 80, places=3).map(Fraction)
counters = st.decimals(0, 500, places=3) | st.sampled_from([Decimal(n) for n in (0, 1, 5, 10, 80)])


@st.composite
def any_price(draw: st.DrawFn) -> Price:
    kind = draw(st.sampled_from(["FLAT", "TIERED", "VOLUME", "PACKAGE"]))
    if kind in ("FLAT", "PACKAGE"):
        return Price(kind, ((draw(each), None),), draw(size) if kind == "PACKAGE" else None)
    tiers = [(draw(each), draw(size)) for _ in range(draw(st.integers(0, 3)))]
    return Price(kind, (*tiers, (draw(each), None)))


def amount(price: Price, before: Decimal, after: Decimal) -> Decimal:
    pieces = price_model(price_terms(price)).pieces(before, after)
    return sum((piece.amount for piece in pieces), Decimal(0))


@settings(max_examples=200, derandomize=True)
@given(any_price(), st.lists(counters, min_size=2, max_size=6))
def test_splits_add_up_and_the_whole_is_what_the_model_says(
    price: Price, stops: list[Decimal]
) -> None:
    way = [Decimal(0), *sorted(stops)]
    whole = amount(price, way[0], way[-1])
    assert sum(amount(price, *step) for step in pairwise(way)) == whole
    assert Fraction(whole) == cost(price, Fraction(way[-1]))


@settings(max_examples=100, derandomize=True)
@given(any_price(), counters, counters)
def test_going_back_gives_back(price: Price, low: Decimal, high: Decimal) -> None:
    assert amount(price, low, high) == -amount(price, high, low)
