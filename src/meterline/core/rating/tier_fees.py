"""TIERED with fees: graduated tiers, each with a flat fee once the counter has entered it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from meterline.core.decimals import EXACT
from meterline.core.rating.piece import Piece, PieceKind
from meterline.core.rating.tier_walk import Band, Step, entries, walk


@dataclass(frozen=True, slots=True)
class TieredWithFees:
    """Tiers laid on the counter, some with a fee."""

    laid: tuple[Band, ...]

    def pieces(self, before: Decimal, after: Decimal) -> list[Piece]:
        """Return for each tier touched, lowest first, the fee if it was entered or left, and the units."""
        entered = {step.band.position.level: step for step in entries(self.laid, before, after)}
        found = []
        for band, quantity in walk(self.laid, before, after):
            entry = entered.get(band.position.level)
            if entry is not None and band.flat_fee:
                found.append(fee_piece(entry))
            found.append(
                Piece(quantity, band.price, EXACT.multiply(quantity, band.price), band.position)
            )
        return found


def fee_piece(entry: Step) -> Piece:
    """Return the fee of a tier that was entered (or given back, as it was left)."""
    band, times = entry
    amount = EXACT.multiply(times, band.flat_fee)
    return Piece(times, band.flat_fee, amount, band.position, PieceKind.TIER_FEE)
