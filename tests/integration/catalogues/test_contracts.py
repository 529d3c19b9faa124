"""Contracts of a catalogue file on a real platform: made whole, found again, added to."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support.platform import Platform

from meterline.cli.catalogue import reading
from meterline.cli.catalogue.comparison import differences
from meterline.cli.catalogue.differences import Action, Difference
from meterline.cli.catalogue.performance import perform
from meterline.cli.catalogue.platform import read as read_platform
from meterline.cli.client import CommandError, Endpoint, PlatformClient

CLOCK = datetime(2026, 10, 15, 12, tzinfo=UTC)
CATALOGUE = """
units: [{name: tokens}]
metrics: [{name: Calls, count: true, event_types: [call], group_keys: [[region, team], [region]]}]
products:
  - name: Calls
    metric: Calls
    pricing_group_key: [region]
    presentation_group_key: [team]
    tags: [core]
  - {name: Token calls, metric: Calls, pricing_group_key: [region]}
  - {name: Seat, type: subscription, tags: [core]}
  - {name: Platform, type: fixed}
  - {name: Support, composite: {tags: [core]}}
rate_cards:
  - name: List
    starting_at: 2026-01-01
    units: {tokens: "0.01"}
    rates:
      - {product: Calls, group: {region: eu}, usd: "0.10", commit: {usd: "0.08"}}
      - {product: Token calls, group: {region: NO}, price: 3, unit: tokens}
      - {product: Seat, usd: 20, every: monthly}
      - {product: Support, percent: 5}
customers:
  - name: Acme
    ingest_aliases: [acme]
    commits:
      - name: Framework
        product: Platform
        type: prepaid
        priority: 5
        invoice_contract: Enterprise
        contracts: [Enterprise]
        access: [{usd: 100, starting_at: 2026-10-01, ending_before: 2027-10-01}]
        invoice: [{at: 2026-10-01, usd: 90}]
    credits:
      - name: Goodwill
        product: Platform
        access: [{usd: 10, starting_at: 2026-10-01, ending_before: 2026-12-01}]
    contracts:
      - name: Enterprise
        rate_card: List
        starting_at: 2026-10-01
        ending_before: 2027-10-01
        net_payment_terms_days: 30
        statements: {every: monthly}
        explicit_priorities: true
        charges_on_usage_invoices: true
        overrides:
          - {to: [{product: Calls, group: {region: eu}}], multiplier: "0.8", priority: 1}
          - {to: [{tags: [core], presentation: {team: ops}}], multiplier: "0.9", priority: 2}
          - to: [{product: Token calls, group: {region: NO}}]
            price: {price: 2, unit: tokens}
            starting_at: 2026-11-01
            ending_before: 2026-12-01
          - to: [{product: Calls}]
            tiers: [{multiplier: 1, size: 100}, {multiplier: "0.5"}]
            priority: 3
            starting_at: 2027-01-01
          - {to: [{product: Seat, every: monthly}], entitled: true}
        commits:
          - name: Ahead
            product: Platform
            access:
              - {usd: 500, starting_at: 2026-10-01, ending_before: 2027-04-01}
              - {usd: 500, starting_at: 2027-04-01, ending_before: 2027-10-01}
            invoice: [{at: 2026-10-01, usd: 400}, {at: 2027-04-01, usd: 10, quantity: 40}]
            applies_to: [{product: Calls, group: {region: eu}}, {tags: [core]}]
            rate: commit
            rollover: "0.5"
            description: Paid half-yearly
          - name: Promised
            product: Platform
            type: postpaid
            access: [{usd: 2000, starting_at: 2026-10-01, ending_before: 2027-10-01}]
            invoice: [{at: 2027-10-01, usd: 2000}]
        credits:
          - name: Welcome
            product: Platform
            unit: tokens
            access: [{amount: 50, starting_at: 2026-10-01, ending_before: 2027-10-01}]
        recurring_commits:
          - name: Top-up
            product: Platform
            starting_at: 2026-10-01
            usd: 50
            invoice_usd: 45
            every: monthly
            priority: 2
        recurring_credits:
          - name: Per seat
            product: Platform
            starting_at: 2026-10-01
            usd: 2
            every: monthly
            seats_of: Seats
            proration: none
        subscriptions:
          - {name: Seats, product: Seat, every: monthly, quantity: 5}
        scheduled_charges:
          - {name: Set-up, product: Platform, due: [{at: 2026-10-01, usd: 250}]}
          - name: Care
            product: Platform
            repeated:
              every: monthly
              usd: 10
              quantity: 2
              starting_at: 2026-10-01
              ending_before: 2027-01-01
        discounts:
          - {name: Launch, product: Platform, due: [{at: 2026-11-01, usd: 25}]}
