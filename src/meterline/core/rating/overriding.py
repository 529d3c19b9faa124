"""Which override acts: a contract's prices, made of its card's.

Exactly one price override acts on a line, they never stack. By rank: commit-specific overwrites, commit-specific
multipliers (both only on what a grant pays for), general overwrites, general multipliers. Of overwrites the last added
acts; of multipliers the lowest, or under EXPLICIT the one of the lowest priority number; in a tie the last added. A
multiplier acts on the card's own price, so a product that is sold by an overwrite alone has none. Entitlement is a
question of its own: the last added override that answers it. Source: Metronome's rate card overrides, and
docs/decisions/0008-price-models-and-overrides.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from meterline.core.catalogue import Product, Rate, RateTerms, Tier
from meterline.core.contract.override import (
    Override,
    OverrideSpecifier,
    OverrideTarget,
    Prioritization,
)
from meterline.core.decimals import ZERO
from meterline.core.money import CreditType
from meterline.core.period import Period
from meterline.core.rating.multiplied import multiplied, multiplied_by_tier
from meterline.core.rating.resolution import rate_at, rate_edges, rate_segments

LAST = Decimal("Infinity")  # the place of a multiplier that has none


@dataclass(frozen=True, slots=True)
class Overriding:
    """The overrides of a contract, in the order they were added, and how its multipliers rank.

    `fiat`: the currency of its card, for prices of what the card does not sell.
    """

    overrides: Sequence[Override]
    prioritization: Prioritization
    fiat: CreditType


class RateScope(NamedTuple):
    """What one price is for: a product, its pricing group values, and a subscription's billing frequency."""

    product: Product
    pricing_group_values: Mapping[str, str]
    billing_frequency: str | None = None


class Alternative(NamedTuple):
    """A price that `override` sets on what `specifier` asks for beyond a scope (None: nothing)."""

    override: Override
    rate: Rate
    specifier: OverrideSpecifier | None


class Pricing(NamedTuple):
    """The prices of one scope for a while: see `plan.PriceSegment`, which is made of it."""

    rate: Rate
    listed: Rate | None
    override: Override | None = None
    by_presentation: tuple[Alternative, ...] = ()
    by_grant: tuple[Alternative, ...] = ()


class PricedSpan(NamedTuple):
    """A stretch of a period under one pricing, entitled or not."""

    period: Period
    pricing: Pricing


def priced_spans(
    rates: Sequence[Rate], scope: RateScope, overriding: Overriding, period: Period
) -> list[PricedSpan]:
    """Return the stretches of `period` in which `scope` has a price, in order, each as long as it stays the same.

    `rates`: those of the scope, in the order they were added.
    """
    touching = _touching(overriding.overrides, scope)
    if not touching:
        return [
            PricedSpan(span, Pricing(rate, rate)) for span, rate in rate_segments(rates, period)
        ]
    edges = {period.start, period.end, *rate_edges(rates, period)}
    edges |= {edge for edge in _edges(touching, scope.product) if edge in period}
    narrowed = replace(overriding, overrides=touching)
    spans: list[PricedSpan] = []
    for start, end in pairwise(sorted(edges)):
        pricing = pricing_at(rates, scope, narrowed, start)
        if pricing is None:
            continue
        last = spans[-1] if spans else None
        if last and last.period.end == start and _effect(last.pricing) == _effect(pricing):
            spans[-1] = PricedSpan(Period(last.period.start, end), pricing)
        else:
            spans.append(PricedSpan(Period(start, end), pricing))
    return spans


def pricing_at(
    rates: Sequence[Rate], scope: RateScope, overriding: Overriding, instant: datetime
) -> Pricing | None:
    """Return the prices of `scope` at `instant`, None where neither card nor overrides have one."""
    listed = rate_at(rates, instant)
    found = list(_alternatives(listed, scope, overriding, instant))
    general = [one for one in found if not one.override.is_commit_specific]
    by_presentation = []
    rate, acting = listed, None
    for alternative in _ranked(general, overriding.prioritization):
        if alternative.specifier is None:
            rate, acting = alternative.rate, alternative.override
            break
        by_presentation.append(alternative)
    if rate is None:
        return None
    rate = replace(rate, entitled=_entitled(rate.entitled, scope, overriding.overrides, instant))
    for_grants = [one for one in found if one.override.is_commit_specific]
    return Pricing(
        rate,
        listed,
        acting,
        tuple(by_presentation),
        tuple(_ranked(for_grants, overriding.prioritization)),
    )


def sold_by_overwrites(
    overrides: Iterable[Override], product: Product, pricing_key: Sequence[str]
) -> list[Mapping[str, str]]:
    """Return the pricing group values at which overwrites set a price for `product`, whatever the card has."""
    return [
        specifier.pricing_group_values
        for override in overrides
        if override.overwrite is not None and not override.is_commit_specific
        for specifier in override.specifiers
        if specifier.product_id == product.id
        and set(specifier.pricing_group_values) == set(pricing_key)
    ]


def _touching(overrides: Sequence[Override], scope: RateScope) -> list[Override]:
    """Those that may act on `scope` at some time: all that product tags may still exclude, for these change."""
    if not overrides:
        return []
    return [
        override
        for override in overrides
        if not override.specifiers
        or any(_may_fit(specifier, scope) for specifier in override.specifiers)
    ]


