"""What is wrong with an override, field by field."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from tests.unit.core.builders import card, contract, flat, product, tiered, uid, utc

from meterline.core.catalogue import (
    CreditTypeConversion,
    CustomModel,
    CustomRate,
    Product,
    ProductType,
    ProductVersion,
    RateTerms,
    RateType,
)
from meterline.core.contract.override import (
    Override,
    OverrideSpecifier,
    OverrideTarget,
    OverrideTier,
    OverrideType,
    Prioritization,
)
from meterline.core.money import USD_CENTS, CreditType
from meterline.core.rating.override_rules import override_issues

START = utc(2026, 11, 1)
CREDITS = CreditType(uid(77), "credits", False)
EXPLICIT = Prioritization.EXPLICIT
PRODUCTS = {
    one.id: one
    for one in (
        product(10),
        product(12, pricing_group_key=("model",), presentation_group_key=("user",)),
        Product(uid(13), ProductType.SUBSCRIPTION, (ProductVersion("Seats"),)),
        Product(uid(14), ProductType.COMPOSITE, (ProductVersion("Support"),)),
        Product(uid(15), ProductType.FIXED, (ProductVersion("Setup"),)),
    )
}
P10 = OverrideSpecifier(uid(10))
MULTIPLIER = Override(uid(1), OverrideType.MULTIPLIER, START, multiplier=Decimal("0.5"))
OVERWRITE = Override(uid(1), OverrideType.OVERWRITE, START, specifiers=(P10,), overwrite=flat("3"))
TIERED = Override(
    uid(1),
    OverrideType.TIERED,
    START,
    tiers=(OverrideTier(Decimal("0.9"), Decimal(10)), OverrideTier(Decimal("0.5"))),
    priority=Decimal(1),
)
LIMITED = RateTerms(
    RateType.CUSTOM,
    custom=CustomRate(CustomModel.FLAT, Decimal(1), minimum_spend=Decimal(5)),
)


def fields(override: Override, prioritization: Prioritization = EXPLICIT) -> list[str]:
    converting = card(credit_type_conversions=(CreditTypeConversion(CREDITS.id, Decimal(2)),))
    ours = replace(contract(), prioritization=prioritization)
    return [field for field, _ in override_issues(override, ours, converting, PRODUCTS)]


@pytest.mark.parametrize(
    "override",
    [
        replace(MULTIPLIER, priority=Decimal(1)),
        replace(MULTIPLIER, priority=Decimal("0.5"), multiplier=Decimal(0)),
        replace(
            MULTIPLIER,
            priority=Decimal(1),
            specifiers=(P10, OverrideSpecifier(product_tags=("a",))),
        ),
        replace(
            MULTIPLIER,
            priority=Decimal(1),
            specifiers=(OverrideSpecifier(uid(12), (), {"model": "a"}, {"user": None}),),
        ),
        replace(
            MULTIPLIER,
            priority=Decimal(1),
            specifiers=(OverrideSpecifier(uid(10), grant_ids=(uid(71),)),),
            is_commit_specific=True,
            target=OverrideTarget.COMMIT_RATE,
        ),
        OVERWRITE,
        replace(OVERWRITE, overwrite=tiered(("1", "5"), ("2", None)), entitled=True),
        replace(OVERWRITE, overwrite=LIMITED, overwrite_credit_type=CREDITS),
        replace(OVERWRITE, overwrite=None, entitled=False),
        replace(OVERWRITE, overwrite=None, entitled=True, specifiers=()),
        replace(OVERWRITE, specifiers=(OverrideSpecifier(uid(12), (), {"model": "a"}),)),
        replace(OVERWRITE, specifiers=(OverrideSpecifier(uid(13), billing_frequency="MONTHLY"),)),
        replace(
            OVERWRITE,
            specifiers=(OverrideSpecifier(uid(14)),),
            overwrite=RateTerms(RateType.PERCENTAGE, Decimal("0.1")),
        ),
        TIERED,
    ],
)
def test_sound_overrides(override: Override) -> None:
    assert fields(override) == []


def test_without_explicit_priorities_a_multiplier_needs_none() -> None:
    assert fields(MULTIPLIER, Prioritization.LOWEST_MULTIPLIER) == []


@pytest.mark.parametrize(
    ("override", "field"),
    [
        (replace(OVERWRITE, starting_at=START + timedelta(minutes=1)), "starting_at"),
        (replace(OVERWRITE, ending_before=START), "ending_before"),
        (replace(OVERWRITE, ending_before=START + timedelta(hours=1.5)), "ending_before"),
        (MULTIPLIER, "priority"),
        (replace(MULTIPLIER, priority=Decimal(0)), "priority"),
        (replace(MULTIPLIER, priority=Decimal(-1)), "priority"),
        (replace(MULTIPLIER, priority=Decimal(1), multiplier=None), "multiplier"),
        (replace(MULTIPLIER, priority=Decimal(1), multiplier=Decimal(-1)), "multiplier"),
        (replace(MULTIPLIER, priority=Decimal(1), multiplier=Decimal("1e7")), "multiplier"),
        (
            replace(MULTIPLIER, priority=Decimal(1), overwrite=flat("1"), specifiers=(P10,)),
            "overwrite_rate",
        ),
        (replace(OVERWRITE, overwrite=None), "overwrite_rate"),
        (replace(OVERWRITE, overwrite=flat("-3")), "overwrite_rate.price"),
        (replace(OVERWRITE, overwrite=tiered(("1", "5"))), "overwrite_rate.tiers[0].size"),
        (
            replace(OVERWRITE, overwrite_credit_type=CreditType(uid(78), "other", False)),
            "overwrite_rate.credit_type_id",
        ),
        (
            replace(OVERWRITE, overwrite=LIMITED, is_commit_specific=True),
            "overwrite_rate.custom_rate",
        ),
        (replace(OVERWRITE, specifiers=()), "override_specifiers"),
        (
            replace(OVERWRITE, specifiers=(OverrideSpecifier(product_tags=("a",)),)),
            "override_specifiers[0].product_tags",
        ),
        (
            replace(
                OVERWRITE, specifiers=(OverrideSpecifier(pricing_group_values={"model": "a"}),)
            ),
            "override_specifiers[0].product_id",
        ),
        (
            replace(OVERWRITE, specifiers=(OverrideSpecifier(uid(12)),)),
            "override_specifiers[0].pricing_group_values",
        ),
        (
            replace(
                OVERWRITE,
                specifiers=(OverrideSpecifier(uid(12), (), {"model": "a"}, {"user": "u"}),),
            ),
            "override_specifiers[0].presentation_group_values",
        ),
        (
            replace(OVERWRITE, specifiers=(P10, OverrideSpecifier(uid(14)))),
            "override_specifiers[1].product_id",
        ),
        (
            replace(OVERWRITE, specifiers=(OverrideSpecifier(uid(15)),)),
            "override_specifiers[0].product_id",
        ),
        (
            replace(OVERWRITE, specifiers=(OverrideSpecifier(uid(99)),)),
            "override_specifiers[0].product_id",
        ),
        (
            replace(OVERWRITE, specifiers=(OverrideSpecifier(uid(13)),)),
            "override_specifiers[0].billing_frequency",
        ),
        (
            replace(
                OVERWRITE, specifiers=(OverrideSpecifier(uid(10), billing_frequency="MONTHLY"),)
            ),
            "override_specifiers[0].billing_frequency",
        ),
        (
            replace(MULTIPLIER, priority=Decimal(1), specifiers=(OverrideSpecifier(),)),
            "override_specifiers[0].product_id",
        ),
        (
            replace(
                MULTIPLIER,
                priority=Decimal(1),
                specifiers=(OverrideSpecifier(uid(10), (), {"model": "a"}),),
            ),
            "override_specifiers[0].pricing_group_values",
        ),
        (
            replace(
                MULTIPLIER,
                priority=Decimal(1),
                specifiers=(OverrideSpecifier(uid(10), grant_ids=(uid(71),)),),
            ),
            "override_specifiers[0].commit_ids",
        ),
        (
            replace(
                MULTIPLIER,
                priority=Decimal(1),
                is_commit_specific=True,
                specifiers=(OverrideSpecifier(grant_ids=(uid(71),)),),
            ),
            "override_specifiers[0].commit_ids",
        ),
        (replace(MULTIPLIER, priority=Decimal(1), target=OverrideTarget.COMMIT_RATE), "target"),
        (replace(OVERWRITE, is_commit_specific=True, entitled=True), "entitled"),
        (replace(TIERED, tiers=()), "tiers"),
        (replace(TIERED, priority=None), "priority"),
        (replace(TIERED, tiers=TIERED.tiers[:1]), "tiers[0].size"),
        (replace(TIERED, tiers=(TIERED.tiers[1], TIERED.tiers[1])), "tiers[0].size"),
        (replace(TIERED, tiers=(OverrideTier(Decimal(-1)),)), "tiers[0].multiplier"),
    ],
)
def test_each_fault_names_its_field(override: Override, field: str) -> None:
    assert fields(override) == [field]


def test_tiers_need_explicit_priorities() -> None:
    assert fields(TIERED, Prioritization.LOWEST_MULTIPLIER) == ["type"]


def test_without_a_rate_card_there_is_nothing_to_override() -> None:
    found = override_issues(OVERWRITE, contract(), None, PRODUCTS)
    assert [issue.message for issue in found] == ["a contract without a rate card has no prices"]
    assert (
        override_issues(
            replace(OVERWRITE, overwrite_credit_type=USD_CENTS), contract(), card(), PRODUCTS
        )
        == []
    )
