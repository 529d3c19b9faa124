"""What is wrong with the terms of a rate, field by field."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.unit.core.builders import card, flat, product, rate, tiered

from meterline.core.catalogue import (
    CustomModel,
    CustomRate,
    Product,
    ProductType,
    Rate,
    RateTerms,
    RateType,
    Tier,
)
from meterline.core.catalogue_rules import composite_issues, rate_issues
from meterline.core.terms_rules import terms_issues

ONE = Decimal(1)
HALF = Decimal("0.5")
LAST = (Tier(ONE),)


def custom(model: CustomModel, **fields: object) -> RateTerms:
    return RateTerms(RateType.CUSTOM, custom=CustomRate(model, **fields))  # type: ignore[arg-type]


def fields(terms: RateTerms) -> list[str]:
    return [field for field, _ in terms_issues(terms)]


@pytest.mark.parametrize(
    "terms",
    [
        flat("0"),
        flat("99999999999999999999.999999999999999999"),
        tiered(("1", "10"), ("0", None)),
        RateTerms(RateType.PERCENTAGE, Decimal(0)),
        RateTerms(RateType.PERCENTAGE, ONE),
        RateTerms(RateType.TIERED_PERCENTAGE, tiers=(Tier(HALF, ONE), Tier(ONE))),
        RateTerms(RateType.SUBSCRIPTION, ONE, quantity=Decimal(0), is_prorated=True),
        RateTerms(RateType.SUBSCRIPTION, ONE),
        custom(CustomModel.FLAT, price=ONE, minimum_spend=ONE, maximum_spend=ONE),
        custom(CustomModel.PERCENTAGE, price=HALF, maximum_spend=Decimal(0)),
        custom(CustomModel.PACKAGE, price=ONE, package_size=Decimal("0.1")),
        custom(CustomModel.TIERED, tiers=(Tier(ONE, ONE, ONE), Tier(ONE))),
        custom(CustomModel.VOLUME, tiers=LAST),
        custom(CustomModel.GRADUATED_PERCENTAGE, tiers=(Tier(HALF, ONE, Decimal(30)), Tier(ONE))),
    ],
)
def test_sound_terms(terms: RateTerms) -> None:
    assert fields(terms) == []


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (flat("9" * 40), "price"),
        (flat("0." + "1" * 40), "price"),
        (flat("Infinity"), "price"),
        (replace(flat("1"), quantity=ONE), "quantity"),
        (replace(flat("1"), is_prorated=True), "is_prorated"),
        (replace(flat("1"), custom=CustomRate(CustomModel.FLAT, ONE)), "custom_rate"),
        (RateTerms(RateType.PERCENTAGE), "price"),
        (RateTerms(RateType.PERCENTAGE, Decimal("1.000001")), "price"),
        (RateTerms(RateType.PERCENTAGE, Decimal("-0.1")), "price"),
        (RateTerms(RateType.PERCENTAGE, HALF, LAST), "tiers"),
        (RateTerms(RateType.TIERED_PERCENTAGE), "tiers"),
        (RateTerms(RateType.TIERED_PERCENTAGE, tiers=(Tier(Decimal(2)),)), "tiers[0].price"),
        (RateTerms(RateType.TIERED, tiers=(Tier(ONE, ONE, ONE), Tier(ONE))), "tiers[0].flat_fee"),
        (tiered(("1", "1e21"), ("1", None)), "tiers[0].size"),
        (tiered(("1", "5"), ("9" * 40, None)), "tiers[1].price"),
        (RateTerms(RateType.SUBSCRIPTION), "price"),
        (RateTerms(RateType.SUBSCRIPTION, ONE, quantity=-ONE), "quantity"),
        (RateTerms(RateType.SUBSCRIPTION, ONE, is_prorated=False), "is_prorated"),
        (RateTerms(RateType.CUSTOM), "custom_rate"),
        (
            RateTerms(RateType.CUSTOM, ONE, custom=CustomRate(CustomModel.FLAT, ONE)),
            "price",
        ),
        (custom(CustomModel.FLAT), "custom_rate.price"),
        (custom(CustomModel.FLAT, price=ONE, tiers=LAST), "custom_rate.tiers"),
        (custom(CustomModel.FLAT, price=ONE, package_size=ONE), "custom_rate.package_size"),
        (custom(CustomModel.PERCENTAGE, price=Decimal(3)), "custom_rate.price"),
        (custom(CustomModel.PACKAGE, price=ONE), "custom_rate.package_size"),
        (
            custom(CustomModel.PACKAGE, price=ONE, package_size=Decimal(0)),
            "custom_rate.package_size",
        ),
        (
            custom(CustomModel.PACKAGE, price=ONE, package_size=-ONE),
            "custom_rate.package_size",
        ),
        (custom(CustomModel.PACKAGE, package_size=ONE), "custom_rate.price"),
        (custom(CustomModel.VOLUME), "custom_rate.tiers"),
        (custom(CustomModel.VOLUME, price=ONE, tiers=LAST), "custom_rate.price"),
        (custom(CustomModel.VOLUME, tiers=(Tier(ONE, ONE),)), "custom_rate.tiers[0].size"),
        (
            custom(CustomModel.VOLUME, tiers=(Tier(ONE), Tier(ONE))),
            "custom_rate.tiers[0].size",
        ),
        (
            custom(CustomModel.TIERED, tiers=(Tier(ONE, ONE, -ONE), Tier(ONE))),
            "custom_rate.tiers[0].flat_fee",
        ),
        (
            custom(CustomModel.GRADUATED_PERCENTAGE, tiers=(Tier(Decimal(2)),)),
            "custom_rate.tiers[0].price",
        ),
        (
            custom(CustomModel.FLAT, price=ONE, minimum_spend=-ONE),
            "custom_rate.minimum_spend",
        ),
        (
            custom(CustomModel.FLAT, price=ONE, maximum_spend=Decimal("9" * 40)),
            "custom_rate.maximum_spend",
        ),
        (
            custom(CustomModel.FLAT, price=ONE, minimum_spend=ONE, maximum_spend=HALF),
            "custom_rate.minimum_spend",
        ),
    ],
)
def test_each_fault_names_its_field(terms: RateTerms, field: str) -> None:
    assert fields(terms) == [field]


FRACTION = RateTerms(RateType.PERCENTAGE, HALF)
OLD_FORM = RateTerms(RateType.SUBSCRIPTION, ONE)
MONTHLY = {"billing_frequency": "MONTHLY"}


def of_type(kind: ProductType) -> Product:
    return replace(product(), type=kind)


def with_fields(terms: RateTerms, **fields: object) -> Rate:
    return replace(rate(terms), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "sound"),
    [
        (ProductType.USAGE, rate(flat("1"))),
        (ProductType.USAGE, rate(FRACTION)),
        (ProductType.USAGE, rate(custom(CustomModel.VOLUME, tiers=LAST))),
        (ProductType.USAGE, with_fields(flat("1"), commit_terms=tiered(("1", None)))),
        (ProductType.SUBSCRIPTION, with_fields(flat("1"), **MONTHLY)),
        (ProductType.SUBSCRIPTION, rate(OLD_FORM)),
        (ProductType.COMPOSITE, rate(FRACTION)),
    ],
)
def test_what_may_be_priced_how(kind: ProductType, sound: Rate) -> None:
    assert rate_issues(sound, of_type(kind), card()) == []


@pytest.mark.parametrize(
    ("kind", "wrong", "field"),
    [
        (ProductType.USAGE, rate(OLD_FORM), "rate_type"),
        (ProductType.USAGE, with_fields(flat("1"), **MONTHLY), "billing_frequency"),
        (
            ProductType.USAGE,
            with_fields(flat("1"), commit_terms=flat("-1")),
            "commit_rate.price",
        ),
        (
            ProductType.USAGE,
            with_fields(flat("1"), commit_terms=OLD_FORM),
            "commit_rate.rate_type",
        ),
        (ProductType.SUBSCRIPTION, rate(flat("1")), "billing_frequency"),
        (
            ProductType.SUBSCRIPTION,
            with_fields(tiered(("1", None)), **MONTHLY),
            "rate_type",
        ),
        (
            ProductType.SUBSCRIPTION,
            with_fields(flat("1"), commit_terms=flat("1"), **MONTHLY),
            "commit_rate",
        ),
        (ProductType.COMPOSITE, rate(flat("1")), "rate_type"),
        (ProductType.FIXED, rate(flat("1")), "product_id"),
        (ProductType.PRO_SERVICE, rate(flat("1")), "product_id"),
    ],
)
def test_what_may_not(kind: ProductType, wrong: Rate, field: str) -> None:
    assert [issue.field for issue in rate_issues(wrong, of_type(kind), card())] == [field]


def test_a_composite_charges_on_what_has_a_price() -> None:
    usage, setup = product(10), replace(product(12), type=ProductType.FIXED)
    version = replace(
        product().versions[0], composite_product_ids=(usage.id, setup.id, product(13).id)
    )
    found = composite_issues(version, {usage.id: usage, setup.id: setup})
    assert [issue.field for issue in found] == [
        "composite_product_ids[1]",
        "composite_product_ids[2]",
    ]
