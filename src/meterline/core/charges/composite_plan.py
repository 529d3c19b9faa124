"""The composites of a billing period: what each counts, at which rates by stretch, and in which order.

Source: docs/decisions/0011-charges-beside-usage.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

from meterline.core.catalogue import Product, ProductType, ProductVersion, Rate
from meterline.core.money import CreditType
from meterline.core.period import Period
from meterline.core.rating import PriceList

CompositePriceAt = Callable[[UUID, datetime], Rate | None]
"""(product id, instant) -> the rate in force, overrides applied; None: no such rate."""


@dataclass(frozen=True, slots=True)
class CompositeStretch:
    """A stretch of the period under one version of the composite and one rate (None: not sold then)."""

    period: Period
    version: ProductVersion
    rate: Rate | None


@dataclass(frozen=True, slots=True)
class Composite:
    """A composite product in a period. `stretches` tile it."""

    product_id: UUID
    stretches: tuple[CompositeStretch, ...]

    @property
    def name(self) -> str:
        """The product's last name in the period."""
        return self.stretches[-1].version.name

    @property
    def tags(self) -> tuple[str, ...]:
        """The product's last tags in the period."""
        return self.stretches[-1].version.tags


@dataclass(frozen=True, slots=True)
class CompositePlan:
    """The composites of a period in the order of invoice lines, but each after those it counts.

    `cuts`: instants at which usage must be cut for its spend to fall in one stretch. `conversions`: units of
    `fiat_credit_type` for one unit of a custom credit type.
    """

    period: Period
    composites: tuple[Composite, ...]
    fiat_credit_type: CreditType
    conversions: Mapping[UUID, Decimal]

    @property
    def cuts(self) -> tuple[datetime, ...]:
        """Where the stretches of the composites meet, within the period."""
        starts = {stretch.period.start for one in self.composites for stretch in one.stretches}
        return tuple(sorted(starts - {self.period.start}))


def composite_plan(
    price_list: PriceList,
    period: Period,
    price_at: CompositePriceAt,
    *,
    changes: Iterable[datetime] = (),
    cuts: Iterable[datetime] = (),
) -> CompositePlan:
    """Return the composites of a billing period that are sold at some time in it.

    `changes`: where rates may change beside the card's own dates, as at the edges of overrides. `cuts`: where charges
    must be cut though nothing changes, as at the edges of grants.
    """
    products = [one for one in price_list.products if one.type is ProductType.COMPOSITE]
    forced = {cut for cut in cuts if cut in period}
    instants = {period.start, *forced, *(change for change in changes if change in period)}
    composites = []
    for product in products:
        dates = [
            date
            for rate in price_list.rates
            if rate.product_id == product.id
            for date in (rate.starting_at, rate.ending_before)
        ]
        dates += [version.starting_at for version in product.versions]
        own = {date for date in dates if date is not None and date in period}
        starts = sorted(instants | own)
        stretches = _stretches(product, [*starts, period.end], price_at, forced)
        if any(stretch.rate is not None for stretch in stretches):
            composites.append(Composite(product.id, tuple(stretches)))
    conversions = {
        conversion.custom_credit_type_id: conversion.fiat_per_custom_credit
        for conversion in price_list.card.credit_type_conversions
    }
    place = {product_id: index for index, product_id in enumerate(price_list.card.product_order)}
    composites.sort(
        key=lambda one: (place.get(one.product_id, len(place)), one.name, one.product_id)
    )
    return CompositePlan(
        period, _inner_first(composites), price_list.card.fiat_credit_type, conversions
    )


def _stretches(
    product: Product, edges: Sequence[datetime], price_at: CompositePriceAt, forced: set[datetime]
) -> list[CompositeStretch]:
    """Stretches between `edges`; neighbours of equal terms are one, unless the cut between is forced."""
    stretches: list[CompositeStretch] = []
    for start, end in pairwise(edges):
        here = CompositeStretch(Period(start, end), product.at(start), price_at(product.id, start))
        last = stretches[-1] if stretches else None
        if last and start not in forced and _alike(last, here):
            stretches[-1] = CompositeStretch(
                Period(last.period.start, end), here.version, last.rate
            )
        else:
            stretches.append(here)
    return stretches


def _alike(left: CompositeStretch, right: CompositeStretch) -> bool:
    return _terms(left) == _terms(right)


def _terms(stretch: CompositeStretch) -> tuple[object, ...]:
    """What a stretch counts and charges; names and tags may change without a cut."""
    version, rate = stretch.version, stretch.rate
    return (
        version.composite_product_ids,
        version.composite_tags,
        version.exclude_free_usage,
        version.include_composite_spend,
        rate and (rate.credit_type, rate.terms, rate.entitled),
    )


def _inner_first(composites: Sequence[Composite]) -> tuple[Composite, ...]:
    """`composites` so that each comes after those it counts; where they count each other, in the order given.

    What comes later is not counted, so a circle, which tags can close at any time, costs no more than once around.
    """
    ordered: list[Composite] = []
    waiting = list(composites)
    while waiting:
        ready = [
            one
            for one in waiting
            if not any(_counts_composite(one, other) for other in waiting if other is not one)
        ]
        ordered += ready or waiting[:1]
        waiting = [one for one in waiting if one not in ordered]
    return tuple(ordered)


def _counts_composite(outer: Composite, inner: Composite) -> bool:
    return any(
        stretch.version.include_composite_spend
        and chooses(stretch.version, inner.product_id, inner.tags)
        for stretch in outer.stretches
    )


def chooses(version: ProductVersion, product_id: UUID, tags: Iterable[str]) -> bool:
    """Whether a composite names a product, or a tag of it; one that names nothing means all."""
    if not (version.composite_product_ids or version.composite_tags):
        return True
    return product_id in version.composite_product_ids or any(
        tag in version.composite_tags for tag in tags
    )
