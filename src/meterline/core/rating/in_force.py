"""The rate a contract pays at an instant, for what is not usage: subscriptions and composites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from meterline.core.catalogue import Product, ProductType, ProductVersion, Rate
from meterline.core.contract.override import Override, Prioritization
from meterline.core.rating.compilation import PriceList
from meterline.core.rating.overriding import Overriding, Pricing, RateScope, pricing_at


def rate_in_force(  # noqa: PLR0913, PLR0917  (what names a rate is four things)
    price_list: PriceList,
    overrides: Sequence[Override],
    prioritization: Prioritization,
    product_id: UUID,
    billing_frequency: str | None,
    pricing_group_values: Mapping[str, str],
    instant: datetime,
) -> Rate | None:
    """Return the rate of a product at `instant`, with the override that acts on it in its terms and unit.

    None where it is not sold: no rate, or one that is not entitled. The terms of a subscription have one `price` (FLAT,
    or the old SUBSCRIPTION, whose rates without a billing frequency hold for every one); those of a composite are
    PERCENTAGE, or TIERED_PERCENTAGE, which `price_model` prices.
    """
    overriding = Overriding(overrides, prioritization, price_list.card.fiat_credit_type)
    product = _product(price_list, product_id)
    scope = RateScope(product, pricing_group_values, billing_frequency)
    pricing = price_in_force(price_list, overriding, scope, instant)
    if pricing is None or not pricing.rate.entitled:
        return None
    return pricing.rate


def price_in_force(
    price_list: PriceList, overriding: Overriding, scope: RateScope, instant: datetime
) -> Pricing | None:
    """Return the prices of `scope` at `instant`, entitled or not, and what made them."""
    rates = [
        rate
        for rate in price_list.rates
        if rate.product_id == scope.product.id
        and rate.pricing_group_values == scope.pricing_group_values
    ]
    named = [rate for rate in rates if rate.billing_frequency == scope.billing_frequency]
    if not named:
        named = [rate for rate in rates if rate.billing_frequency is None]
    return pricing_at(named, scope, overriding, instant)


def _product(price_list: PriceList, product_id: UUID) -> Product:
    for product in price_list.products:
        if product.id == product_id:
            return product
    # Sold by an overwrite alone: what no rate names may be missing from the list, and has no tags then.
    return Product(product_id, ProductType.SUBSCRIPTION, (ProductVersion(""),))
