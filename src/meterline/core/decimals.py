"""Exact decimal arithmetic: the one context every quantity and amount is computed in.

Python's operators round silently to the thread's context (28 digits), so the core calls the methods
of `EXACT` instead. `EXACT` raises where a result would lose a digit. 160 digits hold the largest
product we form: a period's quantity (27 + 18 digits: a thousand million events of 18 + 18) times a
conversion factor and a price (20 + 18 digits each) is 121 digits long, and a sum of a million such
lines six more. Source: docs/decisions/0001-exact-decimals.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import (
    ROUND_HALF_EVEN,
    Clamped,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
    Underflow,
)

from meterline.core.errors import Issue

EXACT_DIGITS = 160
EXACT = Context(
    prec=EXACT_DIGITS,
    rounding=ROUND_HALF_EVEN,
    traps=[
        Clamped,
        DivisionByZero,
        FloatOperation,
        Inexact,
        InvalidOperation,
        Overflow,
        Underflow,
    ],
)

ZERO = Decimal(0)
ONE = Decimal(1)

# Bounds of a price, a tier's size or a factor that a caller may set; they make `EXACT` wide enough.
INTEGER_DIGITS_MAX = 20
DECIMAL_PLACES_MAX = 18


def total(terms: Iterable[Decimal]) -> Decimal:
    """Return the exact sum of `terms`, 0 for none. (`sum` would round to the thread's context.)"""
    result = ZERO
    for term in terms:
        result = EXACT.add(result, term)
    return result


def plain(number: Decimal) -> Decimal:
    """Return `number` in its shortest exact form: no trailing zeros, no positive exponent, no -0.

    Raises decimal.Inexact beyond `EXACT_DIGITS` digits, rather than lose one.
    """
    # Adding 0 writes out a positive exponent: 1E+3 becomes 1000.
    return EXACT.add(EXACT.normalize(number), ZERO)


def decimal_issues(field: str, number: Decimal, *, negative: bool = False) -> list[Issue]:
    """Return what is wrong with a decimal a caller set: not finite, negative, or too many digits.

    `negative`: whether values below zero are allowed.
    """
    if not number.is_finite():
        return [Issue(field, "must be a finite number")]
    if number < 0 and not negative:
        return [Issue(field, "must not be negative")]
    if number and number.adjusted() >= INTEGER_DIGITS_MAX:
        return [Issue(field, f"must have at most {INTEGER_DIGITS_MAX} digits before the point")]
    exponent = (
        number.normalize(Context(prec=max(1, len(number.as_tuple().digits)))).as_tuple().exponent
    )
    assert isinstance(exponent, int)
    if exponent < -DECIMAL_PLACES_MAX:
        return [Issue(field, f"must have at most {DECIMAL_PLACES_MAX} digits after the point")]
    return []
