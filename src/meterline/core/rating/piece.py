"""What a price model is: it prices the move of a counter, in pieces of one unit price each."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple, Protocol

from meterline.core.rating.tier_walk import TierPosition


class Piece(NamedTuple):
    """A quantity at one unit price. `amount` is their exact product, in the rate's credit type."""

    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    tier: TierPosition | None = None


class PriceModel(Protocol):
    """A rate's terms, made ready to price. One file a model; `models.price_model` chooses it."""

    def pieces(self, before: Decimal, after: Decimal) -> list[Piece]:
        """Return the price of moving the period's counter from `before` to `after`, never empty.

        Invariant: quantities add up to `after` - `before`, and the amounts of a to b and b to c to
        those of a to c.
        """
