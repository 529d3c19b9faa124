"""A price change tried on a past month, over HTTP and by the command: what it says, and that it writes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from tests.support.platform import Platform

from meterline.cli.catalogue import reading
from meterline.cli.catalogue.comparison import differences
from meterline.cli.catalogue.performance import perform
from meterline.cli.catalogue.platform import read as read_platform
from meterline.cli.client import EXIT_REFUSED, Endpoint, PlatformClient, Refused

CLOCK = datetime(2026, 10, 31, 12, tzinfo=UTC)
CATALOGUE = """
metrics: [{name: Tokens, sum: tokens, event_types: [completion], group_keys: [[model]]}]
products:
  - {name: Tokens, metric: Tokens, pricing_group_key: [model]}
  - {name: Credit, type: fixed}
rate_cards:
  - name: Old
    starting_at: 2026-01-01
    rates:
      - {product: Tokens, group: {model: small}, usd: 2, per: 1000}
      - {product: Tokens, group: {model: large}, usd: 10, per: 1000}
  - name: New
    starting_at: 2026-10-31T12:00:00Z    # only now: the month is tried under it all the same
    rates:
      - {product: Tokens, group: {model: small}, usd: 1, per: 1000}
      - {product: Tokens, group: {model: large}, tiers: [{usd: 10, up_to: 100}, {usd: 12}], per: 1000}
customers:
  - {name: Small Co, ingest_aliases: [small], rate_card: Old, starting_at: 2026-10-01}
  - {name: Large Co, ingest_aliases: [large], rate_card: Old, starting_at: 2026-10-01}
  - name: Credit Co
    ingest_aliases: [credit]
    contracts:
      - name: With a credit
        rate_card: Old
        starting_at: 2026-10-01
        credits:
          - name: Welcome
            product: Credit
            access: [{usd: "1.50", starting_at: 2026-10-01, ending_before: 2027-10-01}]
  - {name: Idle Co, ingest_aliases: [idle], rate_card: Old, starting_at: 2026-10-01}
  - {name: Nobody}
"""
USAGE = (
    ("small", "small", 1000),
    ("large", "small", 500),
    ("large", "large", 1100),
    ("credit", "small", 1000),
)
# In cents. Small: 200 -> 100. Large: 100 + 1,100 -> 50 + 100 + 1,200. Credit: 200 - 150 -> 100 - 100.
EXPECTED = {
    "Small Co": (200, 100),
    "Large Co": (1200, 1350),
    "Credit Co": (50, 0),
    "Idle Co": (0, 0),
}


@dataclass(frozen=True)
class Shop:
    platform: Platform
    environment_id: int
    client: PlatformClient
    card: str
    customers: dict[str, str]

    def simulate(self, **body: Any) -> list[dict[str, Any]]:
        wanted = {"month": "2026-10", "rate_card_id": self.card} | body
        wanted = {name: value for name, value in wanted.items() if value is not None}
        return list(self.client.pages("POST", "/v1/simulations", body=wanted, limit=2))

    def refused(self, **body: Any) -> Refused:
        with pytest.raises(Refused) as caught:
            self.simulate(**body)
        return caught.value

    def run(self, *words: str, code: int = 0) -> str:
        endpoint = self.client.endpoint
        environ = {
            "METERLINE_URL": endpoint.url,
            "METERLINE_TOKEN": endpoint.token,
            "COLUMNS": "120",
        }
        done = subprocess.run(
            [sys.executable, "-m", "meterline.cli.main", "simulate", "--month", "2026-10", *words],
            env=os.environ | environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module")
def shop(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A sandbox at the end of October."""
    with opened(platform, tmp_path_factory.mktemp("simulation")) as shop:
        yield shop


