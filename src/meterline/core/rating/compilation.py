"""Compiles a rate card and its products into the rate plan of a period.

Two passes: first every product's stretches (versions, then rates) are laid out in time, then the
union of their edges becomes the cuts of each metric, and the stretches become index ranges into
them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from typing import NamedTuple
from uuid import UUID

from meterline.core.catalogue import Product, ProductType, ProductVersion, Rate, RateCard
from meterline.core.contract import UsageFilter, filter_at
from meterline.core.contract.override import Override, Prioritization
from meterline.core.metric import BillableMetric
from meterline.core.period import Period
from meterline.core.rating.overriding import (
    Overriding,
    PricedSpan,
    RateScope,
    priced_spans,
    sold_by_overwrites,
)
from meterline.core.rating.plan import (
    Admission,
    MetricPlan,
    RatePlan,
)
from meterline.core.rating.stretches import Stretch, product_plan
from meterline.core.usage import GroupValues


@dataclass(frozen=True, slots=True)
class PriceList:
    """A rate card with what hangs on it.

    `rates`: those of the card, in the order they were added. `products` and `metrics`: at least
    those that the rates, and the overrides of the contracts rated by it, need; others are passed over.
    """

    card: RateCard
    products: Sequence[Product]
    metrics: Sequence[BillableMetric]
    rates: Sequence[Rate]


class _Prices(NamedTuple):
    """What a product's prices are made of: its rates, and the contract's overrides."""

    rates: Sequence[Rate]
    overriding: Overriding


def rate_plan(
    price_list: PriceList,
    period: Period,
    usage_filters: Sequence[UsageFilter] = (),
    overrides: Sequence[Override] = (),
    prioritization: Prioritization = Prioritization.LOWEST_MULTIPLIER,
) -> RatePlan:
    """Return the prices of `period`, which is one billing period of every contract the plan serves.

    `usage_filters`, `overrides` (in the order they were added), `prioritization`: the contract's; a plan serves
    contracts that have the same. Raises KeyError for a metric that `price_list` lacks.
    """
    card = price_list.card
    overriding = Overriding(overrides, prioritization, card.fiat_credit_type)
    metric_by_id = {metric.id: metric for metric in price_list.metrics}
    rates_by_product: dict[UUID, list[Rate]] = defaultdict(list)
    for rate in price_list.rates:
        rates_by_product[rate.product_id].append(rate)
    priced = rates_by_product.keys() | {
        specifier.product_id
        for override in overrides
        if override.overwrite is not None
        for specifier in override.specifiers
    }
    laid_out = [
        (
            product,
            _stretches(
                product, _Prices(rates_by_product[product.id], overriding), metric_by_id, period
            ),
        )
        for product in _in_line_order(card, price_list.products, period)
        if product.type is ProductType.USAGE and product.id in priced
    ]
    stretches = [stretch for _, of_product in laid_out for stretch in of_product]
    metric_plans = _metric_plans(stretches, period, usage_filters)
    return RatePlan(
        period,
        card.fiat_credit_type,
        {
            conversion.custom_credit_type_id: conversion.fiat_per_custom_credit
            for conversion in card.credit_type_conversions
        },
        tuple(product_plan(product, found, metric_plans) for product, found in laid_out),
        metric_plans,
    )


def _in_line_order(card: RateCard, products: Iterable[Product], period: Period) -> list[Product]:
    place = {product_id: index for index, product_id in enumerate(card.product_order)}
    return sorted(
        products,
        key=lambda product: (
            place.get(product.id, len(place)),
            _last_version(product, period).name,
            product.id,
        ),
    )


def _last_version(product: Product, period: Period) -> ProductVersion:
    """The last version that starts before the period's end."""
    return [
        version
        for version in product.versions
        if version.starting_at is None or version.starting_at < period.end
    ][-1]


def _measure(version: ProductVersion) -> tuple[object, ...]:
    """What must stay the same for a product to be counted on without a cut; names and tags may
    change.
    """
    return (
        version.billable_metric_id,
        version.pricing_group_key,
        version.presentation_group_key,
        version.quantity_conversion,
        version.quantity_rounding,
    )


def _stretches(
    product: Product,
    prices: _Prices,
    metrics: Mapping[UUID, BillableMetric],
    period: Period,
) -> list[Stretch]:
    changes = sorted(
        {period.start, period.end}
        | {
            version.starting_at
            for version in product.versions
            if version.starting_at is not None and version.starting_at in period
        }
    )
    found = []
    spans = [(start, end, product.at(start)) for start, end in pairwise(changes)]
    for _, run in groupby(spans, key=lambda span: _measure(span[2])):
        alike = list(run)
        stretch, version = Period(alike[0][0], alike[-1][1]), alike[-1][2]
        assert version.billable_metric_id is not None, "a usage product has a metric"
        found.append(
            Stretch(
                stretch,
                version,
                metrics[version.billable_metric_id],
                _sold(product, prices, version.pricing_group_key, stretch),
            )
        )
    return found


def _sold(
    product: Product, prices: _Prices, pricing_key: tuple[str, ...], period: Period
) -> dict[GroupValues, list[PricedSpan]]:
    """The entitled spans of each combination of pricing values; rates for other keys do not apply."""
    by_values: dict[tuple[str, ...], list[Rate]] = defaultdict(list)
    for rate in prices.rates:
        if set(rate.pricing_group_values) == set(pricing_key):
            by_values[tuple(rate.pricing_group_values[name] for name in pricing_key)].append(rate)
    overriding = prices.overriding
    for given in sold_by_overwrites(overriding.overrides, product, pricing_key):
        by_values.setdefault(tuple(given[name] for name in pricing_key), [])
    sold: dict[GroupValues, list[PricedSpan]] = {}
    for values, rates in by_values.items():
        scope = RateScope(product, dict(zip(pricing_key, values, strict=True)))
        spans = priced_spans(rates, scope, overriding, period)
        sold[values] = [span for span in spans if span.pricing.rate.entitled]
    return sold


def _metric_plans(
    stretches: Iterable[Stretch], period: Period, usage_filters: Sequence[UsageFilter]
) -> dict[UUID, MetricPlan]:
    metrics: dict[UUID, BillableMetric] = {}
    edges: dict[UUID, set[datetime]] = defaultdict(set)
    for stretch in stretches:
        metrics[stretch.metric.id] = stretch.metric
        edges[stretch.metric.id].add(stretch.period.start)
        for spans in stretch.sold.values():
            for span in spans:
                edges[stretch.metric.id] |= {span.period.start, span.period.end}
    filter_changes = {
        usage_filter.starting_at
        for usage_filter in usage_filters
        if usage_filter.starting_at in period
    }
    plans = {}
    for metric_id, metric in metrics.items():
        cuts = tuple(sorted(edges[metric_id] | filter_changes | {period.start, period.end}))
        admissions = tuple(_admission(usage_filters, metric, cut) for cut in cuts[:-1])
        plans[metric_id] = MetricPlan(
            metric.aggregation, cuts, admissions if any(admissions) else ()
        )
    return plans


def _admission(
    usage_filters: Sequence[UsageFilter], metric: BillableMetric, instant: datetime
) -> Admission | None:
    usage_filter = filter_at(usage_filters, instant)
    if usage_filter is None:
        return None
    names = metric.group_properties
    key = usage_filter.group_key
    return Admission(names.index(key) if key in names else None, usage_filter.group_values)
