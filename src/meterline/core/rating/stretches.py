"""From the stretches of a product, laid out in time, to its part of a rate plan: index ranges and price models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from meterline.core.catalogue import Product, ProductVersion
from meterline.core.metric import BillableMetric
from meterline.core.period import Period
from meterline.core.rating.models import price_model
from meterline.core.rating.overriding import Alternative, PricedSpan
from meterline.core.rating.plan import (
    ActingPrice,
    ConditionalPrice,
    Grouping,
    MetricPlan,
    PriceSegment,
    ProductPlan,
    Stint,
)
from meterline.core.rating.quantity import quantity_rule
from meterline.core.rating.spend_limits import maximum_spend, minimum_spend
from meterline.core.usage import GroupValues


class Stretch(NamedTuple):
    """A product under one version, with the spans in which it is sold by pricing group values."""

    period: Period
    version: ProductVersion
    metric: BillableMetric
    sold: Mapping[GroupValues, Sequence[PricedSpan]]


def product_plan(
    product: Product, stretches: Sequence[Stretch], metric_plans: Mapping[UUID, MetricPlan]
) -> ProductPlan:
    """Return a product's stretches as indexes into the cuts of `metric_plans`."""
    stints: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Stint]] = defaultdict(list)
    for stretch in stretches:
        version = stretch.version
        keys = (version.pricing_group_key, version.presentation_group_key)
        stints[keys].append(_stint(stretch, metric_plans[stretch.metric.id]))
    last = stretches[-1].version
    return ProductPlan(
        product.id,
        last.name,
        last.tags,
        tuple(_grouping(*keys, tuple(found)) for keys, found in stints.items()),
    )


def _grouping(
    pricing_key: tuple[str, ...], presentation_key: tuple[str, ...], stints: tuple[Stint, ...]
) -> Grouping:
    limited = any(
        _is_limited(segment)
        for stint in stints
        for segments in stint.prices.values()
        for segment in segments
    )
    return Grouping(pricing_key, presentation_key, stints, limited)


def _is_limited(segment: PriceSegment) -> bool:
    """Whether a price of usage that no grant pays for has a minimum or maximum spend."""
    for rate in (segment.rate, *(one.price.rate for one in segment.by_presentation)):
        terms = rate.terms
        if terms.custom is not None and (minimum_spend(terms), maximum_spend(terms)) != (
            None,
            None,
        ):
            return True
    return False


def _stint(stretch: Stretch, metric_plan: MetricPlan) -> Stint:
    names = stretch.metric.group_properties
    version = stretch.version
    keys = (*version.pricing_group_key, *version.presentation_group_key)
    place = {cut: index for index, cut in enumerate(metric_plan.cuts)}
    return Stint(
        stretch.metric.id,
        metric_plan,
        tuple(names.index(name) for name in keys),
        quantity_rule(version.quantity_conversion, version.quantity_rounding),
        {
            values: tuple(_segment(span, place, keys) for span in spans)
            for values, spans in stretch.sold.items()
        },
    )


def _segment(
    span: PricedSpan, place: Mapping[datetime, int], keys: tuple[str, ...]
) -> PriceSegment:
    """A span as indexes into its metric's cuts. `keys`: names of the values of a line."""
    period, pricing = span
    rate = pricing.rate
    by_presentation = _conditional(pricing.by_presentation, keys)
    limited = maximum_spend(rate.terms) is not None
    return PriceSegment(
        period,
        place[period.start],
        place[period.end],
        rate,
        price_model(rate.terms),
        pricing.listed,
        pricing.override,
        by_presentation,
        _conditional(pricing.by_grant, keys),
        None if rate.commit_terms is None else price_model(rate.commit_terms),
        is_plain=not (by_presentation or limited),
    )


def _conditional(
    alternatives: Sequence[Alternative], keys: tuple[str, ...]
) -> tuple[ConditionalPrice, ...]:
    """The alternatives that lines of these keys can be; others ask for a value that no line has."""
    if not alternatives:
        return ()
    found = []
    for override, rate, specifier in alternatives:
        asked = {} if specifier is None else specifier.presentation_group_values
        if set(asked) <= set(keys):
            places = tuple((keys.index(name), value) for name, value in asked.items())
            price = ActingPrice(rate, price_model(rate.terms), override)
            found.append(ConditionalPrice(price, places, specifier))
    return tuple(found)
