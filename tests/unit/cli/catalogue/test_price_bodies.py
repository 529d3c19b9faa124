"""Prices as people write them, as the API takes them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from meterline.cli.catalogue.price_bodies import PriceWriter
from meterline.cli.catalogue.prices import Price
from meterline.cli.catalogue.requests import Ref
from meterline.cli.catalogue.source import Source
from meterline.cli.client import CommandError

SOURCE = Source(Path("prices.yaml"), None)


def terms(currency: str = "USD", *, composite: bool = False, **price: Any) -> dict[str, Any]:
    writer = PriceWriter(SOURCE, currency, composite=composite)
    return writer.terms(msgspec.convert(price, Price), ("rate",))


@pytest.mark.parametrize(
    ("usd", "per", "cents"),
    [
        ("0.50", 1, "50"),
        ("2.50", 1_000_000, "0.00025"),
        ("0.002", 1, "0.2"),
        ("1", 4, "25"),
        ("0", 7, "0"),
        ("0.0000001", 1, "0.00001"),
        ("1", "0.5", "200"),
    ],
)
def test_dollars_are_cents_a_unit(usd: str, per: Any, cents: str) -> None:
    assert terms(usd=usd, per=per) == {"rate_type": "FLAT", "price": Decimal(cents)}


def test_other_currencies_and_units_are_whole() -> None:
    assert terms("EUR", price="0.50") == {"rate_type": "FLAT", "price": Decimal("0.5")}
    assert terms(price="0.50", unit="credits")["price"] == Decimal("0.5")
    assert terms(price="0.50") == {"rate_type": "FLAT", "price": Decimal(50)}


def test_a_unit_of_its_own_is_a_reference() -> None:
    writer = PriceWriter(SOURCE, "USD")
    assert writer.unit_id("credits", ()) == Ref("unit", "credits")
    assert writer.unit_id(None, ()) == "2714e483-4ff1-48e4-9e25-ac732e8f24f2"


def test_tiers_by_size_and_by_reach_are_the_same() -> None:
    by_size = terms(tiers=[{"usd": 3, "size": 1000}, {"usd": 2, "size": 500}, {"usd": 1}], per=10)
    by_reach = terms(
        tiers=[{"usd": 3, "up_to": 1000}, {"usd": 2, "up_to": 1500}, {"usd": 1}], per=10
    )
    assert (
        by_size
        == by_reach
        == {
            "rate_type": "TIERED",
            "tiers": [
                {"price": Decimal(30), "size": Decimal(1000)},
                {"price": Decimal(20), "size": Decimal(500)},
                {"price": Decimal(10)},
            ],
        }
    )


@pytest.mark.parametrize(
    ("price", "custom"),
    [
        ({"percent": "2.9"}, {"model": "PERCENTAGE", "price": Decimal("0.029")}),
        (
            {"tiers": [{"percent": 3, "size": 100}, {"percent": "2.5"}]},
            {
                "model": "GRADUATED_PERCENTAGE",
                "tiers": [
                    {"price": Decimal("0.03"), "size": Decimal(100)},
                    {"price": Decimal("0.025")},
                ],
            },
        ),
        (
            {"model": "volume", "tiers": [{"usd": 2, "size": 10}, {"usd": 1}]},
            {
                "model": "VOLUME",
                "tiers": [{"price": Decimal(200), "size": Decimal(10)}, {"price": Decimal(100)}],
            },
        ),
        (
            {"model": "package", "usd": "8.33", "package_size": 1000},
            {"model": "PACKAGE", "price": Decimal(833), "package_size": Decimal(1000)},
        ),
        (
            {"usd": "0.10", "minimum_usd": 20, "maximum_usd": "1000"},
            {
                "model": "FLAT",
                "price": Decimal(10),
                "minimum_spend": Decimal(2000),
                "maximum_spend": Decimal(100_000),
            },
        ),
        (
            {"tiers": [{"usd": 1, "size": 5, "fee_usd": 10}, {"usd": 2}]},
            {
                "model": "TIERED",
                "tiers": [
                    {"price": Decimal(100), "size": Decimal(5), "flat_fee": Decimal(1000)},
                    {"price": Decimal(200)},
                ],
            },
        ),
    ],
)
def test_models_beyond_flat_and_tiered(price: dict[str, Any], custom: dict[str, Any]) -> None:
    assert terms(**price) == {"rate_type": "CUSTOM", "custom_rate": custom}


def test_composites_have_rate_types_of_their_own() -> None:
    assert terms(composite=True, percent=10) == {"rate_type": "PERCENTAGE", "price": Decimal("0.1")}
    tiered = terms(composite=True, tiers=[{"percent": 10, "size": 1}, {"percent": 5}])
    assert tiered["rate_type"] == "TIERED_PERCENTAGE"


@pytest.mark.parametrize(
    ("price", "words"),
    [
        ({}, "exactly one of usd"),
        ({"usd": 1, "price": 1}, "exactly one of usd"),
        ({"usd": 1, "tiers": [{"usd": 1}]}, "either one price or tiers"),
        ({"usd": 1, "per": 3}, "not an exact price"),
        ({"usd": 1, "per": 0}, "greater than zero"),
        ({"usd": "NaN"}, "finite"),
        ({"usd": 1, "unit": "credits"}, "usd is dollars, but the unit is credits"),
        ({"tiers": [{"usd": 1}, {"usd": 2}]}, "every tier but the last"),
        ({"tiers": [{"usd": 1, "size": 2}]}, "every tier but the last"),
        ({"tiers": [{"usd": 1, "size": 2, "up_to": 2}, {"usd": 1}]}, "either size or up_to"),
        ({"model": "guess", "usd": 1}, r"rate\.model: must be one of"),
        ({"tiers": [{"size": 2}, {"usd": 1}]}, r"rate\.tiers\[0\]: give exactly one"),
    ],
)
def test_what_is_no_price_is_refused_with_its_place(price: dict[str, Any], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        terms(**price)
