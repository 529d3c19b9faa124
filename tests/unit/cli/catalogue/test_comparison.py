"""What differs between a file and a platform, and from when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from meterline.cli.catalogue.comparison import differences
from meterline.cli.catalogue.differences import Action, Difference, counts
from meterline.cli.catalogue.model import CatalogueFile
from meterline.cli.catalogue.platform import Found
from meterline.cli.catalogue.source import Source
from meterline.cli.client import CommandError
from meterline.core.money import USD_CENTS

SOURCE = Source(Path("c.yaml"), None)
NOW = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
HOUR = "2026-11-23T20:00:00Z"
USD = {"id": str(USD_CENTS.id), "name": USD_CENTS.name}

FILE: dict[str, Any] = {
    "metrics": [{"name": "Tokens", "sum": "tokens", "group_keys": [["model"]]}],
    "products": [{"name": "Tokens", "metric": "Tokens", "pricing_group_key": ["model"]}],
    "rate_cards": [
        {
            "name": "List",
            "starting_at": "2026-01-01",
            "rates": [{"product": "Tokens", "usd": "2.50", "group": {"model": "a"}}],
        }
    ],
}


def compared(found: Found, **changes: Any) -> list[Difference]:
    wanted = msgspec.convert(FILE | changes, CatalogueFile)
    return differences(SOURCE, wanted, found)


def one_rate(**rate: Any) -> dict[str, Any]:
    return rates({"product": "Tokens", "usd": "2.50", "group": {"model": "a"}} | rate)


def rates(*rows: Mapping[str, Any]) -> dict[str, Any]:
    card = {"name": "List", "starting_at": "2026-01-01", "rates": [dict(row) for row in rows]}
    return {"rate_cards": [card]}


def segment(price: str, start: str, end: str | None = None, **more: Any) -> dict[str, Any]:
    rate = {"rate_type": "FLAT", "price": Decimal(price), "credit_type": USD} | more.pop("rate", {})
    return {
        "product_id": "p1",
        "product_name": "Tokens",
        "entitled": True,
        "rate": rate,
        "starting_at": start,
        "pricing_group_values": {"model": "a"},
        **({} if end is None else {"ending_before": end}),
        **more,
    }


@pytest.fixture
def empty() -> Found:
    return Found(NOW)


@pytest.fixture
def full() -> Found:
    return Found(
        NOW,
        ids={("metric", "Tokens"): "m1", ("product", "Tokens"): "p1", ("rate card", "List"): "c1"},
        metrics={
            "Tokens": {
                "id": "m1",
                "aggregation_type": "SUM",
                "aggregation_key": "tokens",
                "group_keys": [["model"]],
                "property_filters": [
                    {"name": "tokens", "exists": True},
                    {"name": "model", "exists": True},
                ],
            }
        },
        products={
            "Tokens": {
                "id": "p1",
                "type": "USAGE",
                "current": {
                    "name": "Tokens",
                    "billable_metric_id": "m1",
                    "pricing_group_key": ["model"],
                },
            }
        },
        cards={
            "List": {
                "id": "c1",
                "fiat_credit_type": USD,
                "aliases": [],
                "credit_type_conversions": [],
            }
        },
        rates={"List": [segment("250", "2026-01-01T00:00:00Z")]},
    )


def test_an_empty_platform_lacks_all_of_it(empty: Found) -> None:
    found = compared(empty)
    assert counts(found, Action.CREATE) == {
        "metrics": 1,
        "products": 1,
        "rate cards": 1,
        "rates": 1,
    }
    assert [one.since for one in found] == [None, None, None, "2026-01-01T00:00:00Z"]


def test_a_platform_that_has_it_lacks_nothing(full: Found) -> None:
    assert compared(full) == []


def test_a_dearer_price_holds_from_this_hour_on(full: Found) -> None:
    (change,) = compared(full, **one_rate(usd="3"))
    assert (change.action, change.kind, change.since) == (Action.CHANGE, "rate", HOUR)
    assert change.details == ("$2.50 → $3",)
    assert change.requests[0].item is not None
    assert change.requests[0].item["price"] == Decimal(300)


@pytest.mark.parametrize(
    "rate",
    [
        {"entitled": False},
        {"commit": {"usd": 1}},
        {"ending_before": "2027-01-01"},
        {"usd": None, "tiers": [{"usd": 1, "size": 5}, {"usd": 2}]},
        {"model": "package", "package_size": 10},
    ],
)
def test_any_other_term_is_a_change_too(full: Found, rate: dict[str, Any]) -> None:
    (change,) = compared(full, **one_rate(**rate))
    assert change.action is Action.CHANGE


def test_a_price_is_found_again_whatever_its_digits(full: Found) -> None:
    assert compared(full, **one_rate(usd="2.500")) == []
    assert compared(full, **one_rate(usd="2500000", per=1_000_000)) == []


def test_tiers_and_custom_rates_are_found_again(full: Found) -> None:
    tiers = [{"price": 100, "size": Decimal("5.0")}, {"price": Decimal("200.00")}]
    shown = {"rate_type": "TIERED", "price": None, "tiers": tiers}
    full.rates["List"] = [segment("0", "2026-01-01T00:00:00Z", rate=shown)]
    tiered = {"usd": None, "tiers": [{"usd": 1, "size": 5}, {"usd": 2}]}
    assert compared(full, **one_rate(**tiered)) == []
    custom = {"model": "PACKAGE", "price": 250, "package_size": "10", "tiers": None}
    shown = {"rate_type": "CUSTOM", "price": None, "custom_rate": custom}
    full.rates["List"] = [segment("0", "2026-01-01T00:00:00Z", rate=shown)]
    assert compared(full, **one_rate(model="package", package_size=10)) == []
    (change,) = compared(full, **one_rate(model="package", package_size=11))
    assert change.details == ("package $2.50 for each 10 → package $2.50 for each 11",)


def test_a_price_of_another_group_is_a_new_one(full: Found) -> None:
    fresh = {"product": "Tokens", "usd": 1, "group": {"model": "b"}}
    old = {"product": "Tokens", "usd": "2.50", "group": {"model": "a"}}
    (added,) = compared(full, **rates(old, fresh))
    assert (added.action, added.since) == (Action.CREATE, HOUR), "the past is not billed anew"


def test_a_scheduled_price_is_added_and_found_again(full: Found) -> None:
    now = {"product": "Tokens", "usd": "2.50", "group": {"model": "a"}}
    later = now | {"usd": 3, "starting_at": "2027-01-01"}
    (added,) = compared(full, **rates(now, later))
    assert (added.action, added.since) == (Action.CHANGE, "2027-01-01T00:00:00Z")
    full.rates["List"] = [
        segment("250", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        segment("300", "2027-01-01T00:00:00Z"),
    ]
    assert compared(full, **rates(now, later)) == []
    full.now = datetime(2027, 2, 1, tzinfo=UTC)  # what was to come has come
    assert compared(full, **rates(now, later)) == []


def test_the_past_is_rewritten_only_where_the_file_says_when(full: Found) -> None:
    first = {"product": "Tokens", "usd": 2, "group": {"model": "a"}}
    second = first | {"usd": 3, "starting_at": "2026-06-01"}
    full.rates["List"] = [
        segment("250", "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"),
        segment("300", "2026-06-01T00:00:00Z"),
    ]
    (refused,) = compared(full, **rates(first, second))
    assert refused.action is Action.IMPOSSIBLE
    assert "say starting_at" in refused.details[0]
    (change,) = compared(full, **rates(first | {"starting_at": "2026-01-01"}, second))
    assert (change.action, change.since) == (Action.CHANGE, "2026-01-01T00:00:00Z")
    assert "final invoices stay" in change.details[1]


def test_a_future_card_is_found_again(full: Found) -> None:
    card = {"name": "List", "starting_at": "2027-01-01"}
    card |= {"rates": [{"product": "Tokens", "usd": "2.50", "group": {"model": "a"}}]}
    full.rates["List"] = [segment("250", "2027-01-01T00:00:00Z")]
    assert compared(full, rate_cards=[card]) == []


def test_the_unit_of_a_price_cannot_change(full: Found) -> None:
    full.ids["unit", "credits"] = "u1"
    (refused,) = compared(full, **one_rate(usd=None, price=1, unit="credits"))
    assert (refused.action, refused.kind) == (Action.IMPOSSIBLE, "rate")


@pytest.mark.parametrize(
    "metric",
    [
        {"max": "tokens"},
        {"sum": "bytes"},
        {"sum": "tokens", "group_keys": []},
        {"sum": "tokens", "group_keys": [["model"]], "event_types": ["x"]},
        {"sum": "tokens", "group_keys": [["model"]], "event_maximum": 5},
        {"sum": "tokens", "group_keys": [["model"]], "filters": [{"property": "a", "in": ["b"]}]},
    ],
)
def test_metrics_cannot_change(full: Found, metric: dict[str, Any]) -> None:
    found = compared(full, metrics=[{"name": "Tokens"} | metric])
    assert found
    assert all(one.action is Action.IMPOSSIBLE for one in found)
    assert all("metrics cannot change" in one.details[0] for one in found)


def test_a_product_changes_from_this_hour_on(full: Found) -> None:
    product = FILE["products"][0] | {"tags": ["llm"], "conversion": {"divide": 1000}}
    (change,) = compared(full, products=[product])
    assert (change.action, change.since) == (Action.CHANGE, HOUR)
    assert change.details == ("tags", "quantity conversion")
    body = change.requests[0].body
    assert body["product_id"] == "p1"
    assert body["quantity_conversion"] == {"conversion_factor": 1000, "operation": "DIVIDE"}
    assert "pricing_group_key" not in body


def test_a_product_cannot_become_another_type(full: Found) -> None:
    full.products["Tokens"]["type"] = "FIXED"
    (refused,) = compared(full)
    assert refused.action is Action.IMPOSSIBLE


def test_a_card_keeps_its_currency_and_conversions(full: Found) -> None:
    card = FILE["rate_cards"][0] | {"units": {"credits": "0.10"}}
    full.ids["unit", "credits"] = "u1"
    (added,) = compared(full, rate_cards=[card])
    row = added.requests[0].body["add_credit_type_conversions"][0]
    assert row["fiat_per_custom_credit"] == Decimal(10)
    shown = {
        "custom_credit_type": {"id": "u1", "name": "credits"},
        "fiat_per_custom_credit": "10.0",
    }
    full.cards["List"]["credit_type_conversions"] = [shown]
    assert compared(full, rate_cards=[card]) == []
    (refused,) = compared(full, rate_cards=[card | {"units": {"credits": "0.20"}}])
    assert refused.action is Action.IMPOSSIBLE
    euro = {"name": "List", "currency": "EUR"}
    (refused,) = compared(full, rate_cards=[euro])
    assert "cannot change" in refused.details[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"products": [{"name": "X", "metric": "gone"}]}, "there is no metric 'gone'"),
        (one_rate(product="gone"), r"rates\[0\]\.product: there is no product 'gone'"),
        (one_rate(usd=None, price=1, unit="gone"), "there is no unit 'gone'"),
        ({"customers": [{"name": "A", "rate_card": "gone"}]}, "there is no rate card 'gone'"),
        ({"metrics": [FILE["metrics"][0]] * 2}, r"metrics\[1\]\.name: 'Tokens' is given twice"),
        (rates(*FILE["rate_cards"][0]["rates"] * 2), "the same price is given twice"),
        ({"metrics": [{"name": "m"}]}, "exactly one of count"),
        ({"metrics": [{"name": "m", "count": True, "sum": "x"}]}, "exactly one of count"),
        (one_rate(starting_at="soon"), r"starting_at: 'soon' is not a date"),
        (one_rate(starting_at="2026-01-01T00:00:00"), "lacks an offset"),
        ({"rate_cards": [{"name": "C", "currency": "XYZ"}]}, "must be one of AUD"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(
    empty: Found, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        compared(empty, **changes)


def test_composites_come_after_what_they_count(empty: Found) -> None:
    support = {"name": "Support", "composite": {"products": ["Tokens"]}}
    found = compared(empty, products=[support, FILE["products"][0]])
    assert [one.name for one in found if one.kind == "product"] == ["Tokens", "Support"]


def test_a_customer_is_known_by_alias_and_loses_nothing(full: Found) -> None:
    known = {"id": "k1", "name": "Old name", "ingest_aliases": ["a", "x"]}
    found = replace(full, customers={"Acme": known})
    acme = {"name": "Acme", "ingest_aliases": ["a", "b"]}
    aliases, name = compared(found, customers=[acme])
    assert aliases.requests[0].body == {"ingest_aliases": ["a", "x", "b"]}
    assert name.requests[0].body == {"name": "Acme"}
    known |= {"name": "Acme", "ingest_aliases": ["b", "a"]}
    assert compared(found, customers=[acme]) == []
