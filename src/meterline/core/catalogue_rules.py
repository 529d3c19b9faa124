"""Rules of products and rates, as pure functions that return issues. Fields are named as callers
send them.
"""

from __future__ import annotations

from meterline.core.catalogue import (
    Product,
    ProductType,
    ProductVersion,
    Rate,
    RateCard,
    RateTerms,
    RateType,
)
from meterline.core.decimals import DECIMAL_PLACES_MAX, decimal_issues
from meterline.core.errors import Issue
from meterline.core.metric import BillableMetric
from meterline.core.period import is_hour


def product_issues(
    product_type: ProductType, version: ProductVersion, metric: BillableMetric | None
) -> list[Issue]:
    """Return what is wrong with a version of a product. `metric`: the one it names, None if there
    is none such.
    """
    issues = [] if version.name else [Issue("name", "must not be empty")]
    if version.starting_at is not None and not is_hour(version.starting_at):
        issues.append(Issue("starting_at", "must be on an hour boundary, in UTC"))
    if product_type is not ProductType.USAGE:
        return issues
    if version.billable_metric_id is None:
        issues.append(Issue("billable_metric_id", "is required for a USAGE product"))
    elif metric is None:
        issues.append(Issue("billable_metric_id", "names no billable metric"))
    else:
        issues += _grouping_issues(version, metric)
    return issues + _quantity_issues(version)


def _grouping_issues(version: ProductVersion, metric: BillableMetric) -> list[Issue]:
    pricing, presentation = version.pricing_group_key, version.presentation_group_key
    issues = [
        Issue(field, "must not repeat a property")
        for field, key in (
            ("pricing_group_key", pricing),
            ("presentation_group_key", presentation),
        )
        if len(set(key)) < len(key)
    ]
    if set(pricing) & set(presentation):
        issues.append(
            Issue("presentation_group_key", "must not share a property with pricing_group_key")
        )
    if (pricing or presentation) and not metric.has_group_key(*pricing, *presentation):
        issues.append(
            Issue(
                "pricing_group_key" if pricing else "presentation_group_key",
                "with the other group key must be one of the metric's group_keys",
            )
        )
    return issues


def _quantity_issues(version: ProductVersion) -> list[Issue]:
    issues = []
    conversion, rounding = version.quantity_conversion, version.quantity_rounding
    if conversion is not None:
        field = "quantity_conversion.conversion_factor"
        issues += decimal_issues(field, conversion.conversion_factor)
        if not issues and not conversion.conversion_factor:
            issues.append(Issue(field, "must be greater than zero"))
    if rounding is not None and not 0 <= rounding.decimal_places <= DECIMAL_PLACES_MAX:
        issues.append(
            Issue("quantity_rounding.decimal_places", f"must be between 0 and {DECIMAL_PLACES_MAX}")
        )
    return issues


def rate_issues(rate: Rate, product: Product, card: RateCard) -> list[Issue]:
    """Return what is wrong with a new rate of `product` on `card`; fields are relative to it."""
    issues = []
    if not is_hour(rate.starting_at):
        issues.append(Issue("starting_at", "must be on an hour boundary, in UTC"))
    if rate.ending_before is not None:
        if not is_hour(rate.ending_before):
            issues.append(Issue("ending_before", "must be on an hour boundary, in UTC"))
        if rate.ending_before <= rate.starting_at:
            issues.append(Issue("ending_before", "must be after starting_at"))
    wanted = product.at(rate.starting_at).pricing_group_key
    if set(rate.pricing_group_values) != set(wanted):
        names = ", ".join(wanted) or "none"
        issues.append(
            Issue("pricing_group_values", f"must give every pricing key of the product: {names}")
        )
    if rate.credit_type != card.fiat_credit_type and all(
        conversion.custom_credit_type_id != rate.credit_type.id
        for conversion in card.credit_type_conversions
    ):
        issues.append(
            Issue(
                "credit_type_id",
                "must be the rate card's currency or a unit the card has a conversion for",
            )
        )
    return issues + terms_issues(rate.terms)


def terms_issues(terms: RateTerms) -> list[Issue]:
    """Return what is wrong with the terms of a rate of a usage product."""
    if terms.rate_type is RateType.FLAT:
        issues = [Issue("tiers", "must be left out for FLAT")] if terms.tiers else []
        if terms.price is None:
            return [*issues, Issue("price", "is required for FLAT")]
        return issues + decimal_issues("price", terms.price)
    if terms.rate_type is RateType.TIERED:
        issues = [Issue("price", "must be left out for TIERED")] if terms.price is not None else []
        return issues + _tier_issues(terms)
    return [Issue("rate_type", f"{terms.rate_type} is not supported for usage products")]


def _tier_issues(terms: RateTerms) -> list[Issue]:
    if not terms.tiers:
        return [Issue("tiers", "must have at least one tier")]
    issues = []
    last = len(terms.tiers) - 1
    for position, tier in enumerate(terms.tiers):
        issues += decimal_issues(f"tiers[{position}].price", tier.price)
        field = f"tiers[{position}].size"
        if position == last:
            if tier.size is not None:
                issues.append(Issue(field, "must be left out in the last tier, which has no end"))
        elif tier.size is None:
            issues.append(Issue(field, "is required in every tier but the last"))
        else:
            wrong = decimal_issues(field, tier.size)
            if not wrong and not tier.size:
                wrong = [Issue(field, "must be greater than zero")]
            issues += wrong
    return issues
