"""What usage costs: the price in force, and what a counter's way from one value to another comes to."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from tests.model.terms import Contract, Hour, Override, Price, Product, Rate

ZERO = Fraction(0)


class Piece(NamedTuple):
    """So much at one price each."""

    quantity: Fraction
    unit_price: Fraction

    @property
    def amount(self) -> Fraction:
        return self.quantity * self.unit_price


class InForce(NamedTuple):
    """The price of an hour, and the price while a commit of the commit rate pays (None: the same)."""

    price: Price
    commit_price: Fraction | None


def price_at(
    rates: Iterable[Rate], contract: Contract, product: Product, region: str | None, hour: Hour
) -> InForce | None:
    """The price of a product in an hour under a contract; None when it is not sold.

    The latest rate to start, of equals the last added. An overwrite goes before a multiplier, the last overwrite before
    others, the lowest multiplier before others; they never stack.
    """
    listed = None
    for rate in rates:
        of_this = rate.product == product.name and rate.region == region
        if of_this and rate.since <= hour and (listed is None or rate.since >= listed.since):
            listed = rate
    if listed is None or not listed.sold:
        return None
    acting = [one for one in contract.overrides if _acts(one, product.name, region, hour)]
    overwrites = [one.price for one in acting if one.price is not None]
    if overwrites:
        return InForce(overwrites[-1], listed.commit_price)
    multipliers = [one.multiplier for one in acting if one.multiplier is not None]
    factor = min(multipliers, default=Fraction(1))
    return InForce(listed.price.times(factor), listed.commit_price)


def _acts(override: Override, product: str, region: str | None, hour: Hour) -> bool:
    if override.product is not None and override.product != product:
        return False
    if override.region is not None and override.region != region:
        return False
    return override.since <= hour and (override.until is None or hour < override.until)


def cost(price: Price, count: Fraction) -> Fraction:
    """What `count` units of a period cost under one price."""
    if price.kind == "PACKAGE":
        assert price.size is not None
        return ceil(count / price.size) * price.tiers[0][0]
    if price.kind == "VOLUME":
        upper = ZERO
        for each, size in price.tiers:
            if size is None or count <= upper + size:
                return count * each
            upper += size
    return sum((piece.amount for piece in graduated(price, ZERO, count)), ZERO)


def graduated(price: Price, before: Fraction, after: Fraction) -> list[Piece]:
    """The units from `before` to `after`, each at the price of its tier. A tier owns its upper bound."""
    pieces = []
    lower = ZERO
    for each, size in price.tiers:
        upper = after if size is None else lower + size
        inside = min(after, upper) - max(before, lower)
        if inside > 0:
            pieces.append(Piece(inside, each))
        lower = upper
    return pieces
