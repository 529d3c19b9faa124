"""Contracts of a file: made whole, added to, and otherwise left."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from meterline.cli.catalogue.comparison import differences
from meterline.cli.catalogue.differences import Action, Difference
from meterline.cli.catalogue.model import CatalogueFile
from meterline.cli.catalogue.platform import Found
from meterline.cli.catalogue.requests import resolved
from meterline.cli.catalogue.source import Source
from meterline.cli.client import CommandError
from meterline.core.money import USD_CENTS

SOURCE = Source(Path("c.yaml"), None)
NOW = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
START = "2026-10-01T00:00:00Z"
USD = str(USD_CENTS.id)

CONTRACT: dict[str, Any] = {
    "name": "Enterprise",
    "rate_card": "List",
    "starting_at": "2026-10-01",
    "net_payment_terms_days": 30,
    "statements": {"every": "monthly"},
    "overrides": [
        {"to": [{"product": "Tokens"}], "multiplier": "0.8"},
        {"to": [{"product": "Tokens"}], "price": {"usd": "2", "per": 1000}},
        {"to": [{"tags": ["beta"]}], "entitled": True},
    ],
    "commits": [
        {
            "name": "Ahead",
            "product": "Commitment",
            "access": [{"usd": 1000, "starting_at": "2026-10-01", "ending_before": "2027-10-01"}],
            "invoice": [{"at": "2026-10-01", "usd": 900}],
            "applies_to": [{"product": "Tokens"}],
            "rate": "commit",
            "rollover": "0.5",
        }
    ],
    "recurring_credits": [
        {
            "name": "Free tier",
            "product": "Commitment",
            "starting_at": "2026-10-01",
            "usd": 5,
            "every": "monthly",
            "priority": 1,
        }
    ],
    "subscriptions": [{"name": "Seats", "product": "Seat", "quantity": 5}],
    "scheduled_charges": [
        {"name": "Set-up", "product": "Commitment", "due": [{"at": "2026-10-01", "usd": 50}]},
        {
            "name": "Support",
            "product": "Commitment",
            "repeated": {
                "every": "monthly",
                "usd": 10,
                "starting_at": "2026-10-01",
                "ending_before": "2027-01-01",
            },
        },
    ],
}

# What the platform shows of it.
SHOWN: dict[str, Any] = {
    "id": "k1",
    "name": "Enterprise",
    "uniqueness_key": "apply:a1:Enterprise",
    "starting_at": "2026-10-01T00:00:00Z",
    "rate_card_id": "c1",
    "net_payment_terms_days": 30,
    "usage_statement_schedule": {"frequency": "MONTHLY", "billing_anchor_date": START},
    "overrides": [
        {
            "id": "o1",
            "type": "MULTIPLIER",
            "starting_at": START,
            "multiplier": Decimal("0.80"),
            "override_specifiers": [{"product_id": "p1"}],
        },
        {
            "id": "o2",
            "type": "OVERWRITE",
            "starting_at": START,
            "overwrite_rate": {
                "rate_type": "FLAT",
                "price": Decimal("0.2"),
                "credit_type": {"id": USD},
            },
            "override_specifiers": [{"product_id": "p1"}],
        },
        {
            "id": "o3",
            "type": "OVERWRITE",
            "starting_at": START,
            "entitled": True,
            "override_specifiers": [{"product_tags": ["beta"]}],
        },
    ],
    "commits": [
        {
            "id": "g1",
            "name": "Ahead",
            "type": "PREPAID",
            "product": {"id": "f1", "name": "Commitment"},
            "rate_type": "COMMIT_RATE",
            "rollover_fraction": Decimal("0.5"),
            "access_schedule": {
                "credit_type": {"id": USD, "name": "USD (cents)"},
                "schedule_items": [
                    {
                        "id": "s1",
                        "amount": 100000,
                        "starting_at": START,
                        "ending_before": "2027-10-01T00:00:00+00:00",
                    }
                ],
            },
            "invoice_schedule": {
                "credit_type": {"id": USD},
                "schedule_items": [{"id": "i1", "timestamp": START, "amount": 90000}],
            },
            "specifiers": [{"product_id": "p1"}],
        }
    ],
    "recurring_credits": [
        {"name": "Free tier", "product": {"id": "f1"}, "priority": 1, "starting_at": START}
    ],
    "subscriptions": [{"name": "Seats", "collection_schedule": "ADVANCE"}],
    "scheduled_charges": [{"name": "Set-up"}, {"name": "Support"}],
}


def compared(found: Found, **changes: Any) -> list[Difference]:
    customer = {"name": "Acme", "contracts": [CONTRACT | changes]}
    return differences(SOURCE, msgspec.convert({"customers": [customer]}, CatalogueFile), found)


@pytest.fixture
def found() -> Found:
    ids = {
        ("rate card", "List"): "c1",
        ("product", "Tokens"): "p1",
        ("product", "Commitment"): "f1",
        ("product", "Seat"): "q1",
        ("customer", "Acme"): "a1",
    }
    acme = {"id": "a1", "name": "Acme", "ingest_aliases": []}
    return Found(NOW, ids=ids, customers={"Acme": acme}, contracts={"Acme": [SHOWN]})


def test_a_contract_is_made_with_all_its_parts(found: Found) -> None:
    found.contracts = {}
    (made,) = compared(found)
    assert (made.action, made.since) == (Action.CREATE, START)
    body = resolved(made.requests[0].body, found.ids)
    assert body["customer_id"] == "a1"
    assert body["uniqueness_key"] == "apply:a1:Enterprise"
    assert body["overrides"][0] == {
        "starting_at": START,
        "type": "MULTIPLIER",
        "multiplier": Decimal("0.8"),
        "override_specifiers": [{"product_id": "p1"}],
    }
    assert body["overrides"][1]["overwrite_rate"] == {
        "rate_type": "FLAT",
        "price": Decimal("0.2"),
        "credit_type_id": USD,
    }
    assert body["overrides"][2]["entitled"] is True
    commit = body["commits"][0]
    assert commit["access_schedule"]["schedule_items"][0]["amount"] == 100_000
    assert commit["invoice_schedule"]["schedule_items"] == [{"timestamp": START, "amount": 90_000}]
    assert (commit["rate_type"], commit["rollover_fraction"]) == ("COMMIT_RATE", Decimal("0.5"))
    credit = body["recurring_credits"][0]
    assert credit["access_amount"] == {"credit_type_id": USD, "unit_price": 500, "quantity": 1}
    assert credit["commit_duration"] == {"value": 1, "unit": "PERIODS"}
    seats = body["subscriptions"][0]
    assert seats["subscription_rate"] == {"product_id": "q1", "billing_frequency": "MONTHLY"}
    assert seats["initial_quantity"] == 5
    again = body["scheduled_charges"][1]["schedule"]["recurring_schedule"]
    assert (again["amount"], again["amount_distribution"]) == (1000, "EACH")


def test_a_contract_that_is_there_is_left(found: Found) -> None:
    assert compared(found) == []


def test_what_is_missing_is_added_in_one_edit(found: Found) -> None:
    more = [*CONTRACT["overrides"], {"multiplier": "0.5", "starting_at": "2026-12-01"}]
    credits = [
        {
            "name": "Sorry",
            "product": "Commitment",
            "access": [{"usd": 10, "starting_at": "2026-11-01", "ending_before": "2026-12-01"}],
        }
    ]
    (change,) = compared(found, overrides=more, credits=credits, ending_before="2027-10-01")
    assert change.action is Action.CHANGE
    body = resolved(change.requests[0].body, found.ids)
    assert set(body) == {
        "customer_id",
        "contract_id",
        "update_contract_end_date",
        "add_credits",
        "add_overrides",
    }
    assert body["contract_id"] == "k1"
    assert len(body["add_overrides"]) == 1


def test_a_changed_override_is_another_one_and_the_old_is_told_of(found: Found) -> None:
    changed = [{"to": [{"product": "Tokens"}], "multiplier": "0.9"}, *CONTRACT["overrides"][1:]]
    (change,) = compared(found, overrides=changed)
    assert change.details == (
        f"+ override multiplier from {START}",
        "1 of its overrides the file does not name, and stays",
    )


def test_more_seats_hold_from_this_hour_on(found: Found) -> None:
    seats = [{"starting_at": START, "quantity": 5}]
    shown = {"id": "s1", "name": "Seats", "starting_at": START, "quantity_schedule": seats}
    found.contracts["Acme"] = [SHOWN | {"subscriptions": [shown]}]
    assert compared(found) == []
    (change,) = compared(found, subscriptions=[CONTRACT["subscriptions"][0] | {"quantity": 8}])
    assert change.details == ("subscription Seats: 5 → 8 from 2026-11-23T20:00:00Z",)
    update = {"starting_at": "2026-11-23T20:00:00Z", "quantity": Decimal(8)}
    assert change.requests[0].body["update_subscriptions"] == [
        {"subscription_id": "s1", "quantity_updates": [update]}
    ]
    # Seats that are scheduled to come are not those of now.
    seats[0]["ending_before"] = "2026-12-01T00:00:00Z"
    seats.append({"starting_at": "2026-12-01T00:00:00Z", "quantity": 8})
    assert compared(found) == []
    found.now = datetime(2026, 12, 2, tzinfo=UTC)
    assert [one.action for one in compared(found)] == [Action.CHANGE]


def test_seats_of_a_subscription_are_known_by_its_id(found: Found) -> None:
    seats = {"id": "s1", "name": "Seats", "starting_at": START}
    per_seat = CONTRACT["recurring_credits"][0] | {"name": "Per seat", "seats_of": "Seats"}
    found.contracts["Acme"] = [SHOWN | {"subscriptions": [seats]}]
    (change,) = compared(found, recurring_credits=[per_seat])
    config = change.requests[0].body["add_recurring_credits"][0]["subscription_config"]
    assert config["subscription_id"] == "s1"
    made = {"name": "Per seat", "subscription_config": config | {"subscription_id": "other"}}
    found.contracts["Acme"] = [SHOWN | {"subscriptions": [seats], "recurring_credits": [made]}]
    (refused,) = compared(found, recurring_credits=[per_seat])
    assert "subscription_config.subscription_id differs" in refused.details[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"starting_at": "2026-09-01"}, "starting_at cannot change"),
        ({"statements": {"every": "annual"}}, "usage_statement_schedule.frequency cannot change"),
        (
            {"commits": [CONTRACT["commits"][0] | {"rollover": "0.6"}]},
            "commit Ahead: rollover_fraction differs",
        ),
        (
            {"recurring_credits": [CONTRACT["recurring_credits"][0] | {"priority": 2}]},
            "recurring credit Free tier: priority differs",
        ),
        (
            {"subscriptions": [CONTRACT["subscriptions"][0] | {"collected": "arrears"}]},
            "subscription Seats: collection_schedule differs",
        ),
    ],
)
def test_what_was_sold_is_not_changed(found: Found, changes: dict[str, Any], words: str) -> None:
    refused = compared(found, **changes)
    assert {one.action for one in refused} >= {Action.IMPOSSIBLE}
    assert any(words in one.details[0] for one in refused)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"overrides": [{"multiplier": 1, "price": {"usd": 1}}]},
            r"overrides\[0\]: give exactly one",
        ),
        ({"overrides": [{}]}, "give exactly one of multiplier"),
        ({"commits": [CONTRACT["commits"][0] | {"product": "gone"}]}, "there is no product 'gone'"),
        (
            {"credits": [CONTRACT["commits"][0]]},
            r"credits\[0\]: a credit has neither type nor invoice",
        ),
        (
            {"scheduled_charges": [{"name": "x", "product": "Commitment"}]},
            "give either due or repeated",
        ),
        ({"starting_at": "now"}, r"contracts\[0\]\.starting_at: 'now' is not a date"),
    ],
)
def test_terms_that_make_no_sense_are_refused(
    found: Found, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        compared(found, **changes)


def test_a_short_contract_is_found_by_its_key(found: Found) -> None:
    wanted = msgspec.convert({"customers": [{"name": "Acme", "rate_card": "List"}]}, CatalogueFile)
    (made,) = differences(SOURCE, wanted, found)
    assert made.since == "2026-09-01T00:00:00Z"
    found.contracts["Acme"] = [{"id": "k2", "uniqueness_key": "apply:a1:c1"}]
    assert differences(SOURCE, wanted, found) == []


def test_a_customers_own_grants_are_found_by_key_or_name(found: Found) -> None:
    grant = {
        "name": "Goodwill",
        "product": "Commitment",
        "access": [{"usd": 10, "starting_at": "2026-11-01", "ending_before": "2026-12-01"}],
    }
    customer = {"name": "Acme", "credits": [grant]}
    wanted = msgspec.convert({"customers": [customer]}, CatalogueFile)
    (made,) = differences(SOURCE, wanted, found)
    assert made.requests[0].path == "/v1/contracts/customerCredits/create"
    body = resolved(made.requests[0].body, found.ids)
    assert (body["priority"], body["uniqueness_key"]) == (100, "apply:a1:credit:Goodwill")
    found.grants["Acme"] = [{"name": "Goodwill", "priority": 100, "product": {"id": "f1"}}]
    assert differences(SOURCE, wanted, found) == []
