"""The tier walk: where a move of a counter falls among tiers. Amounts, invoice lines, previews and
explanations all come from here, so that they cannot disagree.

A band owns the counter values lower < c <= upper: the thousandth unit still belongs to a first tier
of size 1,000. The first band also owns zero and everything below it, so corrections that take a
counter under zero are priced as the first units are.

A counter enters a band when it rises above where the band starts; fees of tiers are charged then, and given back when
it falls out again.

# invariant: a walk from a to b and one from b to c cover the same quantities by band as one from a
to c, up or down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from meterline.core.catalogue import Tier
from meterline.core.decimals import EXACT, ONE, ZERO

MINUS_ONE = ONE.copy_negate()


class TierPosition(NamedTuple):
    """A tier's place in its scale: `level` from 1, the counter where it starts, its size (None: no
    end).
    """

    level: int
    starting_at: Decimal
    size: Decimal | None


@dataclass(frozen=True, slots=True)
class Band:
    """A tier laid on the counter: starting_at < c <= upper (None: no end), each unit at `price`.

    `flat_fee`: charged once for the tier, by the models that know fees.
    """

    position: TierPosition
    upper: Decimal | None
    price: Decimal
    flat_fee: Decimal = ZERO


class Step(NamedTuple):
    """The signed quantity of a walk that falls in `band`."""

    band: Band
    quantity: Decimal


def bands(tiers: Sequence[Tier]) -> tuple[Band, ...]:
    """Return `tiers` laid end to end from zero. Only the last has no size, which `terms_issues`
    checks.
    """
    assert tiers, "a tiered rate has tiers"
    assert tiers[-1].size is None, "the last tier has no end"
    laid = []
    lower = ZERO
    for level, tier in enumerate(tiers, start=1):
        upper = None if tier.size is None else EXACT.add(lower, tier.size)
        laid.append(Band(TierPosition(level, lower, tier.size), upper, tier.price, tier.flat_fee))
        if upper is not None:
            lower = upper
    assert sum(band.upper is None for band in laid) == 1, "only the last tier has no end"
    return tuple(laid)


def walk(laid: Sequence[Band], before: Decimal, after: Decimal) -> list[Step]:
    """Return the quantities, by band from the lowest, of moving the counter from `before` to
    `after`.

    Quantities are negative when the counter falls, and add up to `after` - `before`. A counter that
    stays yields one step of zero, in the band it stands in.
    """
    low, high = (before, after) if before <= after else (after, before)
    steps = []
    for band in laid:
        if band.upper is not None and low > band.upper:
            continue
        if low == high:
            return [Step(band, ZERO)]
        top = high if band.upper is None or high <= band.upper else band.upper
        if top > low:
            steps.append(
                Step(band, EXACT.subtract(top, low) if after > before else EXACT.subtract(low, top))
            )
            low = top
        if top == high:
            break
    return steps


def band_at(laid: Sequence[Band], counter: Decimal) -> Band:
    """Return the band that owns `counter`."""
    for band in laid:
        if band.upper is None or counter <= band.upper:
            return band
    raise AssertionError("the last tier has no end")


def entries(laid: Sequence[Band], before: Decimal, after: Decimal) -> list[Step]:
    """Return the bands that a move of the counter enters (1) or leaves again (-1), from the lowest.

    A counter is in a band when it is above where the band starts, so at zero it is in none.
    """
    found = []
    for band in laid:
        start = band.position.starting_at
        if (before > start) != (after > start):
            found.append(Step(band, ONE if after > start else MINUS_ONE))
    return found
