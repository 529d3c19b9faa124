"""What is wrong with an override, as a pure function that returns issues. Fields are relative to it, as sent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from meterline.core.catalogue import Product, ProductType, RateCard, Tier
from meterline.core.catalogue_rules import rate_type_issues
from meterline.core.contract.contract import Contract
from meterline.core.contract.override import (
    Override,
    OverrideSpecifier,
    OverrideTarget,
    OverrideType,
    Prioritization,
)
from meterline.core.decimals import decimal_issues
from meterline.core.errors import Issue
from meterline.core.period import is_hour
from meterline.core.rating.spend_limits import maximum_spend, minimum_spend
from meterline.core.terms_rules import MULTIPLIER_MAX, terms_issues, tier_issues

# The field that says what an override of each type does.
_EFFECTS = {
    OverrideType.OVERWRITE: "overwrite_rate",
    OverrideType.MULTIPLIER: "multiplier",
    OverrideType.TIERED: "tiers",
}


def override_issues(
    override: Override,
    contract: Contract,
    card: RateCard | None,
    products: Mapping[UUID, Product],
) -> list[Issue]:
    """Return what is wrong with a new override of `contract`.

    `card`: the contract's, None if it has none. `products`: at least those that the specifiers name, as far as there
    are such.
    """
    issues = [] if card is not None else [Issue("", "a contract without a rate card has no prices")]
    issues += _window_issues(override)
    issues += _effect_issues(override, contract.prioritization)
    for position, specifier in enumerate(override.specifiers):
        wrong = _specifier_issues(override, specifier, products)
        place = f"override_specifiers[{position}]"
        issues += [Issue(f"{place}.{field}", message) for field, message in wrong]
    if override.overwrite is not None:
        issues += _overwrite_issues(override, card, products)
    return issues


def _window_issues(override: Override) -> list[Issue]:
    issues = []
    if not is_hour(override.starting_at):
        issues.append(Issue("starting_at", "must be on an hour boundary, in UTC"))
    if override.ending_before is not None:
        if not is_hour(override.ending_before):
            issues.append(Issue("ending_before", "must be on an hour boundary, in UTC"))
        if override.ending_before <= override.starting_at:
            issues.append(Issue("ending_before", "must be after starting_at"))
    return issues


def _effect_issues(override: Override, prioritization: Prioritization) -> list[Issue]:
    given = {
        "overwrite_rate": override.overwrite,
        "multiplier": override.multiplier,
        "tiers": override.tiers or None,
    }
    wanted = _EFFECTS[override.type]
    issues = [
        Issue(field, f"must be left out for {override.type}")
        for field, value in given.items()
        if value is not None and field != wanted
    ]
    if given[wanted] is None and override.entitled is None:
        issues.append(Issue(wanted, f"is required for {override.type}"))
    if override.multiplier is not None:
        issues += _multiplier_issues("multiplier", override.multiplier)
    if override.tiers:
        tiers = [Tier(tier.multiplier, tier.size) for tier in override.tiers]
        wrong = tier_issues(tiers, _multiplier_issues)
        issues += [one._replace(field=one.field.replace("price", "multiplier")) for one in wrong]
        if prioritization is not Prioritization.EXPLICIT:
            message = "TIERED needs multiplier_override_prioritization EXPLICIT on the contract"
            issues.append(Issue("type", message))
    return issues + _rank_issues(override, prioritization)


def _multiplier_issues(field: str, multiplier: Decimal | None) -> list[Issue]:
    if multiplier is None:
        return [Issue(field, "is required")]
    issues = decimal_issues(field, multiplier)
    if not issues and multiplier > MULTIPLIER_MAX:
        issues = [Issue(field, f"must be at most {MULTIPLIER_MAX}")]
    return issues


def _rank_issues(override: Override, prioritization: Prioritization) -> list[Issue]:
    issues = []
    ranks = override.multiplier is not None or bool(override.tiers)
    if override.priority is not None:
        issues += decimal_issues("priority", override.priority)
        if not issues and not override.priority:
            issues.append(Issue("priority", "must be greater than zero"))
    elif ranks and prioritization is Prioritization.EXPLICIT:
        message = "is required, as the contract ranks its multipliers by EXPLICIT priority"
        issues.append(Issue("priority", message))
    if override.target is OverrideTarget.COMMIT_RATE and not override.is_commit_specific:
        issues.append(Issue("target", "must be LIST_RATE unless is_commit_specific is true"))
    if override.is_commit_specific and override.entitled is not None:
        issues.append(Issue("entitled", "must be left out of a commit-specific override"))
    return issues


def _specifier_issues(
    override: Override, specifier: OverrideSpecifier, products: Mapping[UUID, Product]
) -> list[Issue]:
    issues = []
    target = (
        specifier.product_id,
        specifier.product_tags,
        specifier.pricing_group_values,
        specifier.presentation_group_values,
    )
    grants = (*specifier.grant_ids, *specifier.recurring_grant_ids)
    if not any((*target, specifier.billing_frequency, grants)):
        issues.append(Issue("product_id", "a specifier must restrict something"))
    if grants and not override.is_commit_specific:
        issues.append(Issue("commit_ids", "need is_commit_specific"))
    if grants and not any(target):
        message = "need a product_id, product_tags or group values beside them"
        issues.append(Issue("commit_ids", message))
    if specifier.presentation_group_values and (
        override.overwrite is not None or override.entitled is not None
    ):
        issues.append(Issue("presentation_group_values", "belong to multipliers only"))
    if specifier.product_id is not None:
        issues += _product_issues(specifier, products.get(specifier.product_id))
    return issues


def _product_issues(specifier: OverrideSpecifier, product: Product | None) -> list[Issue]:
    if product is None:
        return [Issue("product_id", f"names no product: {specifier.product_id}")]
    issues = []
    for field, values, key in (
        ("pricing_group_values", specifier.pricing_group_values, "pricing_group_key"),
        (
            "presentation_group_values",
            specifier.presentation_group_values,
            "presentation_group_key",
        ),
    ):
        known = {name for version in product.versions for name in getattr(version, key)}
        strange = sorted(set(values) - known)
        if strange:
            issues.append(Issue(field, f"{strange[0]!r} is not in the product's {key}"))
    is_subscription = product.type is ProductType.SUBSCRIPTION
    if specifier.billing_frequency is not None and not is_subscription:
        issues.append(Issue("billing_frequency", "belongs to SUBSCRIPTION products only"))
    if specifier.billing_frequency is None and is_subscription:
        issues.append(Issue("billing_frequency", "is required for a SUBSCRIPTION product"))
    return issues


def _overwrite_issues(
    override: Override, card: RateCard | None, products: Mapping[UUID, Product]
) -> list[Issue]:
    assert override.overwrite is not None
    terms = override.overwrite
    issues = terms_issues(terms)
    unit = override.overwrite_credit_type
    if unit is not None and card is not None and unit != card.fiat_credit_type:
        known = {conversion.custom_credit_type_id for conversion in card.credit_type_conversions}
        if unit.id not in known:
            message = "must be the rate card's currency or a unit the card has a conversion for"
            issues.append(Issue("credit_type_id", message))
    limits = (minimum_spend(terms), maximum_spend(terms))
    if override.is_commit_specific and any(limit is not None for limit in limits):
        issues.append(Issue("custom_rate", "a commit-specific price cannot limit spend"))
    issues = [issue._replace(field=f"overwrite_rate.{issue.field}") for issue in issues]
    if not override.specifiers:
        issues.append(Issue("override_specifiers", "an overwrite must name its product"))
    for position, specifier in enumerate(override.specifiers):
        wrong = _overwritten_issues(override, specifier, products)
        place = f"override_specifiers[{position}]"
        issues += [Issue(f"{place}.{field}", message) for field, message in wrong]
    return issues


def _overwritten_issues(
    override: Override, specifier: OverrideSpecifier, products: Mapping[UUID, Product]
) -> list[Issue]:
    """An overwrite names one price: a product, and every pricing group value it has."""
    assert override.overwrite is not None
    if specifier.product_tags:
        return [Issue("product_tags", "an overwrite cannot address tags")]
    if specifier.product_id is None:
        return [Issue("product_id", "is required for an overwrite")]
    product = products.get(specifier.product_id)
    if product is None:
        return []  # said already
    # The specifier is what does not fit, as another one may.
    wrong = rate_type_issues(product.type, override.overwrite.rate_type)
    issues = [Issue("product_id", f"overwrite_rate.{field} {message}") for field, message in wrong]
    key = product.at(override.starting_at).pricing_group_key
    if set(specifier.pricing_group_values) != set(key):
        names = ", ".join(key) or "none"
        message = f"must give every pricing key of the product: {names}"
        issues.append(Issue("pricing_group_values", message))
    return issues
