"""What a price model is: it prices the move of a counter, in pieces of one unit price each."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol

from meterline.core.rating.tier_walk import TierPosition


class PieceKind(StrEnum):
    """What a piece's quantity counts: units of usage (or packages of them), entries into a tier, or the money a
    minimum adds and a maximum takes off, at a unit price of 1.
    """

    UNITS = "UNITS"
    TIER_FEE = "TIER_FEE"
    MINIMUM_SPEND = "MINIMUM_SPEND"
    MAXIMUM_SPEND = "MAXIMUM_SPEND"


class Piece(NamedTuple):
    """A quantity at one unit price. `amount` is their exact product, in the rate's credit type."""

    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    tier: TierPosition | None = None
    kind: PieceKind = PieceKind.UNITS


class PriceModel(Protocol):
    """A rate's terms, made ready to price. One file a model; `models.price_model` chooses it."""

    def pieces(self, before: Decimal, after: Decimal) -> list[Piece]:
        """Return the price of moving the period's counter from `before` to `after`, never empty.

        Invariant: the amounts of a to b and b to c add up to those of a to c, and the quantities of UNITS to
        `after` - `before` (PACKAGE: to the packages begun). Pieces may be negative though the counter rises: VOLUME
        takes back what it charged at the tier it left. What a move costs is the sum of its pieces.
        """