def _may_fit(specifier: OverrideSpecifier, scope: RateScope) -> bool:
    return (
        specifier.product_id in (None, scope.product.id)
        and specifier.billing_frequency in (None, scope.billing_frequency)
        and specifier.pricing_group_values.items() <= scope.pricing_group_values.items()
    )


def _fitting(
    override: Override, scope: RateScope, instant: datetime
) -> list[OverrideSpecifier | None]:
    """What the override asks for beyond the scope, by specifier that fits; None: nothing more."""
    if not override.specifiers:
        return [None]
    tags = set(scope.product.at(instant).tags)
    found: list[OverrideSpecifier | None] = []
    for specifier in override.specifiers:
        if _may_fit(specifier, scope) and tags.issuperset(specifier.product_tags):
            asks_more = (
                specifier.presentation_group_values
                or specifier.grant_ids
                or specifier.recurring_grant_ids
            )
            found.append(specifier if asks_more else None)
    return found


def _edges(overrides: Sequence[Override], product: Product) -> set[datetime]:
    """The instants at which an override, or a product's tags, may begin or cease to fit."""
    edges = {
        instant
        for override in overrides
        for instant in (override.starting_at, override.ending_before)
        if instant is not None
    }
    return edges | {one.starting_at for one in product.versions if one.starting_at is not None}


def _is_active(override: Override, instant: datetime) -> bool:
    return override.starting_at <= instant and (
        override.ending_before is None or instant < override.ending_before
    )


def _alternatives(
    listed: Rate | None, scope: RateScope, overriding: Overriding, instant: datetime
) -> Iterable[Alternative]:
    for override in overriding.overrides:
        if not _is_active(override, instant):
            continue
        rate = _overridden(listed, override, scope, overriding.fiat)
        if rate is not None:
            for specifier in _fitting(override, scope, instant):
                yield Alternative(override, rate, specifier)


def _overridden(
    listed: Rate | None, override: Override, scope: RateScope, fiat: CreditType
) -> Rate | None:
    """The rate as `override` makes it, None where it sets no price here."""
    if override.overwrite is not None:
        unit = override.overwrite_credit_type
        if listed is not None:
            same_unit = unit in (None, listed.credit_type)
            return replace(
                listed,
                terms=override.overwrite,
                credit_type=unit or listed.credit_type,
                commit_terms=listed.commit_terms if same_unit else None,
            )
        return Rate(
            scope.product.id,
            override.starting_at,
            override.ending_before,
            True,
            unit or fiat,
            override.overwrite,
            scope.pricing_group_values,
            None,
            scope.billing_frequency,
        )
    if listed is None:
        return None
    base = listed.terms
    if override.target is OverrideTarget.COMMIT_RATE and listed.commit_terms is not None:
        base = listed.commit_terms
    terms = _multiplied(base, override, scope)
    return None if terms is None else replace(listed, terms=terms)


def _multiplied(base: RateTerms, override: Override, scope: RateScope) -> RateTerms | None:
    if override.multiplier is not None:
        return multiplied(base, override.multiplier)
    # A subscription has one unit price, so that its cycles can be prorated: tiers do not act on it.
    if override.tiers and scope.billing_frequency is None:
        tiers = [Tier(tier.multiplier, tier.size) for tier in override.tiers]
        return multiplied_by_tier(base, tiers)
    return None


def _ranked(
    alternatives: Iterable[Alternative], prioritization: Prioritization
) -> list[Alternative]:
    """By rank, the one to act first; the order in which they came breaks ties, the last first."""

    def rank(alternative: Alternative) -> tuple[bool, bool, Decimal]:
        override = alternative.override
        # Where a grant pays at the commit rate, an override of that rate comes before one of the list rate.
        of_list_rate = override.target is OverrideTarget.LIST_RATE
        if override.overwrite is not None:
            return (False, of_list_rate, ZERO)
        explicit = prioritization is Prioritization.EXPLICIT
        place = override.priority if explicit else override.multiplier
        return (True, of_list_rate, LAST if place is None else place)

    by_rank = list(alternatives)
    by_rank.reverse()  # so that the last added comes first of equals
    by_rank.sort(key=rank)
    return by_rank


def _entitled(
    listed: bool, scope: RateScope, overrides: Sequence[Override], instant: datetime
) -> bool:
    answers = [
        override.entitled
        for override in overrides
        if override.entitled is not None
        and not override.is_commit_specific
        and _is_active(override, instant)
        and None in _fitting(override, scope, instant)
    ]
    return answers[-1] if answers else listed


def _effect(pricing: Pricing) -> tuple[object, ...]:
    """What makes two pricings differ for anybody who pays or asks why."""
    listed = pricing.listed
    return (
        _charge(pricing.rate),
        None if listed is None else _charge(listed),
        pricing.override,
        *((one.override, _charge(one.rate), one.specifier) for one in pricing.by_presentation),
        None,
        *((one.override, _charge(one.rate), one.specifier) for one in pricing.by_grant),
    )


def _charge(rate: Rate) -> tuple[object, ...]:
    return (rate.entitled, rate.credit_type, rate.terms, rate.commit_terms)
