"""Which file prices which terms. A new price model is one file and one entry here.

PERCENTAGE and TIERED_PERCENTAGE are FLAT and TIERED over an amount of money, with fractions for prices; SUBSCRIPTION is
FLAT over a quantity of seats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from meterline.core.catalogue import CustomModel, CustomRate, RateTerms, RateType
from meterline.core.rating.flat import Flat
from meterline.core.rating.package import Package
from meterline.core.rating.piece import PriceModel
from meterline.core.rating.tier_fees import TieredWithFees
from meterline.core.rating.tier_walk import bands
from meterline.core.rating.tiered import Tiered
from meterline.core.rating.tiered_multiplier import TieredMultiplier
from meterline.core.rating.volume import Volume

Terms = RateTerms | CustomRate


def _flat(terms: Terms) -> PriceModel:
    assert terms.price is not None, "a flat rate has a price"
    return Flat(terms.price)


def _tiered(terms: Terms) -> PriceModel:
    laid = bands(terms.tiers)
    return TieredWithFees(laid) if any(band.flat_fee for band in laid) else Tiered(laid)


def _volume(terms: Terms) -> PriceModel:
    return Volume(bands(terms.tiers))


def _package(terms: Terms) -> PriceModel:
    assert isinstance(terms, CustomRate)
    assert terms.price is not None
    assert terms.package_size is not None, "a package has a size"
    return Package(terms.price, terms.package_size)


def _custom(terms: Terms) -> PriceModel:
    assert isinstance(terms, RateTerms)
    assert terms.custom is not None, "a custom rate has its terms"
    model = CUSTOM_MODELS[terms.custom.model](terms.custom)
    if terms.custom.multiplier_tiers:
        return TieredMultiplier(bands(terms.custom.multiplier_tiers), model)
    return model


CUSTOM_MODELS: Mapping[CustomModel, Callable[[Terms], PriceModel]] = {
    CustomModel.FLAT: _flat,
    CustomModel.TIERED: _tiered,
    CustomModel.VOLUME: _volume,
    CustomModel.PACKAGE: _package,
    CustomModel.PERCENTAGE: _flat,
    CustomModel.GRADUATED_PERCENTAGE: _tiered,
}

PRICE_MODELS: Mapping[RateType, Callable[[Terms], PriceModel]] = {
    RateType.FLAT: _flat,
    RateType.TIERED: _tiered,
    RateType.PERCENTAGE: _flat,
    RateType.TIERED_PERCENTAGE: _tiered,
    RateType.SUBSCRIPTION: _flat,
    RateType.CUSTOM: _custom,
}


def price_model(terms: RateTerms) -> PriceModel:
    """Return `terms` made ready to price; without the limits of what a period may cost (`spend_limits`)."""
    return PRICE_MODELS[terms.rate_type](terms)