@contextmanager
def opened(platform: Platform, folder: Path) -> Iterator[Shop]:
    name = f"simulation-{time.time_ns()}"
    environment_id, token = platform.new_environment(name, sandbox=True, clock=CLOCK)
    path = folder / "catalogue.yaml"
    path.write_text(CATALOGUE)
    with PlatformClient(Endpoint(platform.url, token)) as client:
        source, wanted = reading.read(path)
        found = read_platform(client, wanted)
        perform(client, source, found, differences(source, wanted, found))
        client.post("/v1/ingest", [event(*one) for one in USAGE])
        deadline = time.monotonic() + 30
        while client.get("/v1/pipeline")["lag_events"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        cards = client.pages("POST", "/v1/contract-pricing/rate-cards/list", body={})
        (card,) = [row["id"] for row in cards if row["name"] == "New"]
        customers = {row["name"]: row["id"] for row in client.pages("GET", "/v1/customers")}
        yield Shop(platform, environment_id, client, card, customers)


def event(customer: str, model: str, tokens: int) -> dict[str, Any]:
    return {
        "transaction_id": f"{customer}-{model}",
        "customer_id": customer,
        "event_type": "completion",
        "timestamp": "2026-10-15T00:00:00Z",
        "properties": {"model": model, "tokens": str(tokens)},
    }


def totals(rows: list[dict[str, Any]]) -> dict[str, tuple[Any, Any]]:
    return {row["customer_name"]: (row["old_total"], row["new_total"]) for row in rows}


def test_every_customers_month_is_tried(shop: Shop) -> None:
    rows = shop.simulate()
    assert totals(rows) == EXPECTED
    for row in rows:
        assert row["difference"] == row["new_total"] - row["old_total"]
        assert sum(one["old_total"] for one in row["products"]) == row["old_total"]
        assert sum(one["new_total"] for one in row["products"]) == row["new_total"]
    assert {one["name"] for row in rows for one in row["products"]} == {"Tokens"}


def test_a_month_that_is_final_is_tried_as_it_was_before(
    platform: Platform, tmp_path: Path
) -> None:
    """Two months later the credit has gone on to November, and the invoices are closed."""
    with opened(platform, tmp_path) as shop:
        late = event("credit", "small", 5000) | {"transaction_id": "november"}
        shop.client.post("/v1/sandbox/clock", {"now": "2026-11-20T00:00:00Z"})
        shop.client.post("/v1/ingest", [late | {"timestamp": "2026-11-15T00:00:00Z"}])
        shop.client.post("/v1/sandbox/clock", {"now": "2026-12-05T00:00:00Z"})
        customer = shop.customers["Credit Co"]
        closed = shop.client.get(f"/v1/customers/{customer}/invoices", status="FINALIZED")["data"]
        assert [one["total"] for one in closed] == [50, 1000]
        assert totals(shop.simulate()) == EXPECTED
        november = totals(shop.simulate(month="2026-11"))
        # All of the credit went on October; under the new prices 50 of it would have been left, but October is past.
        assert november["Credit Co"] == (1000, 500)


def test_a_running_invoice_is_the_old_side(shop: Shop) -> None:
    for row in shop.simulate():
        drafts = shop.client.get(f"/v1/customers/{row['customer_id']}/invoices", status="DRAFT")
        (running,) = [one for one in drafts["data"] if one["type"] == "USAGE"]
        assert running["total"] == row["old_total"]


def test_some_customers_only(shop: Shop) -> None:
    wanted = [shop.customers["Small Co"], shop.customers["Nobody"]]
    assert totals(shop.simulate(customer_ids=wanted)) == {"Small Co": (200, 100)}


def test_overrides_are_tried_on_the_whole_month(shop: Shop) -> None:
    override = {"starting_at": "2027-01-01T00:00:00Z", "type": "multiplier", "multiplier": 0.5}
    half = totals(shop.simulate(rate_card_id=None, overrides=[override]))
    assert half == {name: (old, half[name][1]) for name, (old, _) in EXPECTED.items()}
    assert [half[name][1] for name in EXPECTED] == [100, 600, 0, 0]
    both = totals(shop.simulate(overrides=[{"multiplier": 2}]))
    assert both["Small Co"] == (200, 200)


def test_single_prices_of_the_card_in_use(shop: Shop) -> None:
    (old,) = [
        row["id"]
        for row in shop.client.pages("POST", "/v1/contract-pricing/rate-cards/list", body={})
        if row["name"] == "Old"
    ]
    (product,) = [
        row["id"]
        for row in shop.client.pages("POST", "/v1/contract-pricing/products/list", body={})
        if row["current"]["name"] == "Tokens"
    ]
    dear = {
        "rate_card_id": old,
        "product_id": product,
        "pricing_group_values": {"model": "small"},
        "rate_type": "FLAT",
        "price": 0.3,
    }
    tried = totals(shop.simulate(rate_card_id=None, rates=[dear]))
    assert [tried[name][1] for name in EXPECTED] == [300, 1250, 150, 0]
    wrong = shop.refused(rate_card_id=None, rates=[dear, dear | {"price": -1}])
    assert (wrong.status, "rates[1].price" in wrong.reason) == (400, True)
    assert shop.refused(rate_card_id=None, rates=[dear | {"rate_card_id": product}]).status == 404


def test_prices_of_another_time(shop: Shop) -> None:
    before = totals(shop.simulate(prices_at="2026-10-31T11:00:00Z"))  # the card had none
    assert before["Small Co"] == (200, 0)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"rate_card_id": None}, 400, "rate_card_id"),
        ({"month": "2026-11"}, 400, "month: has not begun"),
        ({"month": "2026-13"}, 400, "month: must be a month"),
        ({"month": "October"}, 400, "month"),
        ({"rate_card_id": "00000000-0000-0000-0000-000000000009"}, 404, "rate card"),
        ({"customer_ids": ["00000000-0000-0000-0000-000000000009"]}, 404, "customer"),
        ({"customer_ids": ["00000000-0000-0000-0000-000000000009"] * 101}, 400, "customer_ids"),
        ({"overrides": [{"multiplier": -1}]}, 400, "overrides[0].multiplier"),
        ({"overrides": [{"type": "guess"}]}, 400, "overrides[0].type"),
        (
            {
                "overrides": [
                    {"multiplier": 1, "product_id": "00000000-0000-0000-0000-000000000009"}
                ]
            },
            400,
            "product",
        ),
    ],
)
def test_what_cannot_be_tried_is_refused(
    shop: Shop, body: dict[str, Any], status: int, words: str
) -> None:
    refused = shop.refused(**body)
    assert refused.status == status
    assert words in refused.reason


