"""VOLUME: all units of the period at the price of the tier that the counter has reached.

A counter that reaches another tier re-prices what it had counted: the move takes those units back at the old tier's
price and charges all at the new one's, each in its own piece, so that quantities and amounts are those of
V(after) - V(before). A tier's flat fee is the one of the tier reached, alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from meterline.core.decimals import EXACT, ONE, ZERO
from meterline.core.rating.piece import Piece
from meterline.core.rating.tier_fees import fee_piece
from meterline.core.rating.tier_walk import MINUS_ONE, Band, Step, band_at


@dataclass(frozen=True, slots=True)
class Volume:
    """Tiers laid on the counter, of which one acts."""

    laid: tuple[Band, ...]

    def pieces(self, before: Decimal, after: Decimal) -> list[Piece]:
        """Return one piece, or one for each of the two tiers; and their fees."""
        left, reached = band_at(self.laid, before), band_at(self.laid, after)
        if left is reached:
            found = [_units(EXACT.subtract(after, before), reached)]
            if (before > ZERO) == (after > ZERO):
                return found
        else:
            found = [_units(after, reached)]
            if before:
                found.append(_units(before.copy_negate(), left))
        if before > ZERO and left.flat_fee:
            found.append(fee_piece(Step(left, MINUS_ONE)))
        if after > ZERO and reached.flat_fee:
            found.append(fee_piece(Step(reached, ONE)))
        return sorted(found, key=_level)


def _units(quantity: Decimal, band: Band) -> Piece:
    return Piece(quantity, band.price, EXACT.multiply(quantity, band.price), band.position)


def _level(piece: Piece) -> int:
    assert piece.tier is not None, "a volume price is a tier's"
    return piece.tier.level
