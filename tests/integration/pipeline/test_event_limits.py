"""What an event counts is raised and cut to its metric's limits where it is metered: through the door, the log, the
worker and its partial sums.
"""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import msgspec
import psycopg
from tests.support.roles import Tokens

from meterline.core.metric import Aggregation, BillableMetric
from meterline.log.postgres import PostgresLogReader, PostgresLogWriter
from meterline.metering.gateway import IngestGateway
from meterline.metering.worker import run_worker
from meterline.services.metrics import create
from meterline.services.workspace import Workspace
from meterline.store.database import Database
from meterline.stream.cycle import Pace
from meterline.stream.group_commit import GroupCommit

NOW = datetime.now(UTC)


def fee(number: int, minimum: str | None, maximum: str | None) -> BillableMetric:
    return BillableMetric(
        UUID(int=number),
        f"fees {number}",
        Aggregation.SUM,
        "n",
        event_minimum=None if minimum is None else Decimal(minimum),
        event_maximum=None if maximum is None else Decimal(maximum),
    )


METRICS = [fee(1, None, None), fee(2, "0.3", None), fee(3, None, "100"), fee(4, "0.3", "100")]
QUANTITIES = ("0.1", "0", "5.25", "1000", "-0.1", "-1000", "1e2")


async def send(url: str, tokens: Tokens) -> None:
    async with Database(url) as database:
        workspace = Workspace(database, tokens.environment_id, NOW, uuid4, "test")
        for metric in METRICS:
            await create(workspace, metric, {})
    events = [
        {
            "transaction_id": f"event-{number}",
            "customer_id": "acme",
            "event_type": "payment",
            "timestamp": NOW.isoformat(),
            "properties": {"n": quantity},
        }
        for number, quantity in enumerate(QUANTITIES)
    ]
    async with PostgresLogWriter(url) as log:
        gateway = IngestGateway(GroupCommit(log))
        body = msgspec.json.encode(events)
        await gateway.ingest(tokens.environment_id, body, content_type="", now=NOW)
        await gateway.close()


def meter(url: str) -> None:
    """Run a worker until all events are metered."""
    stop = threading.Event()
    worker = threading.Thread(
        target=run_worker,
        args=(url, lambda: PostgresLogReader(url)),
        kwargs={"new_id": uuid4, "stopping": stop.is_set, "pace": Pace(cycle_seconds_min=0)},
    )
    worker.start()
    try:
        deadline = time.monotonic() + 30
        with psycopg.connect(url, autocommit=True) as connection:
            metered = 0
            while metered < len(QUANTITIES):
                assert time.monotonic() < deadline, "events are stuck"
                time.sleep(0.05)
                query = "SELECT coalesce(sum(events), 0) FROM stream_partition"
                row = connection.execute(query).fetchone()
                assert row is not None
                metered = int(row[0])
    finally:
        stop.set()
        worker.join(20)


def test_limits_hold_for_each_event(database_url: str, tokens: Tokens) -> None:
    asyncio.run(send(database_url, tokens))
    meter(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE meterline_pipeline")
        rows = connection.execute(
            "SELECT metric_id, sum(quantity) FROM usage_live JOIN usage_series USING (series_id)"
            " GROUP BY metric_id"
        ).fetchall()
    assert dict(rows) == {
        metric.id: sum(metric.counted(Decimal(quantity)) for quantity in QUANTITIES)
        for metric in METRICS
    }
    assert dict(rows)[UUID(int=4)] == Decimal("0.3") * 2 + Decimal("5.25") + 100 - Decimal("0.3")
