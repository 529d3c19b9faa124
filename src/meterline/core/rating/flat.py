"""FLAT: every unit at the same price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from meterline.core.decimals import EXACT
from meterline.core.rating.piece import Piece


@dataclass(frozen=True, slots=True)
class Flat:
    """`price` a unit."""

    price: Decimal

    def pieces(self, before: Decimal, after: Decimal) -> list[Piece]:
        """Return one piece."""
        quantity = EXACT.subtract(after, before) if before else after
        return [Piece(quantity, self.price, EXACT.multiply(quantity, self.price))]
