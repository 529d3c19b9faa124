"""A TIERED override on a price that is no simple scale: the part of the counter in each tier costs a multiple.

Scales of FLAT and TIERED prices are multiplied as terms (`multiplied.multiplied_by_tier`) and need none of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from meterline.core.decimals import EXACT
from meterline.core.rating.piece import Piece, PriceModel
from meterline.core.rating.tier_walk import Band, walk


@dataclass(frozen=True, slots=True)
class TieredMultiplier:
    """`inner`, times the price of the band (a multiplier) that a unit falls in."""

    laid: tuple[Band, ...]
    inner: PriceModel

    def pieces(self, before: Decimal, after: Decimal) -> list[Piece]:
        """Return the inner model's pieces of each band touched, lowest first."""
        rises = after >= before
        low = before if rises else after
        found = []
        for band, quantity in walk(self.laid, before, after):
            high = EXACT.add(low, EXACT.abs(quantity))
            inner = self.inner.pieces(low, high) if rises else self.inner.pieces(high, low)
            found += [_times(piece, band.price) for piece in inner]
            low = high
        return found


def _times(piece: Piece, multiplier: Decimal) -> Piece:
    unit_price = EXACT.multiply(piece.unit_price, multiplier)
    return piece._replace(unit_price=unit_price, amount=EXACT.multiply(piece.quantity, unit_price))
