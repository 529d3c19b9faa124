"""An hour of a real language-model service, sent twice and shuffled by the unmodified SDK, priced to the last digit."""

from __future__ import annotations

import csv
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from metronome import Metronome
from tests.support.platform import Platform

# Azure/AzurePublicDataset, CC BY 4.0. It is no part of the repository: where it is absent, so is this test.
TRACE = Path(__file__).parents[4] / "shared" / "data" / "azure_llm_2023_code.csv"
pytestmark = pytest.mark.skipif(
    not TRACE.exists(), reason="the Azure trace is not beside this checkout (../shared/data)"
)

REQUESTS, CONTEXT, GENERATED = 8_819, 18_059_974, 245_896
CENTS = Decimal("4760.8895")
CUSTOMERS = 7


@pytest.fixture(scope="module")
def service(platform: Platform) -> Iterator[tuple[Platform, str, Metronome]]:
    _, token = platform.new_environment("azure")
    with Metronome(
        base_url=platform.url,
        bearer_token=token,
        max_retries=0,
        _strict_response_validation=True,
    ) as sdk:
        yield platform, token, sdk


def trace(now: datetime) -> list[dict[str, Any]]:
    """The trace's requests as events, moved so that the last one is an hour old."""
    with TRACE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    times = [datetime.fromisoformat(row["TIMESTAMP"][:26]).replace(tzinfo=UTC) for row in rows]
    moved = now - timedelta(hours=1) - max(times)
    return [
        {
            "transaction_id": f"azure-{number}",
            "customer_id": f"azure-{number % CUSTOMERS}",
            "event_type": "llm.completion",
            "timestamp": (at + moved).isoformat(),
            "properties": {
                "context": row["ContextTokens"],
                "generated": int(row["GeneratedTokens"]),
                "deployment": "code",
            },
        }
        for number, (row, at) in enumerate(zip(rows, times, strict=True))
    ]


def batches(events: list[dict[str, Any]], rng: random.Random) -> list[list[dict[str, Any]]]:
    """Everything twice, shuffled, in requests of every size, with repeats inside them."""
    sent = events * 2
    rng.shuffle(sent)
    requests = []
    while sent:
        size = rng.randint(60, 97)
        some, sent = sent[:size], sent[size:]
        some += rng.choices(some, k=rng.randint(0, 3))
        rng.shuffle(some)
        requests.append(some)
    return requests


def catalogue(sdk: Metronome, start: datetime) -> tuple[dict[str, str], str]:
    """Three metrics; tokens cost by the million. Return the metrics and the customer, who has every alias."""
    metrics = {}
    card = sdk.v1.contracts.rate_cards.create(name="azure").data.id
    for name, price in (("context", 250), ("generated", 1000), ("requests", None)):
        counted: Any = {"aggregation_type": "COUNT"}
        if price is not None:
            counted = {"aggregation_type": "SUM", "aggregation_key": name}
        metrics[name] = sdk.v1.billable_metrics.create(
            name=name,
            event_type_filter={"in_values": ["llm.completion"]},
            group_keys=[["deployment"]],
            **counted,
        ).data.id
        if price is None:
            continue
        product = sdk.v1.contracts.products.create(
            name=name,
            type="USAGE",
            billable_metric_id=metrics[name],
            quantity_conversion={"conversion_factor": 1_000_000, "operation": "DIVIDE"},
        ).data.id
        sdk.v1.contracts.rate_cards.rates.add(
            rate_card_id=card,
            product_id=product,
            starting_at=start,
            entitled=True,
            rate_type="FLAT",
            price=price,  # cents a million
        )
    customer = sdk.v1.customers.create(
        name="azure", ingest_aliases=[f"azure-{number}" for number in range(CUSTOMERS)]
    ).data.id
    sdk.v1.contracts.create(customer_id=customer, rate_card_id=card, starting_at=start)
    return metrics, customer


def test_the_replay_comes_to_its_control_totals(
    service: tuple[Platform, str, Metronome],
) -> None:
    platform, token, sdk = service
    now = datetime.now(UTC)
    start = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
    metrics, customer = catalogue(sdk, start)
    events = trace(now)
    assert len(events) == REQUESTS
    requests = batches(events, random.Random(8_819))
    assert sum(map(len, requests)) > 2 * REQUESTS
    with ThreadPoolExecutor(4) as senders:
        list(senders.map(lambda some: sdk.v1.usage.ingest(usage=some), requests))
    wait_until_rated(platform, token)

    end = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    usage = {
        row.billable_metric_id: row.value
        for row in sdk.v1.usage.list(
            starting_on=start,
            ending_before=end,
            window_size="NONE",
            customer_ids=[customer],
        ).data
    }
    assert usage == {
        metrics["context"]: CONTEXT,
        metrics["generated"]: GENERATED,
        metrics["requests"]: REQUESTS,
    }

    invoices = list(sdk.v1.customers.invoices.list(customer_id=customer, status="DRAFT"))
    assert sum(Decimal(str(invoice.total)) for invoice in invoices) == CENTS
    exact = [
        msgspec.json.decode(
            platform_get(platform, token, f"/v1/customers/{customer}/invoices/{invoice.id}"),
            type=dict[str, dict[str, Any]],
        )["data"]
        for invoice in invoices
    ]
    assert sum(Decimal(str(invoice["total"])) for invoice in exact) == CENTS
    priced = {"context": Decimal("4514.9935"), "generated": Decimal("245.896")}
    for name, cents in priced.items():
        lines = [
            Decimal(str(line["total"]))
            for invoice in exact
            for line in invoice["line_items"]
            if line["name"] == name
        ]
        assert sum(lines) == cents


def wait_until_rated(platform: Platform, token: str, seconds: float = 60) -> None:
    """Return once everything acknowledged is metered and rated."""
    deadline = time.monotonic() + seconds
    while True:
        status = msgspec.json.decode(platform_get(platform, token, "/v1/pipeline"))
        if status["lag_events"] == 0:
            return
        assert time.monotonic() < deadline, status
        time.sleep(0.1)


def platform_get(platform: Platform, token: str, path: str) -> bytes:
    answer = httpx.get(
        f"{platform.url}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    assert answer.status_code == 200, answer.text
    return answer.content
