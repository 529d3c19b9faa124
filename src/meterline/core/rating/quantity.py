"""From a metric's quantity to the quantity that is priced: conversion, then rounding, in one exact
step.

Both apply to the quantity since the start of the billing period, never to a window's own, so that
the windows of a period add up to the period whatever is rounded. A quotient that is rounded is
rounded once, from its exact value; one that is not is kept to `QUOTIENT_PLACES` places. Source:
docs/decisions/0005-quantity-conversion-and-rounding.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, Inexact

from meterline.core.catalogue import (
    Operation,
    QuantityConversion,
    QuantityRounding,
    RoundingMethod,
)
from meterline.core.decimals import DECIMAL_PLACES_MAX, EXACT, ONE, ZERO

# A quantity of 18 places divided by a power of ten of up to 18 digits is exact in 36; the rest is
# rounded half-even there, which changes an amount by less than 1e-16 of any unit at the highest
# price that can be set.
QUOTIENT_PLACES = 36


@dataclass(frozen=True, slots=True)
class QuantityRule:
    """quantity x multiplier / divisor, rounded by `rounding` (None: not rounded)."""

    multiplier: Decimal
    divisor: Decimal
    rounding: QuantityRounding | None

    def __call__(self, quantity: Decimal) -> Decimal:
        """Return the priced quantity. Odd: rule(-q) == -rule(q). Monotone. rule(0) == 0."""
        dividend = EXACT.multiply(quantity, self.multiplier)
        if self.rounding is None and self.divisor == ONE:
            return dividend
        places = QUOTIENT_PLACES if self.rounding is None else self.rounding.decimal_places
        scaled = EXACT.scaleb(dividend, places)
        whole = EXACT.divide_int(scaled, self.divisor)
        rest = EXACT.remainder(scaled, self.divisor)
        if rest and self._goes_away_from_zero(whole, EXACT.abs(rest)):
            whole = EXACT.add(whole, ONE.copy_sign(dividend))
        return EXACT.scaleb(whole, -places)

    def _goes_away_from_zero(self, whole: Decimal, rest: Decimal) -> bool:
        """Whether a quotient with `rest` left over (of one divisor) rounds to the digit after
        `whole`.
        """
        twice = EXACT.add(rest, rest)
        if self.rounding is None:
            if twice == self.divisor:
                return EXACT.remainder(whole, Decimal(2)) != ZERO
            return twice > self.divisor
        match self.rounding.rounding_method:
            case RoundingMethod.ROUND_UP:
                return True
            case RoundingMethod.ROUND_DOWN:
                return False
            case RoundingMethod.ROUND_HALF_UP:
                return twice >= self.divisor


def quantity_rule(
    conversion: QuantityConversion | None, rounding: QuantityRounding | None
) -> QuantityRule | None:
    """Return the rule of a product, None when quantities are priced as they are."""
    if conversion is None:
        return None if rounding is None else QuantityRule(ONE, ONE, rounding)
    factor = conversion.conversion_factor
    if conversion.operation is Operation.MULTIPLY:
        return QuantityRule(factor, ONE, rounding)
    reciprocal = _short_reciprocal(factor)
    if reciprocal is not None:
        return QuantityRule(reciprocal, ONE, rounding)
    return QuantityRule(ONE, factor, rounding)


def _short_reciprocal(factor: Decimal) -> Decimal | None:
    """Return 1 / `factor` if it is exact in 18 places, as for a million: multiplying is quicker.

    The product then has at most `QUOTIENT_PLACES`, so it is the quotient the division would give.
    """
    try:
        reciprocal = EXACT.divide(ONE, factor)
        return EXACT.quantize(reciprocal, Decimal(1).scaleb(-DECIMAL_PLACES_MAX)).normalize(EXACT)
    except Inexact:
        return None
