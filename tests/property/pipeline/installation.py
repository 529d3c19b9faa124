"""A pipeline over a real PostgreSQL, run in ever different ways: order, cuts, partitions, workers, pace."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import psycopg
from tests.support.running_api import running_api

from meterline.api.app import create_app
from meterline.api.components import Components
from meterline.core.metric import Aggregation, BillableMetric, PropertyFilter, ValueFilter
from meterline.log.postgres import PostgresLogReader, PostgresLogWriter, create_partitions
from meterline.log.postgres_backlog import PostgresLogBacklog
from meterline.metering.gateway import IngestGateway
from meterline.metering.worker import run_worker
from meterline.store.database import Database
from meterline.stream.cycle import Pace
from meterline.stream.group_commit import GroupCommit

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
START, END = NOW.replace(hour=0, minute=0) - timedelta(days=3), NOW.replace(hour=0, minute=0)
END += timedelta(days=1)
TOKEN = "pipeline"
DEADLINE_SECONDS = 60
AT_ONCE = Pace(cycle_seconds_min=0.0)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What every copy of the catalogue's database holds, by id."""

    environment_id: int
    token: str
    customers: dict[str, str]
    metrics: tuple[BillableMetric, ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One way for the same events to arrive and to be metered."""

    partitions: int = 1
    workers: int = 1
    requests_at_once: int = 1
    pace: Pace = AT_ONCE


async def make_catalogue(url: str) -> Catalogue:
    """A metric of each aggregation, priced, and two customers under contract, one with an alias."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET ROLE meterline_pipeline")
        # running_api would make partitions of its own number; there shall be none yet.
        create_partitions(connection, 1)
    async with running_api(url, lambda: NOW) as api:
        sdk = api.sdk
        metrics = [await _metric(sdk, aggregation) for aggregation in Aggregation]
        card = (await sdk.v1.contracts.rate_cards.create(name="list")).data.id
        for price, metric in enumerate(metrics, 1):
            product = await sdk.v1.contracts.products.create(
                name=metric.name,
                type="USAGE",
                billable_metric_id=str(metric.id),
                presentation_group_key=["region"],
            )
            await sdk.v1.contracts.rate_cards.rates.add(
                rate_card_id=card,
                product_id=product.data.id,
                starting_at=datetime(2026, 1, 1, tzinfo=UTC),
                entitled=True,
                rate_type="FLAT",
                price=price / 4,
            )
        customers = {}
        for name, aliases in (("acme", ["acme", "a\"'\\,\n"]), ("zeta", ["zeta"])):
            made = await sdk.v1.customers.create(name=name, ingest_aliases=aliases)
            customers[name] = made.data.id
            await sdk.v1.contracts.create(
                customer_id=made.data.id,
                rate_card_id=card,
                starting_at=datetime(2026, 10, 1, tzinfo=UTC),
            )
        token = api.http.headers["Authorization"].removeprefix("Bearer ")
        return Catalogue(api.environment_id, token, customers, tuple(metrics))


async def _metric(sdk: Any, aggregation: Aggregation) -> BillableMetric:
    key = {} if aggregation is Aggregation.COUNT else {"aggregation_key": "n"}
    made = await sdk.v1.billable_metrics.create(
        name=aggregation.lower(),
        aggregation_type=aggregation.value,
        event_type_filter={"in_values": ["llm", "image"]},
        property_filters=[{"name": "model", "not_in_values": ["free"]}],
        group_keys=[["region"], ["model", "region"]],
        **key,
    )
    return BillableMetric(
        UUID(made.data.id),
        aggregation.lower(),
        aggregation,
        key.get("aggregation_key"),
        ValueFilter(("llm", "image")),
        (PropertyFilter("model", None, (), ("free",)),),
        (("region",), ("model", "region")),
    )


