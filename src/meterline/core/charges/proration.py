"""Proration: the price of a part of a billing cycle, by time, exact.

A price is laid evenly on the cycle, and a part costs the difference of its two ends: price x (end - start) / length.
Where that does not end, the two ends are rounded half-even at `SHARE_PLACES` places, so that
# invariant: the parts that tile a cycle cost, to the last digit, what the cycle does.
A contract's own rounding acts on the part's exact price instead, once. Source:
docs/decisions/0011-charges-beside-usage.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from meterline.core.contract.subscription import FiatRounding, ProrationRounding
from meterline.core.decimals import DECIMAL_PLACES_MAX, EXACT, ONE, ZERO, plain
from meterline.core.period import HOUR, Period
from meterline.core.rating.piece import Piece, PriceModel

# As many places as a price that a caller sets may have.
SHARE_PLACES = DECIMAL_PLACES_MAX


def prorated(
    price: Decimal, part: Period, whole: Period, rounding: ProrationRounding | None = None
) -> Decimal:
    """Return what `part` of `whole` costs at `price` for all of it. `part` lies within `whole`.

    Periods are of whole hours, so by the hour is by the second.
    """
    assert whole.start <= part.start < part.end <= whole.end, "a part lies within the whole"
    if rounding is not None:
        dividend = EXACT.multiply(price, _hours(part.start, part.end))
        return _rounded_quotient(dividend, _hours(whole.start, whole.end), rounding)
    return plain(EXACT.subtract(_until(part.end, price, whole), _until(part.start, price, whole)))


def _hours(start: datetime, end: datetime) -> Decimal:
    return Decimal((end - start) // HOUR)


def _until(instant: datetime, price: Decimal, whole: Period) -> Decimal:
    """What `whole` has cost up to `instant`."""
    if instant == whole.end:
        return price
    dividend = EXACT.multiply(price, _hours(whole.start, instant))
    return _half_even_quotient(dividend, _hours(whole.start, whole.end))


def _half_even_quotient(dividend: Decimal, divisor: Decimal) -> Decimal:
    quotient, rest = _scaled_division(dividend, divisor, SHARE_PLACES)
    twice = EXACT.multiply(Decimal(2), EXACT.abs(rest))
    odd = EXACT.remainder(quotient, Decimal(2)) != ZERO
    if twice > divisor or (twice == divisor and odd):
        quotient = EXACT.add(quotient, ONE.copy_sign(dividend))
    return EXACT.scaleb(quotient, -SHARE_PLACES)


def _rounded_quotient(dividend: Decimal, divisor: Decimal, rounding: ProrationRounding) -> Decimal:
    """`dividend` / `divisor`, rounded once, from its exact value."""
    quotient, rest = _scaled_division(dividend, divisor, rounding.decimal_places)
    if rest:
        match rounding.rounding_method:
            case FiatRounding.HALF_UP:
                away = EXACT.multiply(Decimal(2), EXACT.abs(rest)) >= divisor
            case FiatRounding.FLOOR:
                away = rest < 0
            case FiatRounding.CEILING:
                away = rest > 0
        if away:
            quotient = EXACT.add(quotient, ONE.copy_sign(dividend))
    return plain(EXACT.scaleb(quotient, -rounding.decimal_places))


def _scaled_division(dividend: Decimal, divisor: Decimal, places: int) -> tuple[Decimal, Decimal]:
    """The quotient in units of the last of `places` places, cut towards zero, and what is left over."""
    scaled = EXACT.scaleb(dividend, places)
    return EXACT.divide_int(scaled, divisor), EXACT.remainder(scaled, divisor)


@dataclass(frozen=True, slots=True)
class Prorated:
    """A price model whose unit prices are for `part` of `whole` only."""

    model: PriceModel
    part: Period
    whole: Period
    rounding: ProrationRounding | None = None

    def pieces(self, before: Decimal, after: Decimal) -> list[Piece]:
        """Return the model's pieces, at prorated unit prices."""
        return [self._prorated(piece) for piece in self.model.pieces(before, after)]

    def _prorated(self, piece: Piece) -> Piece:
        unit_price = prorated(piece.unit_price, self.part, self.whole, self.rounding)
        return piece._replace(
            unit_price=unit_price, amount=EXACT.multiply(piece.quantity, unit_price)
        )
