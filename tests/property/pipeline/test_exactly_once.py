"""The same events give the same usage and the same invoice, byte for byte, however they come and are metered."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from functools import cache
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.property.pipeline.installation import (
    END,
    NOW,
    START,
    Catalogue,
    Delivery,
    Outcome,
    copy_of,
    make_catalogue,
    meter,
    outcome,
)

from meterline.core.metric import Aggregation, BillableMetric
from meterline.metering.quantities import exact
from meterline.store.embedded import EmbeddedPostgres
from meterline.stream.cycle import Pace
from meterline.stream.routing import event_id

KEYS = {"acme": "acme", "zeta": "zeta", "a\"'\\,\n": "acme", "nobody": None}
VALUES = ["1", "-2.5", 7, "0.000000000000000001", "999999999999999999.999999999999999999", 0.1]
VALUES += ["1e3", "many", True, None, "", -3, "a\"'\\.,\n\t"]


def events(seed: int) -> list[dict[str, Any]]:
    """A multiset of events: a fifth are repeats, some no metric matches, some no metric can read."""
    rng = random.Random(seed)
    unique = [
        {
            "transaction_id": f"{seed}/{number}",
            "customer_id": rng.choice([*KEYS, "acme", "acme"]),
            "event_type": rng.choice(["llm", "llm", "image", "other"]),
            "timestamp": _some_instant(rng).isoformat(),
            "properties": {
                name: value
                for name, value in (
                    ("n", rng.choice(VALUES)),
                    ("model", rng.choice(["x", "y", "free", None])),
                    ("region", rng.choice(["eu", "us", ""])),
                )
                if rng.random() < 0.9
            },
        }
        for number in range(160)
    ]
    return unique + rng.choices(unique, k=40)


def _some_instant(rng: random.Random) -> datetime:
    """Of few hours, often the same microsecond, so that LATEST has ties."""
    return START + timedelta(hours=rng.choice([0, 23, 24, 60]), microseconds=rng.choice([0, 1]))


@pytest.fixture(scope="module")
def catalogue(module_database_url: str) -> Catalogue:
    return asyncio.run(make_catalogue(module_database_url))


@pytest.fixture(scope="module")
def deliver(postgres: EmbeddedPostgres, module_database_url: str, catalogue: Catalogue) -> Any:
    def run(requests: list[list[dict[str, Any]]], way: Delivery) -> Outcome:
        with copy_of(postgres.administrator_url, module_database_url) as url:
            meter(url, catalogue, requests, way)
            return asyncio.run(outcome(url, catalogue))

    @cache
    def canonical(seed: int) -> Outcome:
        """One request after the other, in order, into one partition for one worker."""
        all_events = events(seed)
        return run([all_events[first : first + 100] for first in (0, 100)], Delivery())

    return run, canonical


deliveries = st.builds(
    Delivery,
    partitions=st.sampled_from([1, 3, 8]),
    workers=st.integers(1, 3),
    requests_at_once=st.sampled_from([1, 4, 50]),
    pace=st.builds(
        Pace, st.sampled_from([1, 7, 60, 60_000]), cycle_seconds_min=st.sampled_from([0.0, 0.05])
    ),
)


@settings(
    max_examples=12,
    phases=[Phase.explicit, Phase.generate],  # each example is a database: too slow to shrink
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
@given(
    seed=st.sampled_from([1, 2]),
    order=st.randoms(use_true_random=False),
    sizes=st.lists(st.integers(1, 100), min_size=1, max_size=20),
    again=st.booleans(),
    way=deliveries,
)
def test_the_way_they_come_makes_no_difference(
    deliver: Any,
    seed: int,
    order: random.Random,
    sizes: list[int],
    again: bool,
    way: Delivery,
) -> None:
    run, canonical = deliver
    sent = events(seed)
    order.shuffle(sent)
    requests = cut(sent, sizes)
    if again:  # a client that lost every answer
        requests += requests
    assert run(requests, way) == canonical(seed)


def cut(sent: list[dict[str, Any]], sizes: list[int]) -> list[list[dict[str, Any]]]:
    """Cut `sent` into requests of these sizes, and the rest into requests of the last."""
    requests, place, number = [], 0, 0
    while place < len(sent):
        size = sizes[min(number, len(sizes) - 1)]
        requests.append(sent[place : place + size])
        place, number = place + size, number + 1
    return requests


@pytest.fixture(scope="module", autouse=True)
def arithmetic() -> Iterator[None]:
    """The model adds numbers of 36 digits; Python's usual 28 would round them."""
    with localcontext(prec=80):
        yield


