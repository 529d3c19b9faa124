"""Rules of what a rate charges, as pure functions that return issues. Fields are named as callers send them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from meterline.core.catalogue import CustomModel, CustomRate, RateTerms, RateType, Tier
from meterline.core.decimals import ONE, decimal_issues
from meterline.core.errors import Issue

# An override multiplies prices, and `EXACT` must hold the product.
MULTIPLIER_MAX = 1_000_000


PriceRule = Callable[[str, Decimal | None], list[Issue]]

_USED = {
    RateType.FLAT: {"price"},
    RateType.PERCENTAGE: {"price"},
    RateType.TIERED: {"tiers"},
    RateType.TIERED_PERCENTAGE: {"tiers"},
    RateType.SUBSCRIPTION: {"price", "quantity", "is_prorated"},
    RateType.CUSTOM: {"custom_rate"},
}
_USED_BY_MODEL = {
    CustomModel.FLAT: {"price"},
    CustomModel.PERCENTAGE: {"price"},
    CustomModel.PACKAGE: {"price", "package_size"},
    CustomModel.TIERED: {"tiers"},
    CustomModel.VOLUME: {"tiers"},
    CustomModel.GRADUATED_PERCENTAGE: {"tiers"},
}


def terms_issues(terms: RateTerms) -> list[Issue]:
    """Return what is wrong with the terms of a rate, whatever product it is for."""
    match terms.rate_type:
        case RateType.FLAT:
            issues = _price_issues("price", terms.price)
        case RateType.PERCENTAGE:
            issues = _fraction_issues("price", terms.price)
        case RateType.TIERED:
            issues = tier_issues(terms.tiers, _price_issues) + _no_fees(terms.tiers)
        case RateType.TIERED_PERCENTAGE:
            issues = tier_issues(terms.tiers, _fraction_issues) + _no_fees(terms.tiers)
        case RateType.SUBSCRIPTION:
            issues = _subscription_issues(terms)
        case RateType.CUSTOM:
            issues = _custom_issues(terms.custom)
    return _left_out(terms) + issues


def _left_out(terms: RateTerms) -> list[Issue]:
    """What is given and would not be charged."""
    given = {
        "price": terms.price,
        "tiers": terms.tiers or None,
        "quantity": terms.quantity,
        "is_prorated": terms.is_prorated,
        "custom_rate": terms.custom,
    }
    return _unused(given, _USED[terms.rate_type], str(terms.rate_type))


def _unused(given: Mapping[str, object], used: set[str], of: str) -> list[Issue]:
    return [
        Issue(field, f"must be left out for {of}")
        for field, value in given.items()
        if value is not None and field not in used
    ]


def _price_issues(field: str, price: Decimal | None) -> list[Issue]:
    return [Issue(field, "is required")] if price is None else decimal_issues(field, price)


def _fraction_issues(field: str, price: Decimal | None) -> list[Issue]:
    issues = _price_issues(field, price)
    if not issues and price is not None and price > ONE:
        issues = [Issue(field, "must be a fraction from 0 to 1: 0.1 is 10 %")]
    return issues


def _positive_issues(field: str, number: Decimal | None) -> list[Issue]:
    issues = _price_issues(field, number)
    if not issues and not number:
        issues = [Issue(field, "must be greater than zero")]
    return issues


def tier_issues(tiers: Sequence[Tier], price_rule: PriceRule) -> list[Issue]:
    """Return what is wrong with the sizes and prices of a scale; the sizes are those of tiers laid end to end."""
    if not tiers:
        return [Issue("tiers", "must have at least one tier")]
    issues = []
    last = len(tiers) - 1
    for position, tier in enumerate(tiers):
        issues += price_rule(f"tiers[{position}].price", tier.price)
        issues += decimal_issues(f"tiers[{position}].flat_fee", tier.flat_fee)
        field = f"tiers[{position}].size"
        if position < last:
            if tier.size is None:
                issues.append(Issue(field, "is required in every tier but the last"))
            else:
                issues += _positive_issues(field, tier.size)
        elif tier.size is not None:
            issues.append(Issue(field, "must be left out in the last tier, which has no end"))
    return issues


def _no_fees(tiers: Sequence[Tier]) -> list[Issue]:
    return [
        Issue(f"tiers[{position}].flat_fee", "belongs to the models of CUSTOM rates")
        for position, tier in enumerate(tiers)
        if tier.flat_fee
    ]


def _subscription_issues(terms: RateTerms) -> list[Issue]:
    issues = _price_issues("price", terms.price)
    if terms.quantity is not None:
        issues += decimal_issues("quantity", terms.quantity)
    if terms.is_prorated is False:
        issues.append(Issue("is_prorated", "must be true, or be left out"))
    return issues


def _custom_issues(custom: CustomRate | None) -> list[Issue]:
    """Fields are named from the rate on: `custom_rate.tiers[0].price`."""
    if custom is None:
        return [Issue("custom_rate", "is required for CUSTOM")]
    given = {
        "price": custom.price,
        "tiers": custom.tiers or None,
        "package_size": custom.package_size,
    }
    issues = _unused(given, _USED_BY_MODEL[custom.model], str(custom.model))
    match custom.model:
        case CustomModel.FLAT:
            issues += _price_issues("price", custom.price)
        case CustomModel.PERCENTAGE:
            issues += _fraction_issues("price", custom.price)
        case CustomModel.PACKAGE:
            issues += _price_issues("price", custom.price)
            issues += _positive_issues("package_size", custom.package_size)
        case CustomModel.TIERED | CustomModel.VOLUME:
            issues += tier_issues(custom.tiers, _price_issues)
        case CustomModel.GRADUATED_PERCENTAGE:
            issues += tier_issues(custom.tiers, _fraction_issues)
    issues += _limit_issues(custom)
    return [issue._replace(field=f"custom_rate.{issue.field}") for issue in issues]


def _limit_issues(custom: CustomRate) -> list[Issue]:
    issues = []
    for field, limit in (
        ("minimum_spend", custom.minimum_spend),
        ("maximum_spend", custom.maximum_spend),
    ):
        if limit is not None:
            issues += decimal_issues(field, limit)
    lowest, highest = custom.minimum_spend, custom.maximum_spend
    if not issues and lowest is not None and highest is not None and lowest > highest:
        issues.append(Issue("minimum_spend", "must not be above maximum_spend"))
    return issues
