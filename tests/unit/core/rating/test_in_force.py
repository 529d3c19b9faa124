"""The rate of subscriptions and composites at an instant."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from tests.unit.core.builders import LONG_AGO, card, flat, rate, uid, utc

from meterline.core.catalogue import Product, ProductType, ProductVersion, Rate, RateTerms, RateType
from meterline.core.contract.override import (
    Override,
    OverrideSpecifier,
    OverrideTier,
    OverrideType,
    Prioritization,
)
from meterline.core.rating import PriceList, rate_in_force

SEATS = Product(uid(10), ProductType.SUBSCRIPTION, (ProductVersion("Seats", tags=("seats",)),))
SUPPORT = Product(uid(12), ProductType.COMPOSITE, (ProductVersion("Support"),))
MARCH = utc(2026, 3, 1)
RATES = [
    replace(rate(flat("2000")), billing_frequency="MONTHLY"),
    replace(rate(flat("20000")), billing_frequency="ANNUAL"),
    replace(rate(flat("2500"), starting_at=MARCH), billing_frequency="MONTHLY"),
    rate(RateTerms(RateType.PERCENTAGE, Decimal("0.1")), product_id=uid(12)),
]
MONTHLY_SEATS = OverrideSpecifier(uid(10), billing_frequency="MONTHLY")


def override(number: int, *specifiers: OverrideSpecifier, **fields: object) -> Override:
    kind = OverrideType.MULTIPLIER if "multiplier" in fields else OverrideType.OVERWRITE
    return Override(uid(number), kind, LONG_AGO, specifiers=specifiers, **fields)  # type: ignore[arg-type]


def found(
    frequency: str | None = "MONTHLY",
    *overrides: Override,
    at: datetime = LONG_AGO,
    product: int = 10,
    rates: list[Rate] | None = None,
) -> Rate | None:
    price_list = PriceList(card(), [SEATS, SUPPORT], [], RATES if rates is None else rates)
    return rate_in_force(
        price_list, overrides, Prioritization.LOWEST_MULTIPLIER, uid(product), frequency, {}, at
    )


def price(rate_found: Rate | None) -> str | None:
    if rate_found is None:
        return None
    assert rate_found.terms.price is not None
    return format(rate_found.terms.price, "f")


@pytest.mark.parametrize(
    ("frequency", "at", "expected"),
    [
        ("MONTHLY", LONG_AGO, "2000"),
        ("ANNUAL", LONG_AGO, "20000"),
        ("WEEKLY", LONG_AGO, None),
        ("MONTHLY", utc(2026, 2, 28, 23), "2000"),
        ("MONTHLY", MARCH, "2500"),
        ("ANNUAL", MARCH, "20000"),
        ("MONTHLY", utc(2019, 1, 1), None),
    ],
)
def test_by_frequency_and_instant(frequency: str, at: datetime, expected: str | None) -> None:
    assert price(found(frequency, at=at)) == expected


def test_a_composite_has_no_frequency() -> None:
    assert price(found(None, product=12)) == "0.1"
    assert price(found(None, product=13)) is None


@pytest.mark.parametrize(
    ("given", "frequency", "expected"),
    [
        (override(1, multiplier=Decimal("0.5")), "MONTHLY", "1000.0"),
        (override(1, MONTHLY_SEATS, multiplier=Decimal("0.5")), "MONTHLY", "1000.0"),
        (override(1, MONTHLY_SEATS, multiplier=Decimal("0.5")), "ANNUAL", "20000"),
        (
            override(1, OverrideSpecifier(product_tags=("seats",)), multiplier=Decimal(0)),
            "ANNUAL",
            "0",
        ),
        (override(1, MONTHLY_SEATS, overwrite=flat("1500")), "MONTHLY", "1500"),
        (override(1, MONTHLY_SEATS, overwrite=flat("1500")), "ANNUAL", "20000"),
        (
            override(
                1, OverrideSpecifier(uid(10), billing_frequency="WEEKLY"), overwrite=flat("9")
            ),
            "WEEKLY",
            "9",
        ),
        (override(1, MONTHLY_SEATS, entitled=False), "MONTHLY", None),
        (override(1, MONTHLY_SEATS, entitled=False), "ANNUAL", "20000"),
        # What a grant pays is a question of the invoice.
        (override(1, multiplier=Decimal(0), is_commit_specific=True), "MONTHLY", "2000"),
        # One price a seat: tiers do not act.
        (
            Override(
                uid(1),
                OverrideType.TIERED,
                LONG_AGO,
                tiers=(OverrideTier(Decimal("0.5")),),
                priority=Decimal(1),
            ),
            "MONTHLY",
            "2000",
        ),
    ],
)
def test_overrides_act(given: Override, frequency: str, expected: str | None) -> None:
    assert price(found(frequency, given)) == expected


def test_a_composite_under_overrides() -> None:
    lower = override(1, multiplier=Decimal("0.5"))
    assert price(found(None, lower, product=12)) == "0.05"
    stepped = Override(
        uid(1),
        OverrideType.TIERED,
        LONG_AGO,
        tiers=(OverrideTier(Decimal(1), Decimal(1000)), OverrideTier(Decimal("0.5"))),
        priority=Decimal(1),
    )
    terms = found(None, stepped, product=12)
    assert terms is not None
    assert terms.terms.rate_type is RateType.TIERED_PERCENTAGE
    assert [tier.price for tier in terms.terms.tiers] == [Decimal("0.1"), Decimal("0.05")]


def test_the_old_form_without_a_frequency_holds_for_every_one() -> None:
    old = rate(
        RateTerms(RateType.SUBSCRIPTION, Decimal(300), quantity=Decimal(1), is_prorated=True)
    )
    assert price(found("MONTHLY", rates=[old])) == "300"
    assert price(found("ANNUAL", rates=[old])) == "300"
    assert price(found("ANNUAL", rates=[old, *RATES])) == "20000"


def test_not_entitled_is_not_sold() -> None:
    hidden = replace(RATES[0], entitled=False)
    assert found(rates=[hidden]) is None
    assert (
        price(found("MONTHLY", override(1, MONTHLY_SEATS, entitled=True), rates=[hidden])) == "2000"
    )


def test_a_product_that_an_overwrite_alone_sells_need_not_be_on_the_list() -> None:
    sold = override(1, OverrideSpecifier(uid(99), billing_frequency="MONTHLY"), overwrite=flat("5"))
    assert price(found("MONTHLY", sold, product=99)) == "5"
