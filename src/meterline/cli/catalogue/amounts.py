"""Money and times as people write them, in the measures the API takes.

`usd` is dollars, which the API counts in cents; other currencies and custom units are counted in wholes. Everything is
exact: a price that has no end as a decimal, such as 1 dollar for 3 units, is refused rather than rounded.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation

from meterline.core.decimals import EXACT, plain
from meterline.core.money import FIAT, USD_CENTS, CreditType

CENTS_A_DOLLAR = Decimal(100)
HUNDRED = Decimal(100)
DOLLARS = "USD"

# Prices a unit must end within as many digits as the API takes; more would only be refused later.
_DIVISION = Context(prec=60, traps=[Inexact, InvalidOperation, DivisionByZero])

CURRENCIES: dict[str, CreditType] = {DOLLARS: USD_CENTS} | {one.name: one for one in FIAT}


class Wrong(ValueError):
    """Why something written in a file is not an amount or an instant."""


def measured(amount: Decimal, unit: str) -> Decimal:
    """Return `amount` of a currency or custom unit in its measure: dollars in cents, others as they are."""
    if not amount.is_finite():
        raise Wrong("must be a finite number")
    return plain(EXACT.multiply(amount, CENTS_A_DOLLAR) if unit == DOLLARS else amount)


def a_unit(amount: Decimal, per: Decimal) -> Decimal:
    """Return the price of one unit where `amount` is that of `per` units. Raises Wrong unless it is exact."""
    if not per.is_finite() or per <= 0:
        raise Wrong("`per` must be a number greater than zero")
    try:
        return plain(_DIVISION.divide(amount, per))
    except Inexact:
        raise Wrong(f"{amount} for {per} units is not an exact price a unit") from None


def fraction(percent: Decimal) -> Decimal:
    """Return a percentage as the API takes it: 2.9 % is 0.029."""
    if not percent.is_finite():
        raise Wrong("must be a finite number")
    return plain(EXACT.divide(percent, HUNDRED))


def instant(text: str) -> datetime:
    """Return the instant of an RFC 3339 timestamp, or the first one of a date in UTC. Raises Wrong."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Wrong(f"{text!r} is not a date or an RFC 3339 timestamp") from None
    if len(text) == len("2026-01-01"):
        return at.replace(tzinfo=UTC)
    if at.tzinfo is None:
        raise Wrong(f"{text!r} lacks an offset from UTC, such as Z")
    return at.astimezone(UTC)


def timestamp(at: datetime) -> str:
    """Return an instant as the API takes it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
