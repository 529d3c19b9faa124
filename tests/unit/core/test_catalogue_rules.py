from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from tests.unit.core.builders import card, flat, metric, product, rate, tiered, uid, utc

from meterline.core.catalogue import (
    CreditTypeConversion,
    Operation,
    ProductType,
    ProductVersion,
    QuantityConversion,
    QuantityRounding,
    Rate,
    RateTerms,
    RateType,
    RoundingMethod,
    Tier,
)
from meterline.core.catalogue_rules import product_issues, rate_issues, terms_issues
from meterline.core.errors import Invalid, require
from meterline.core.money import CreditType

METRIC = metric(group_keys=[("model",), ("model", "region")])
SOUND = ProductVersion("Tokens", billable_metric_id=METRIC.id)
CREDITS = CreditType(uid(77), "credits", False)


def fields(issues: list[tuple[str, str]]) -> list[str]:
    return [field for field, _ in issues]


@pytest.mark.parametrize(
    "version",
    [
        SOUND,
        replace(SOUND, pricing_group_key=("model",)),
        replace(SOUND, presentation_group_key=("model",)),
        replace(SOUND, pricing_group_key=("region",), presentation_group_key=("model",)),
        replace(SOUND, quantity_rounding=QuantityRounding(RoundingMethod.ROUND_UP, 0)),
    ],
)
def test_sound_products(version: ProductVersion) -> None:
    assert product_issues(ProductType.USAGE, version, METRIC) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"starting_at": utc(2026, 1, 1) + timedelta(minutes=1)}, "starting_at"),
        ({"billable_metric_id": None}, "billable_metric_id"),
        ({"pricing_group_key": ("region",)}, "pricing_group_key"),
        ({"presentation_group_key": ("region",)}, "presentation_group_key"),
        ({"pricing_group_key": ("model", "model")}, "pricing_group_key"),
        (
            {"pricing_group_key": ("model",), "presentation_group_key": ("model",)},
            "presentation_group_key",
        ),
        (
            {"quantity_conversion": QuantityConversion(Decimal(0), Operation.DIVIDE)},
            "quantity_conversion.conversion_factor",
        ),
        (
            {"quantity_conversion": QuantityConversion(Decimal(-1), Operation.MULTIPLY)},
            "quantity_conversion.conversion_factor",
        ),
        (
            {"quantity_rounding": QuantityRounding(RoundingMethod.ROUND_UP, -1)},
            "quantity_rounding.decimal_places",
        ),
    ],
)
def test_each_fault_of_a_product_names_its_field(changes: dict[str, object], field: str) -> None:
    assert fields(product_issues(ProductType.USAGE, replace(SOUND, **changes), METRIC)) == [field]


def test_a_metric_that_does_not_exist() -> None:
    assert product_issues(ProductType.USAGE, SOUND, None) == [
        ("billable_metric_id", "names no billable metric")
    ]


def test_other_types_need_no_metric() -> None:
    assert product_issues(ProductType.FIXED, ProductVersion("Setup"), None) == []


@pytest.mark.parametrize("terms", [flat("0"), flat("1e-12"), tiered(("1", "10"), ("0.5", None))])
def test_sound_terms(terms: RateTerms) -> None:
    assert terms_issues(terms) == []


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (RateTerms(RateType.FLAT), "price"),
        (flat("-1"), "price"),
        (flat("1e-19"), "price"),
        (flat("NaN"), "price"),
        (RateTerms(RateType.FLAT, Decimal(1), (Tier(Decimal(1)),)), "tiers"),
        (RateTerms(RateType.TIERED), "tiers"),
        (RateTerms(RateType.TIERED, Decimal(1), (Tier(Decimal(1)),)), "price"),
        (tiered(("1", "10")), "tiers[0].size"),
        (tiered(("1", None), ("1", None)), "tiers[0].size"),
        (tiered(("1", "0"), ("1", None)), "tiers[0].size"),
        (tiered(("1", "-5"), ("1", None)), "tiers[0].size"),
        (tiered(("1", "10"), ("-1", None)), "tiers[1].price"),
        (RateTerms(RateType.CUSTOM), "custom_rate"),
    ],
)
def test_each_fault_of_terms_names_its_field(terms: RateTerms, field: str) -> None:
    assert fields(terms_issues(terms)) == [field]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (rate(flat("1"), starting_at=utc(2026, 1, 1) + timedelta(seconds=1)), "starting_at"),
        (
            rate(
                flat("1"),
                starting_at=utc(2026, 1, 1),
                ending_before=utc(2026, 1, 2) + timedelta(minutes=30),
            ),
            "ending_before",
        ),
        (
            rate(flat("1"), starting_at=utc(2026, 1, 1), ending_before=utc(2026, 1, 1)),
            "ending_before",
        ),
        (rate(flat("1"), values={"model": "a"}), "pricing_group_values"),
        (rate(flat("1"), credit_type=CREDITS), "credit_type_id"),
    ],
)
def test_each_fault_of_a_rate_names_its_field(wrong: Rate, field: str) -> None:
    assert fields(rate_issues(wrong, product(), card())) == [field]


def test_a_dimensional_rate_gives_every_pricing_key() -> None:
    dimensional = product(pricing_group_key=("model", "region"))
    partial = rate(flat("1"), values={"model": "a"})
    whole = rate(flat("1"), values={"region": "eu", "model": "a"})
    assert rate_issues(partial, dimensional, card()) == [
        ("pricing_group_values", "must give every pricing key of the product: model, region")
    ]
    assert rate_issues(whole, dimensional, card()) == []


def test_a_custom_unit_needs_a_conversion_on_the_card() -> None:
    converting = card(credit_type_conversions=(CreditTypeConversion(CREDITS.id, Decimal(2)),))
    assert rate_issues(rate(flat("1"), credit_type=CREDITS), product(), converting) == []


def test_require_raises_the_first_issue() -> None:
    require([])
    with pytest.raises(Invalid) as refused:
        require(terms_issues(tiered(("-1", "0"), ("1", None))))
    assert (refused.value.field, refused.value.message) == (
        "tiers[0].price",
        "must not be negative",
    )
    assert str(refused.value) == "tiers[0].price: must not be negative"
