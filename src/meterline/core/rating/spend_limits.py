"""Minimum and maximum spend as price models: what the units of one counter cost in a period, raised or cut.

`limited` applies them, for it knows what came before in the period.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from meterline.core.catalogue import RateTerms
from meterline.core.decimals import EXACT, ONE, ZERO, total
from meterline.core.rating.piece import Piece, PieceKind, PriceModel


@dataclass(frozen=True, slots=True)
class Spent:
    """What a counter's units had cost in the period, without any limit, when it stood at `counter`."""

    counter: Decimal = ZERO
    amount: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Capped:
    """`inner`, with what goes beyond `maximum` taken off."""

    inner: PriceModel
    maximum: Decimal
    spent: Spent

    def pieces(self, before: Decimal, after: Decimal) -> list[Piece]:
        """Return the inner model's pieces, and a negative one for what of them is beyond the maximum."""
        found = self.inner.pieces(before, after)
        was = self.spent.amount
        if before != self.spent.counter:
            was = EXACT.add(was, amount_of(self.inner.pieces(self.spent.counter, before)))
        now = EXACT.add(was, amount_of(found))
        back = EXACT.subtract(self._beyond(was), self._beyond(now))
        if back:
            found = [*found, Piece(back, ONE, back, None, PieceKind.MAXIMUM_SPEND)]
        return found

    def _beyond(self, amount: Decimal) -> Decimal:
        return EXACT.subtract(amount, self.maximum) if amount > self.maximum else ZERO


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What is short of a minimum: the counter is money, and each unit of it costs 1."""

    def pieces(self, before: Decimal, after: Decimal) -> list[Piece]:
        """Return one piece."""
        amount = EXACT.subtract(after, before)
        return [Piece(amount, ONE, amount, None, PieceKind.MINIMUM_SPEND)]


def minimum_spend(terms: RateTerms) -> Decimal | None:
    """Return what a period costs at least under `terms`, None for no minimum."""
    return None if terms.custom is None else terms.custom.minimum_spend


def maximum_spend(terms: RateTerms) -> Decimal | None:
    """Return what a period costs at most under `terms`, None for no maximum."""
    return None if terms.custom is None else terms.custom.maximum_spend


def amount_of(pieces: list[Piece]) -> Decimal:
    """Return what a move costs."""
    return total(piece.amount for piece in pieces)
