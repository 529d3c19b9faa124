"""PACKAGE: a price for each package of units that is begun."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from meterline.core.decimals import EXACT, ONE
from meterline.core.rating.piece import Piece


@dataclass(frozen=True, slots=True)
class Package:
    """`price` a package of `size` units."""

    price: Decimal
    size: Decimal

    def pieces(self, before: Decimal, after: Decimal) -> list[Piece]:
        """Return one piece: the packages that the move begins, or gives back. Most small moves begin none."""
        packages = EXACT.subtract(self._begun(after), self._begun(before))
        return [Piece(packages, self.price, EXACT.multiply(packages, self.price))]

    def _begun(self, counter: Decimal) -> Decimal:
        """The packages begun at `counter`. Odd, so that a correction undoes exactly what it corrects."""
        whole = EXACT.divide_int(counter, self.size)
        if EXACT.remainder(counter, self.size):
            whole = EXACT.add(whole, ONE.copy_sign(counter))
        return whole
