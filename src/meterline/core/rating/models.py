"""Which file prices which rate type. A new price model is one file and one entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from meterline.core.catalogue import RateTerms, RateType
from meterline.core.rating.flat import Flat
from meterline.core.rating.piece import PriceModel
from meterline.core.rating.tier_walk import bands
from meterline.core.rating.tiered import Tiered


def _flat(terms: RateTerms) -> PriceModel:
    assert terms.price is not None, "a flat rate has a price"
    return Flat(terms.price)


def _tiered(terms: RateTerms) -> PriceModel:
    return Tiered(bands(terms.tiers))


PRICE_MODELS: Mapping[RateType, Callable[[RateTerms], PriceModel]] = {
    RateType.FLAT: _flat,
    RateType.TIERED: _tiered,
}


def price_model(terms: RateTerms) -> PriceModel:
    """Return `terms` made ready to price. Raises KeyError for a type `terms_issues` refuses."""
    return PRICE_MODELS[terms.rate_type](terms)