"""

Apply = Callable[[str], list[Difference]]


@pytest.fixture
def client(platform: Platform) -> Any:
    _, token = platform.new_environment(f"terms-{time.time_ns()}", sandbox=True, clock=CLOCK)
    with PlatformClient(Endpoint(platform.url, token)) as client:
        yield client


@pytest.fixture
def apply(client: PlatformClient, tmp_path: Path) -> Apply:
    """Brings the platform to a text, and returns what differed."""

    def apply(text: str) -> list[Difference]:
        path = tmp_path / "catalogue.yaml"
        path.write_text(text)
        source, wanted = reading.read(path)
        found = read_platform(client, wanted)
        result = differences(source, wanted, found)
        if all(one.action is not Action.IMPOSSIBLE for one in result):
            perform(client, source, found, result)
        return result

    return apply


def contract(client: PlatformClient) -> dict[str, Any]:
    (customer,) = client.pages("GET", "/v1/customers")
    body = {"customer_id": customer["id"]}
    (found,) = client.post("/v2/contracts/list", body)["data"]
    return dict(found)


def test_a_contract_with_every_part_is_made_and_found_again(
    client: PlatformClient, apply: Apply
) -> None:
    assert {one.action for one in apply(CATALOGUE)} == {Action.CREATE}
    assert apply(CATALOGUE) == []
    shown = contract(client)
    names = {part: [one["name"] for one in shown[part]] for part in ("commits", "credits")}
    assert names == {
        "commits": ["Top-up", "Ahead", "Promised"],  # the first of each is of this month
        "credits": ["Per seat", "Welcome"],
    }
    assert len(shown["overrides"]) == 5
    assert [one["name"] for one in shown["subscriptions"]] == ["Seats"]
    assert (
        shown["recurring_credits"][0]["subscription_config"]["subscription_id"]
        == (shown["subscriptions"][0]["id"])
    )


def test_what_a_file_gains_is_added_by_an_edit(client: PlatformClient, apply: Apply) -> None:
    apply(CATALOGUE)
    more = CATALOGUE.replace(
        "        discounts:\n",
        "          - {name: Visit, product: Platform, due: [{at: 2026-12-01, usd: 80}]}\n"
        "        discounts:\n",
    )
    more = more.replace("net_payment_terms_days: 30", "net_payment_terms_days: 45")
    more = more.replace(
        "        commits:\n          - name: Ahead",
        "          - {to: [{product: Seat, every: monthly}], multiplier: '0.7', priority: 9}\n"
        "        commits:\n          - name: Ahead",
    )
    more = more.replace("every: monthly, quantity: 5", "every: monthly, quantity: 8")
    more = more.replace(
        "        subscriptions:\n",
        "          - {name: Seat care, product: Platform, starting_at: 2026-11-01, usd: 1, seats_of: Seats}\n"
        "        subscriptions:\n",
    )
    (change,) = apply(more)
    assert change.action is Action.CHANGE
    assert apply(more) == []
    shown = contract(client)
    assert [one["name"] for one in shown["scheduled_charges"]] == ["Set-up", "Care", "Visit"]
    assert len(shown["overrides"]) == 6
    assert shown["net_payment_terms_days"] == 45
    assert shown["subscriptions"][0]["quantity_schedule"][-1]["quantity"] == 8


def test_a_contract_is_ended_by_its_file(client: PlatformClient, apply: Apply) -> None:
    short = """
metrics: [{name: Calls, count: true}]
products: [{name: Calls, metric: Calls}]
rate_cards: [{name: List, starting_at: 2026-01-01, rates: [{product: Calls, usd: 1}]}]
customers:
  - name: Acme
    contracts: [{name: Trial, rate_card: List, starting_at: 2026-10-01}]
"""
    apply(short)
    ended = short.replace("2026-10-01}", "2026-10-01, ending_before: 2026-12-01}")
    (change,) = apply(ended)
    assert change.details == ("ends 2026-12-01T00:00:00Z",)
    assert contract(client)["ending_before"] == "2026-12-01T00:00:00Z"
    assert apply(ended) == []


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("usd: 500, starting_at: 2027-04-01", "usd: 501, starting_at: 2027-04-01", "amount"),
        ('rollover: "0.5"', 'rollover: "0.6"', "rollover_fraction"),
        ("usd: 250}", "usd: 251}", "amount"),
        ("priority: 5\n", "priority: 6\n", "priority"),
    ],
)
def test_what_was_sold_is_left_and_said(apply: Apply, old: str, new: str, field: str) -> None:
    apply(CATALOGUE)
    assert old in CATALOGUE
    refused = apply(CATALOGUE.replace(old, new))
    assert [one.action for one in refused] == [Action.IMPOSSIBLE]
    assert field in refused[0].details[0]


def test_a_refusal_leaves_what_went_before_and_the_rest_follows(
    client: PlatformClient, apply: Apply
) -> None:
    wrong = CATALOGUE.replace("priority: 3\n", "priority: -3\n")
    with pytest.raises(CommandError, match=r"catalogue\.yaml:\d+: customers\[0\]\.contracts\[0\]"):
        apply(wrong)
    made = apply(CATALOGUE)
    assert {one.kind for one in made} == {"contract", "commit", "credit"}
    (customer,) = client.pages("GET", "/v1/customers")
    invoices = client.get(f"/v1/customers/{customer['id']}/invoices", limit=100)["data"]
    assert sum(Decimal(one["total"]) for one in invoices) > 0