def test_nothing_is_written(shop: Shop) -> None:
    before = rows_written(shop)
    assert before["contract"]
    shop.simulate()
    assert rows_written(shop) == before


WRITTEN_TO = (
    "account_grant",
    "books_due",
    "contract",
    "contract_edit",
    "customer",
    "idempotent_reply",
    "invoice",
    "ledger_entry",
    "product",
    "rate",
    "rate_card",
)


def rows_written(shop: Shop) -> dict[str, list[str]]:
    """Every row of the tables of what is billed, with the transaction that wrote it last."""
    with psycopg.connect(shop.platform.database_url) as connection:
        connection.execute("SET ROLE meterline_pipeline")
        return {
            table: sorted(
                str(row)
                for row in connection.execute(
                    sql.SQL("SELECT xmin::text, * FROM {} WHERE environment_id = %s").format(
                        sql.Identifier(table)
                    ),
                    [shop.environment_id],
                )
            )
            for table in WRITTEN_TO
        }


def test_the_command_shows_the_largest_movers_first(shop: Shop) -> None:
    shown = shop.run("--rate-card", "New", "--top", "2")
    assert shown.index("Large Co") < shown.index("Small Co")
    assert "Idle Co" not in shown
    assert "+12.5 %" in shown
    assert "1 dearer, 2 cheaper, 1 the same" in shown
    document = json.loads(shop.run("--rate-card", "New", "--json"), parse_float=Decimal)
    assert totals(document["customers"]) == EXPECTED
    (everybody,) = document["totals"]
    assert (everybody["old_total"], everybody["new_total"]) == (1450, 1450)
    one = json.loads(shop.run("--rate-card", "New", "--customer", "small", "--json"))
    assert totals(one["customers"]) == {"Small Co": (200, 100)}


def test_the_command_tries_the_new_prices_of_a_file(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(CATALOGUE.replace("usd: 2, per: 1000}", "usd: 3, per: 1000}"))
    document = json.loads(shop.run("--catalogue", str(path), "--json"), parse_float=Decimal)
    tried = totals(document["customers"])
    assert [tried[name][1] for name in EXPECTED] == [300, 1250, 150, 0]
    path.write_text(CATALOGUE)
    assert "nothing to try" in shop.run("--catalogue", str(path), code=EXIT_REFUSED)
    path.write_text(
        CATALOGUE.replace("product: Tokens, group: {model: small}, usd: 2", "product: Gone, usd: 2")
    )
    assert "there is no product 'Gone'" in shop.run("--catalogue", str(path), code=EXIT_REFUSED)


def test_the_command_tries_overrides_of_a_file(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "edit.yaml"
    path.write_text("overrides:\n  - {to: [{product: Tokens}], multiplier: '0.5'}\n")
    document = json.loads(shop.run("--contract-edit", str(path), "--customer", "all", "--json"))
    assert totals(document["customers"])["Large Co"] == (1200, 600)
    path.write_text("overrides:\n  - {to: [{product: Gone}], multiplier: '0.5'}\n")
    refused = shop.run("--contract-edit", str(path), code=EXIT_REFUSED)
    assert "edit.yaml:2: overrides[0].to[0].product: there is no product 'Gone'" in refused
    assert "say what to try" in shop.run(code=EXIT_REFUSED)
