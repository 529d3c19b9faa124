"""Rules of products and rates, as pure functions that return issues. Fields are named as callers
send them.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from meterline.core.catalogue import (
    Product,
    ProductType,
    ProductVersion,
    Rate,
    RateCard,
    RateType,
)
from meterline.core.decimals import DECIMAL_PLACES_MAX, decimal_issues
from meterline.core.errors import Issue
from meterline.core.metric import BillableMetric
from meterline.core.period import is_hour
from meterline.core.terms_rules import terms_issues


def product_issues(
    product_type: ProductType, version: ProductVersion, metric: BillableMetric | None
) -> list[Issue]:
    """Return what is wrong with a version of a product. `metric`: the one it names, None if there
    is none such. Fields of other types of product are kept, and say nothing.
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


def composite_issues(version: ProductVersion, products: Mapping[UUID, Product]) -> list[Issue]:
    """Return what is wrong with the products a composite charges on. `products`: those of its ids that there are."""
    issues = []
    for position, product_id in enumerate(version.composite_product_ids):
        field = f"composite_product_ids[{position}]"
        product = products.get(product_id)
        if product is None:
            issues.append(Issue(field, f"names no product: {product_id}"))
        elif product.type in (ProductType.FIXED, ProductType.PRO_SERVICE):
            issues.append(Issue(field, f"a composite cannot charge on a {product.type} product"))
    return issues


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
    issues += _unit_issues(rate, card)
    return issues + _priced_as(rate, product.type) + terms_issues(rate.terms) + _commit_issues(rate)


def _unit_issues(rate: Rate, card: RateCard) -> list[Issue]:
    """A card has one currency; a unit that cannot be turned into it could never be invoiced."""
    known = {conversion.custom_credit_type_id for conversion in card.credit_type_conversions}
    if rate.credit_type == card.fiat_credit_type or rate.credit_type.id in known:
        return []
    message = "must be the rate card's currency or a unit the card has a conversion for"
    return [Issue("credit_type_id", message)]


_RATE_TYPES = {
    ProductType.USAGE: set(RateType) - {RateType.SUBSCRIPTION},
    # One price a seat: cycles are prorated by it.
    ProductType.SUBSCRIPTION: {RateType.FLAT, RateType.SUBSCRIPTION},
    ProductType.COMPOSITE: {RateType.PERCENTAGE, RateType.TIERED_PERCENTAGE},
    ProductType.FIXED: set(),
    ProductType.PRO_SERVICE: set(),
}


def rate_type_issues(product_type: ProductType, rate_type: RateType) -> list[Issue]:
    """Return what is wrong with pricing a product of this type so."""
    possible = _RATE_TYPES[product_type]
    if not possible:
        message = f"a {product_type} product has no rates: its amounts are on the contract"
        return [Issue("product_id", message)]
    if rate_type in possible:
        return []
    names = ", ".join(one for one in RateType if one in possible)
    return [Issue("rate_type", f"must be one of {names} for a {product_type} product")]


def _priced_as(rate: Rate, product_type: ProductType) -> list[Issue]:
    issues = rate_type_issues(product_type, rate.terms.rate_type)
    if product_type is ProductType.SUBSCRIPTION:
        if rate.billing_frequency is None and rate.terms.rate_type is RateType.FLAT:
            issues.append(Issue("billing_frequency", "is required for FLAT rates of subscriptions"))
    elif rate.billing_frequency is not None:
        issues.append(Issue("billing_frequency", "belongs to SUBSCRIPTION products only"))
    if rate.commit_terms is not None and product_type is not ProductType.USAGE:
        issues.append(Issue("commit_rate", "belongs to USAGE products only"))
    return issues


def _commit_issues(rate: Rate) -> list[Issue]:
    """A commit rate is in the unit of the rate it stands beside; it has none of its own."""
    terms = rate.commit_terms
    if terms is None:
        return []
    issues = terms_issues(terms)
    if terms.rate_type in (RateType.SUBSCRIPTION, RateType.CUSTOM):
        issues = [Issue("rate_type", f"must not be {terms.rate_type} in a commit rate")]
    return [issue._replace(field=f"commit_rate.{issue.field}") for issue in issues]
