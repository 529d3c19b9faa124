"""Composite charges: a fraction of what other products cost at list price, before grants pay.

A composite's counter is the spend it counts since the period's start, so that tiers of percentages run on through rate
changes as those of usage do. Source: docs/decisions/0011-charges-beside-usage.md.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from meterline.core.catalogue import ProductVersion, Rate
from meterline.core.charges.composite_plan import Composite, CompositePlan, chooses
from meterline.core.decimals import EXACT, ZERO, total
from meterline.core.money import CreditType
from meterline.core.period import Period
from meterline.core.rating.models import price_model
from meterline.core.rating.piece import Piece, PriceModel


@dataclass(frozen=True, slots=True)
class Spend:
    """What a line costs at list price: `amount` of `credit_type` for a product with `tags`, from `starting_at` on."""

    product_id: UUID
    tags: tuple[str, ...]
    credit_type: CreditType
    starting_at: datetime
    amount: Decimal


@dataclass(frozen=True, slots=True)
class CompositeCharge:
    """A fraction of the spend that moves a composite's counter from `before` to `after` in `period`.

    Quantities of the pieces are amounts of spend in the rate's credit type, unit prices fractions of it.
    """

    composite: Composite
    rate: Rate
    period: Period
    before: Decimal
    after: Decimal
    model: PriceModel

    @property
    def credit_type(self) -> CreditType:
        """What spend and amounts are in."""
        return self.rate.credit_type

    @property
    def pieces(self) -> list[Piece]:
        """The lines: one, or one a tier."""
        return self.model.pieces(self.before, self.after)

    @property
    def amount(self) -> Decimal:
        """The sum of the lines."""
        return total(piece.amount for piece in self.pieces)


def composite_charges(plan: CompositePlan, spend: Iterable[Spend]) -> list[CompositeCharge]:
    """Return the charges on `spend`, which is cut at `plan.cuts`; by composite, and for each by time.

    Spend from before the period or after it (a subscription paid in advance) counts in the first or last stretch. A
    composite that counts nothing in a stretch charges nothing there, not even a line of zero.
    """
    lines = list(spend)
    composite_ids = {composite.product_id for composite in plan.composites}
    charged: list[CompositeCharge] = []
    for composite in plan.composites:
        charges = _charges_of(plan, composite, lines, composite_ids)
        charged += charges
        lines += [
            Spend(
                composite.product_id,
                composite.tags,
                charge.credit_type,
                charge.period.start,
                charge.amount,
            )
            for charge in charges
        ]
    return charged


def _charges_of(
    plan: CompositePlan,
    composite: Composite,
    lines: Sequence[Spend],
    composite_ids: set[UUID],
) -> list[CompositeCharge]:
    starts = [stretch.period.start for stretch in composite.stretches]
    counted: dict[int, Decimal] = defaultdict(lambda: ZERO)
    for line in lines:
        place = max(0, bisect_right(starts, line.starting_at) - 1)
        stretch = composite.stretches[place]
        if stretch.rate is None or not stretch.rate.entitled:
            continue
        if not _counts(composite, stretch.version, line, composite_ids):
            continue
        amount = _converted(plan, line, stretch.rate.credit_type)
        if amount is not None:
            counted[place] = EXACT.add(counted[place], amount)
    charges = []
    counter = ZERO
    for place in sorted(counted):
        stretch = composite.stretches[place]
        assert stretch.rate is not None, "only what is sold counts"
        before, counter = counter, EXACT.add(counter, counted[place])
        model = price_model(stretch.rate.terms)
        charges.append(
            CompositeCharge(composite, stretch.rate, stretch.period, before, counter, model)
        )
    return charges


def _counts(
    composite: Composite, version: ProductVersion, line: Spend, composite_ids: set[UUID]
) -> bool:
    if line.product_id in composite_ids and (
        not version.include_composite_spend or line.product_id == composite.product_id
    ):
        return False
    if version.exclude_free_usage and not line.amount:
        return False
    return chooses(version, line.product_id, line.tags)


def _converted(plan: CompositePlan, line: Spend, credit_type: CreditType) -> Decimal | None:
    """`line`'s amount in `credit_type`, None where it cannot be told."""
    if line.credit_type == credit_type:
        return line.amount
    price = plan.conversions.get(line.credit_type.id)
    if price is None or credit_type != plan.fiat_credit_type:
        return None
    return EXACT.multiply(line.amount, price)
