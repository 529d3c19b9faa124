"""Terms under a multiplier override: every price and fee times it. Limits of spend stay as agreed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from meterline.core.catalogue import CustomModel, CustomRate, RateTerms, RateType, Tier
from meterline.core.decimals import EXACT
from meterline.core.rating.tier_walk import bands

# The scale that a plain price becomes when parts of it are multiplied differently.
_SCALES = {
    RateType.FLAT: RateType.TIERED,
    RateType.TIERED: RateType.TIERED,
    RateType.PERCENTAGE: RateType.TIERED_PERCENTAGE,
    RateType.TIERED_PERCENTAGE: RateType.TIERED_PERCENTAGE,
    RateType.SUBSCRIPTION: RateType.TIERED,
}


def multiplied(terms: RateTerms, multiplier: Decimal) -> RateTerms:
    """Return `terms` with every price times `multiplier`."""
    custom = terms.custom
    if custom is not None:
        custom = replace(
            custom, price=_times(custom.price, multiplier), tiers=_each(custom.tiers, multiplier)
        )
    return replace(
        terms,
        price=_times(terms.price, multiplier),
        tiers=_each(terms.tiers, multiplier),
        custom=custom,
    )


def multiplied_by_tier(terms: RateTerms, multipliers: Sequence[Tier]) -> RateTerms:
    """Return `terms` with the price of each unit times the multiplier (the `price`) of the tier it falls in.

    FLAT and TIERED prices become a finer scale; a CUSTOM rate keeps its own and carries the multipliers beside it.
    """
    if terms.custom is not None:
        return replace(terms, custom=_with_multipliers(terms.custom, multipliers))
    assert terms.price is not None or terms.tiers, "a rate has a price or tiers"
    listed = terms.tiers if terms.price is None else (Tier(terms.price),)
    return RateTerms(_SCALES[terms.rate_type], tiers=_merged(listed, multipliers))


def _with_multipliers(custom: CustomRate, multipliers: Sequence[Tier]) -> CustomRate:
    plain = custom.price is not None and custom.model in (CustomModel.FLAT, CustomModel.PERCENTAGE)
    if plain and custom.price is not None:
        scale = {
            CustomModel.FLAT: CustomModel.TIERED,
            CustomModel.PERCENTAGE: CustomModel.GRADUATED_PERCENTAGE,
        }
        tiers = _merged((Tier(custom.price),), multipliers)
        return replace(custom, model=scale[custom.model], price=None, tiers=tiers)
    return replace(custom, multiplier_tiers=tuple(multipliers))


def _merged(listed: Sequence[Tier], multipliers: Sequence[Tier]) -> tuple[Tier, ...]:
    """Both scales laid on one counter: a tier wherever either has one."""
    prices, factors = bands(listed), bands(multipliers)
    merged: list[Tier] = []
    place = factor = 0
    lower = prices[0].position.starting_at
    while True:
        price_band, factor_band = prices[place], factors[factor]
        price = EXACT.multiply(price_band.price, factor_band.price)
        ends = [band.upper for band in (price_band, factor_band) if band.upper is not None]
        if not ends:
            return (*merged, Tier(price))
        upper = min(ends)
        merged.append(Tier(price, EXACT.subtract(upper, lower)))
        place += price_band.upper == upper
        factor += factor_band.upper == upper
        lower = upper


def _times(price: Decimal | None, multiplier: Decimal) -> Decimal | None:
    return None if price is None else EXACT.multiply(price, multiplier)


def _each(tiers: Sequence[Tier], multiplier: Decimal) -> tuple[Tier, ...]:
    return tuple(
        replace(
            tier,
            price=EXACT.multiply(tier.price, multiplier),
            flat_fee=EXACT.multiply(tier.flat_fee, multiplier),
        )
        for tier in tiers
    )
