"""The commands as a newcomer types them, against a real platform."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.platform import Platform

from meterline.cli.apply import EXIT_DIFFERENT
from meterline.cli.client import EXIT_REFUSED, EXIT_UNREACHABLE

PRICES = """
[[metrics]]
name = "Tokens"
sum = "tokens"
event_types = ["completion"]
group_keys = [["model"]]

[[products]]
name = "Tokens"
metric = "Tokens"
pricing_group_key = ["model"]

[[rate_cards]]
name = "List"
[[rate_cards.rates]]
product = "Tokens"
usd = "2.50"
per = 1000000
group = { model = "small" }
[[rate_cards.rates]]
product = "Tokens"
tiers = [{ usd = "10", size = 1000 }, { usd = "8" }]
per = 1000000
group = { model = "large" }

[[customers]]
name = "Acme Corporation"
ingest_aliases = ["acme"]
rate_card = "List"

[[customers]]
name = "Globex"
ingest_aliases = ["globex"]
rate_card = "List"
"""
# Azure's own hour of requests: see its README for the totals. Without the file the same columns are
# made up.
AZURE = Path(__file__).parents[4] / "shared" / "data" / "azure_llm_2023_code.csv"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def endpoint(platform: Platform, request: pytest.FixtureRequest) -> tuple[str, str]:
    """Address and token of an environment of the test's own."""
    _, token = platform.new_environment(f"{request.node.name}-{time.time_ns()}")
    return platform.url, token


