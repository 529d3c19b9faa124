"""Composite charges: a percentage of what other products cost, before grants pay.

Source: docs/decisions/0011-charges-beside-usage.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from meterline.core.catalogue import Product, Rate
from meterline.core.errors import Issue
from meterline.core.money import CreditType
from meterline.core.period import Period
from meterline.core.rating import PriceList
from meterline.core.rating.piece import Piece, PriceModel

CompositePriceAt = Callable[[UUID, datetime], Rate | None]
"""(product id, instant) -> the rate in force, overrides applied; None: no such rate."""


@dataclass(frozen=True, slots=True)
class Spend:
    """What a line costs at list price: `amount` of `credit_type` for a product with `tags`, from `starting_at` on."""

    product_id: UUID
    tags: tuple[str, ...]
    credit_type: CreditType
    starting_at: datetime
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Composite:
    """A composite product in a period: what it counts, and its rates by stretch."""

    product: Product
    name: str
    tags: tuple[str, ...]
    product_ids: frozenset[UUID]
    counted_tags: frozenset[str]
    excludes_free_usage: bool
    includes_composites: bool
    rates: tuple[tuple[Period, Rate], ...]


@dataclass(frozen=True, slots=True)
class CompositePlan:
    """The composites of a period, each after those it counts. `cuts`: where lines of usage must be cut."""

    period: Period
    composites: tuple[Composite, ...]
    fiat_credit_type: CreditType
    conversions: Mapping[UUID, Decimal]
    cuts: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class CompositeCharge:
    """A percentage of the spend that moves a composite's counter from `before` to `after` in `period`.

    Quantities of the pieces are amounts of spend, unit prices fractions of it.
    """

    composite: Composite
    rate: Rate
    period: Period
    before: Decimal
    after: Decimal
    model: PriceModel

    @property
    def pieces(self) -> list[Piece]:
        """The lines: one, or one a tier."""
        raise NotImplementedError


def composite_plan(
    price_list: PriceList,
    period: Period,
    price_at: CompositePriceAt,
    edges: Iterable[datetime] = (),
) -> CompositePlan:
    """Return the composites of a billing period. `edges`: where else rates may change (overrides) or lines are cut."""
    raise NotImplementedError


def composite_charges(plan: CompositePlan, spend: Sequence[Spend]) -> list[CompositeCharge]:
    """Return the charges on `spend`, by composite and time; `spend` is cut at `plan.cuts`."""
    raise NotImplementedError


def composite_issues(product: Product, products: Iterable[Product]) -> list[Issue]:
    """Return what is wrong with a composite among all `products`: it counts nothing, or itself in the end."""
    raise NotImplementedError