@pytest.mark.parametrize("seed", [1, 2])
def test_it_is_what_a_model_says(deliver: Any, catalogue: Catalogue, seed: int) -> None:
    """One event at a time, with nothing of the pipeline but the rule of what a quantity is."""
    _, canonical = deliver
    found: Outcome = canonical(seed)
    distinct = {event["transaction_id"]: event for event in events(seed)}.values()
    names = {UUID(customer): name for name, customer in catalogue.customers.items()}
    usage = {
        (
            names[UUID(row["customer_id"])],
            UUID(row["billable_metric_id"]),
            row["start_timestamp"],
        ): (row["value"])
        for row in _json(found.usage)["data"]
        if row["value"] is not None
    }
    assert usage == model(distinct, catalogue.metrics)
    assert len(usage) > 20
    unread = {
        (event["transaction_id"], metric.id)
        for event in distinct
        for metric in catalogue.metrics
        if metric.aggregation not in (Aggregation.COUNT, Aggregation.UNIQUE)
        and _counts(metric, event)
        and _quantity(event) is None
    }
    assert {(row[0], row[1]) for row in found.parked} == unread
    assert len(unread) > 10
    unmatched = sum(
        not any(_counts(metric, event) for metric in catalogue.metrics) for event in distinct
    )
    assert sum(row[2] for row in found.unmatched) == unmatched > 10


@pytest.mark.parametrize("seed", [1, 2])
def test_the_invoice_is_the_usage_at_its_price(
    deliver: Any, catalogue: Catalogue, seed: int
) -> None:
    """For the metrics that add: price times quantity, added up by hand."""
    _, canonical = deliver
    found: Outcome = canonical(seed)
    distinct = {event["transaction_id"]: event for event in events(seed)}.values()
    for name, reply in zip(catalogue.customers, found.invoices, strict=True):
        current = [
            invoice
            for invoice in _json(reply)["data"]
            if invoice["start_timestamp"].startswith("2026-11")
        ]
        (invoice,) = current
        for price, metric in enumerate(catalogue.metrics, 1):
            if not metric.aggregation.is_additive:
                continue
            mine = [
                event
                for event in distinct
                if KEYS[event["customer_id"]] == name and _counts(metric, event)
            ]
            quantity = sum((_additive(metric, event) for event in mine), Decimal(0))
            lines = [line for line in invoice["line_items"] if line["name"] == metric.name]
            assert sum(line["quantity"] for line in lines) == quantity
            assert sum(line["total"] for line in lines) == quantity * price / 4


def model(distinct: Any, metrics: tuple[BillableMetric, ...]) -> dict[Any, Decimal]:
    """Usage by customer, metric and hour."""
    gathered: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for event in distinct:
        customer = KEYS[event["customer_id"]]
        at = datetime.fromisoformat(event["timestamp"])
        if customer is None or not START <= at < END:
            continue
        hour = at.replace(minute=0, second=0, microsecond=0)
        for metric in metrics:
            if _counts(metric, event):
                gathered[customer, metric, f"{hour:%Y-%m-%dT%H:%M:%SZ}"].append(event)
    usage = {}
    for (customer, metric, hour), some in gathered.items():
        quantity = _aggregate(metric, some)
        if quantity is not None:
            usage[customer, metric.id, hour] = quantity
    return usage


def _aggregate(metric: BillableMetric, some: list[dict[str, Any]]) -> Decimal | None:
    if metric.aggregation is Aggregation.COUNT:
        return Decimal(len(some))
    if metric.aggregation is Aggregation.UNIQUE:
        return Decimal(len({_text(event) for event in some}))
    read = [(event, quantity) for event in some if (quantity := _quantity(event)) is not None]
    if not read:
        return None
    if metric.aggregation is Aggregation.MAX:
        return max(quantity for _, quantity in read)
    if metric.aggregation is Aggregation.LATEST:
        return max(
            read,
            key=lambda one: (
                datetime.fromisoformat(one[0]["timestamp"]),
                event_id(1, one[0]["transaction_id"]),
            ),
        )[1]
    return sum((quantity for _, quantity in read), Decimal(0))


def _additive(metric: BillableMetric, event: dict[str, Any]) -> Decimal:
    if metric.aggregation is Aggregation.COUNT:
        return Decimal(1)
    return _quantity(event) or Decimal(0)


def _counts(metric: BillableMetric, event: dict[str, Any]) -> bool:
    properties = event["properties"]
    return (
        event["event_type"] in ("llm", "image")
        and properties.get("model") != "free"
        and (metric.aggregation is Aggregation.COUNT or properties.get("n") is not None)
    )


def _text(event: dict[str, Any]) -> str:
    value = event["properties"]["n"]
    return "true" if value is True else str(value)


def _quantity(event: dict[str, Any]) -> Decimal | None:
    return exact(_text(event))


def _json(content: bytes) -> Any:
    """Numbers as decimals, digit for digit."""
    return json.loads(content, parse_float=Decimal)


assert START < NOW < END