@pytest.fixture
def run(endpoint: tuple[str, str], tmp_path: Path) -> Run:
    """Runs a command in a folder of the test's own."""

    def run(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        environ = os.environ | {"METERLINE_URL": endpoint[0], "METERLINE_TOKEN": endpoint[1]}
        done = subprocess.run(
            [sys.executable, "-m", "meterline.cli.main", *words],
            cwd=tmp_path,
            env=environ | {"COLUMNS": "140"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def until_metered(endpoint: tuple[str, str]) -> None:
    deadline = time.monotonic() + 30
    headers = {"Authorization": f"Bearer {endpoint[1]}"}
    while httpx.get(f"{endpoint[0]}/v1/pipeline", headers=headers).json()["lag_events"]:
        assert time.monotonic() < deadline, "the pipeline did not catch up"
        time.sleep(0.05)


def usage_csv(folder: Path, rows: int = 250) -> Path:
    """Rows of two customers and two models: 1 to `rows` tokens each."""
    lines = [
        f"2026-01-01T00:{row % 60:02}:00Z,{'acme' if row % 2 else 'globex'},"
        f"{'large' if row % 5 == 0 else 'small'},{row}"
        for row in range(1, rows + 1)
    ]
    path = folder / "usage.csv"
    path.write_text("\n".join(["time,who,model,tokens", *lines]) + "\n")
    return path


def invoice_of(run: Run, customer: str) -> dict[str, Any]:
    text = run("invoice", customer, "--json").stdout
    (invoice,) = json.loads(text, parse_float=Decimal)
    assert isinstance(invoice, dict)
    return invoice


INGEST = ("--customer", "who", "--event-type", "=completion", "--timestamp", "time")


def test_prices_usage_and_invoice_from_files(
    run: Run, endpoint: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "prices.toml").write_text(PRICES)
    done = json.loads(run("apply", "prices.toml", "--yes", "--json").stdout)
    assert done["created"] == {
        "metrics": 1,
        "products": 1,
        "rate cards": 1,
        "rates": 2,
        "customers": 2,
        "contracts": 2,
    }
    assert "nothing to do" in run("apply", "prices.toml").stdout

    usage_csv(tmp_path)
    for _ in range(2):  # the second time counts nothing
        sent = json.loads(run("ingest", "usage.csv", *INGEST, "--shift-to-now", "--json").stdout)
        assert sent["events"] == 250
    until_metered(endpoint)

    large = sum(row for row in range(5, 251, 10))  # odd rows are acme's
    small = sum(row for row in range(1, 251, 2)) - large
    expected = small * Decimal("0.00025") + 1000 * Decimal("0.001")
    expected += (large - 1000) * Decimal("0.0008")
    invoice = invoice_of(run, "acme")
    assert invoice["total"] == expected
    assert sum(line["total"] for line in invoice["line_items"]) == expected
    table = run("invoice", "Acme Corporation").stdout
    assert "Tokens" in table
    assert "large" in table
    assert f"{small:,}" in table

    usage = json.loads(run("usage", "acme", "--window", "none", "--json").stdout)
    assert sum(row["value"] or 0 for row in usage) == small + large
    assert "Tokens" in run("usage", "acme", "--group-by", "model").stdout


def test_a_changed_price_is_a_new_rate(run: Run, tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(PRICES)
    run("apply", "prices.toml", "--yes")
    (tmp_path / "prices.toml").write_text(PRICES.replace('"2.50"', '"3.00"'))
    changed = json.loads(run("apply", "prices.toml", "--yes", "--json").stdout)
    assert (changed["created"], changed["changed"]) == ({}, {"rates": 1})
    assert "nothing to do" in run("apply", "prices.toml").stdout


def test_a_metric_cannot_change(run: Run, tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(PRICES)
    run("apply", "prices.toml", "--yes")
    (tmp_path / "prices.toml").write_text(PRICES.replace('sum = "tokens"', 'max = "tokens"'))
    refused = run("apply", "prices.toml", code=EXIT_REFUSED)
    assert "metrics cannot change" in " ".join(refused.stdout.split())


CATALOGUE = """
units: [{name: tokens}]
metrics:
  - {name: Tokens, sum: tokens, event_types: [completion], group_keys: [[model]]}
products:
  - {name: Tokens, metric: Tokens, pricing_group_key: [model]}
  - {name: Seat, type: subscription}
  - {name: Support, composite: {products: [Tokens]}}
  - {name: Fee, type: fixed}
rate_cards:
  - name: List
    currency: EUR
    units: {tokens: "0.5"}
    rates:
      - {product: Tokens, group: {model: small}, price: "2.50", per: 1000000}
      - {product: Tokens, group: {model: NO}, tiers: [{price: 3, up_to: 10}, {price: 2}]}
      - {product: Tokens, group: {model: bulk}, model: volume, tiers: [{price: 3, up_to: 10}, {price: 2}]}
      - {product: Tokens, group: {model: pack}, model: package, price: 5, package_size: 100}
      - {product: Tokens, group: {model: capped}, price: 1, minimum: 5, maximum: 50}
      - {product: Tokens, group: {model: fee}, percent: "2.9"}
      - {product: Seat, price: 20, every: monthly}
      - {product: Seat, price: 200, every: annual}
      - {product: Support, percent: 10}
customers:
  - {name: Acme, ingest_aliases: [acme], rate_card: List}
"""


def test_a_yaml_catalogue_shows_its_differences_and_asks(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(CATALOGUE)
    shown = run("apply", "catalogue.yaml", "--dry-run", code=EXIT_DIFFERENT).stdout
    assert "+ rate card List  in EUR" in shown
    assert "9 rates, 1 customer, 1 contract to create" in shown
    asked = run("apply", "catalogue.yaml", code=EXIT_DIFFERENT)  # nobody is there to say yes
    assert "--yes" in asked.stderr
    run("apply", "catalogue.yaml", "--dry-run", code=EXIT_DIFFERENT)

    done = run("apply", "catalogue.yaml", "--yes").stdout
    assert done.endswith("done: all 18\n")
    assert "nothing to do" in run("apply", "catalogue.yaml", "--dry-run").stdout

    path.write_text(CATALOGUE.replace("price: 20,", "price: 25,"))
    shown = run("apply", "catalogue.yaml", "--dry-run", code=EXIT_DIFFERENT).stdout
    assert "~ rate Seat monthly on List" in shown
    assert "20 EUR → 25 EUR" in shown
    path.write_text(CATALOGUE.replace('units: {tokens: "0.5"}', 'units: {tokens: "0.6"}'))
    refused = run("apply", "catalogue.yaml", "--yes", code=EXIT_REFUSED)
    assert "conversions cannot change" in refused.stdout
    assert "catalogue.yaml:11" in refused.stdout


def test_what_the_platform_refuses_is_named_by_its_line(run: Run, tmp_path: Path) -> None:
    broken = CATALOGUE.replace(
        "{price: 3, up_to: 10}, {price: 2}]}", "{price: -3, up_to: 10}, {price: 2}]}"
    )
    (tmp_path / "catalogue.yaml").write_text(broken)
    refused = run("apply", "catalogue.yaml", "--yes", code=EXIT_REFUSED)
    assert "catalogue.yaml:" in refused.stderr
    assert "must not be negative" in refused.stderr
    (tmp_path / "catalogue.yaml").write_text(CATALOGUE)  # mended, the rest is added
    run("apply", "catalogue.yaml", "--yes")
    assert "nothing to do" in run("apply", "catalogue.yaml").stdout


def test_a_refused_event_names_its_line(run: Run, tmp_path: Path) -> None:
    path = usage_csv(tmp_path)  # its events are too old, unless moved
    refused = run("ingest", str(path), *INGEST, code=EXIT_REFUSED)
    assert "usage.csv" in refused.stderr or "line" in refused.stderr
    assert "timestamp" in refused.stderr


def test_an_unknown_customer_is_a_plain_fault(run: Run) -> None:
    refused = run("invoice", "nobody", code=EXIT_REFUSED)
    assert "no customer" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_wrong_token_and_an_absent_platform(run: Run) -> None:
    assert "401" in run("usage", "acme", "--token", "wrong", code=EXIT_REFUSED).stderr
    run("usage", "acme", "--data-dir", "nowhere", code=EXIT_UNREACHABLE)


def test_quickstart_prices_ones_own_file(
    run: Run, endpoint: tuple[str, str], tmp_path: Path
) -> None:
    usage_csv(tmp_path)
    words = ["quickstart", "usage.csv", "--customer", "who", "--timestamp", "time"]
    words += ["--quantity", "tokens", "--price", "0.002", "--group", "model"]
    for _ in range(2):
        shown = run(*words, "--save", "prices.json").stdout
    assert "250 events of 2 customers" in shown
    odd = sum(range(1, 251, 2))
    assert f"${odd * Decimal('0.002'):,.2f}" in shown
    until_metered(endpoint)
    assert invoice_of(run, "acme")["total"] == odd * Decimal("0.2")
    assert "nothing to do" in run("apply", "prices.json").stdout


def test_a_real_trace_comes_to_the_price_of_its_readme(
    run: Run, endpoint: tuple[str, str], tmp_path: Path
) -> None:
    """Control totals and price: README of the data set, where it is at hand."""
    text = AZURE.read_text() if AZURE.exists() else _made_up_trace()
    (tmp_path / "trace.csv").write_text(text)
    rows = [line.split(",") for line in text.splitlines()[1:]]
    context, generated = (sum(int(row[column]) for row in rows) for column in (1, 2))
    (tmp_path / "prices.toml").write_text(
        """
metrics = [{ name = "Context", sum = "ContextTokens" }, { name = "Output", sum = "GeneratedTokens" }]
products = [{ name = "Context", metric = "Context" }, { name = "Output", metric = "Output" }]
customers = [{ name = "Code", ingest_aliases = ["code"], rate_card = "List" }]
[[rate_cards]]
name = "List"
rates = [
    { product = "Context", usd = "2.50", per = 1000000 },
    { product = "Output", usd = "10.00", per = 1000000 },
]
"""
    )
    run("apply", "prices.toml", "--yes")
    words = ["ingest", "trace.csv", "--customer", "=code", "--event-type", "=request"]
    for _ in range(2):
        run(*words, "--timestamp", "TIMESTAMP", "--shift-to-now")
    until_metered(endpoint)
    expected = context * Decimal("0.00025") + generated * Decimal("0.001")
    assert (
        sum(
            one["total"]
            for one in json.loads(run("invoice", "code", "--json").stdout, parse_float=Decimal)
        )
        == expected
    )
    if AZURE.exists():
        assert (context, generated) == (18_059_974, 245_896)
        assert expected == Decimal("4760.8895")


def _made_up_trace() -> str:
    rows = [
        f"2023-11-16 18:{row % 60:02}:03.{row:07},{100 + row * 7 % 4000},{row % 90}"
        for row in range(3000)
    ]
    return "\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]) + "\n"
