"""TIERED, graduated: each unit at the price of the tier it falls in."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from meterline.core.decimals import EXACT
from meterline.core.rating.piece import Piece
from meterline.core.rating.tier_walk import Band, walk


@dataclass(frozen=True, slots=True)
class Tiered:
    """Tiers laid on the counter."""

    laid: tuple[Band, ...]

    def pieces(self, before: Decimal, after: Decimal) -> list[Piece]:
        """Return a piece for each tier touched, lowest first."""
        return [
            Piece(quantity, band.price, EXACT.multiply(quantity, band.price), band.position)
            for band, quantity in walk(self.laid, before, after)
        ]