@contextmanager
def copy_of(administrator_url: str, template_url: str) -> Iterator[str]:
    """A fresh copy of a database that nobody is connected to."""
    template, name = _name(template_url), f"copy_{uuid4().hex}"
    with psycopg.connect(administrator_url, autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy OWNER meterline".encode()
        )
    yield template_url.replace(f"/{template}?", f"/{name}?")
    with psycopg.connect(administrator_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _name(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


def meter(
    url: str, catalogue: Catalogue, requests: Sequence[Sequence[dict[str, Any]]], way: Delivery
) -> None:
    """Send `requests` and return when every worker has nothing left to do."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET ROLE meterline_pipeline")
        connection.execute(
            "INSERT INTO log_partition (partition) SELECT generate_series(1, %s - 1)",
            [way.partitions],
        )
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            run_worker(
                url,
                lambda: PostgresLogReader(url),
                new_id=uuid4,
                stopping=stop.is_set,
                pace=way.pace,
            )
        except BaseException as failure:
            failures.append(failure)

    workers = [threading.Thread(target=work) for _ in range(way.workers)]
    for worker in workers:
        worker.start()
    try:
        asyncio.run(_send(url, catalogue, requests, way.requests_at_once))
        _wait_until_metered(url)
    finally:
        stop.set()
        for worker in workers:
            worker.join(20)
    assert failures == []


async def _send(
    url: str, catalogue: Catalogue, requests: Sequence[Sequence[dict[str, Any]]], at_once: int
) -> None:
    async with PostgresLogWriter(url) as log:
        gateway = IngestGateway(GroupCommit(log))
        for first in range(0, len(requests), at_once):
            await asyncio.gather(
                *(
                    gateway.ingest(
                        catalogue.environment_id,
                        msgspec.json.encode(events),
                        content_type="application/json",
                        now=NOW,
                    )
                    for events in requests[first : first + at_once]
                )
            )
        await gateway.close()


def _wait_until_metered(url: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET ROLE meterline_pipeline")
        while True:
            row = connection.execute(
                "SELECT (SELECT sum(events) FROM log_partition) - (SELECT coalesce(sum(events), 0)"
                " FROM stream_partition)"
            ).fetchone()
            if row == (0,):
                return
            assert time.monotonic() < deadline, f"{row} events are not metered"
            time.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that the same events must always come to, as bytes."""

    usage: bytes
    groups: tuple[bytes, ...]
    invoices: tuple[bytes, ...]
    parked: tuple[Any, ...]
    unmatched: tuple[Any, ...]


async def outcome(url: str, catalogue: Catalogue) -> Outcome:
    """Read everything back, usage and invoices by the API, as it answers."""
    async with (
        Database(url, connections_max=4) as database,
        PostgresLogWriter(url) as log,
        PostgresLogBacklog(url) as backlog,
    ):
        app: Any = create_app(
            Components(
                database=database,
                log=log,
                records=log,
                backlog=backlog,
                clock=lambda: NOW,
                new_id=uuid4,
            )
        )
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://api.test",
            headers={"Authorization": f"Bearer {catalogue.token}"},
        ) as http:
            usage = await http.post(
                "/v1/usage",
                json={
                    "starting_on": START.isoformat(),
                    "ending_before": END.isoformat(),
                    "window_size": "HOUR",
                },
            )
            groups = [
                await http.post(
                    "/v1/usage/groups?limit=100",
                    json={
                        "customer_id": customer,
                        "billable_metric_id": str(metric.id),
                        "window_size": "NONE",
                        "group_key": ["model", "region"],
                        "starting_on": START.isoformat(),
                        "ending_before": END.isoformat(),
                    },
                )
                for customer in catalogue.customers.values()
                for metric in catalogue.metrics
            ]
            invoices = [
                await http.get(f"/v1/customers/{customer}/invoices")
                for customer in catalogue.customers.values()
            ]
        for reply in (usage, *groups, *invoices):
            assert reply.status_code == 200, reply.text
    rows = _rows(url)
    return Outcome(
        usage.content,
        tuple(reply.content for reply in groups),
        tuple(reply.content for reply in invoices),
        *rows,
    )


def _rows(url: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET ROLE meterline_pipeline")
        parked = connection.execute(
            "SELECT transaction_id, metric_id, reason, event FROM parked_event ORDER BY 1, 2"
        ).fetchall()
        unmatched = connection.execute(
            "SELECT event_type, day, sum(events) FROM unmatched_metric GROUP BY 1, 2 ORDER BY 1, 2"
        ).fetchall()
    return tuple(parked), tuple(unmatched)
