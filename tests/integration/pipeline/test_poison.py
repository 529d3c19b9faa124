"""An event that breaks the derivation of its batch is parked alone; everything else is metered once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import polars as pl
import psycopg
import pytest

from meterline.log.postgres import PostgresLogReader, PostgresLogWriter, create_partitions
from meterline.metering.event import StoredEvent, encode_line
from meterline.metering.seen import PostgresSeen
from meterline.metering.sink import MeteringSink
from meterline.store.ownership import WorkerLease
from meterline.stream.cycle import Cycle, Pace
from meterline.stream.log import NewRecord
from meterline.stream.routing import event_id

PIPELINE = "-c role=meterline_pipeline"


class SeenThatChokes(PostgresSeen):
    """Fails, half-way through its work, on the event `poison`."""

    def admit(
        self, connection: psycopg.Connection[Any], events: pl.DataFrame, now: datetime
    ) -> npt.NDArray[np.bool_]:
        new = super().admit(connection, events, now)
        if event_id(1, "poison") in events["id"].to_list():
            raise ValueError("choked")
        return new


@pytest.fixture
def installation(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A database with one environment, one COUNT metric and a log of one partition."""
    with psycopg.connect(database_url, autocommit=True, options=PIPELINE) as connection:
        create_partitions(connection, 1)
        connection.execute(
            "INSERT INTO environment (environment_id, name, kind) OVERRIDING SYSTEM VALUE VALUES (1, 'e', 'sandbox')"
        )
        connection.execute(
            "INSERT INTO billable_metric (environment_id, metric_id, name, aggregation_type, created_at)"
            " VALUES (1, gen_random_uuid(), 'calls', 'COUNT', now())"
        )
        yield connection


def test_a_poisoned_event_is_parked_alone(
    installation: psycopg.Connection[Any], database_url: str
) -> None:
    at = int(datetime.now(UTC).timestamp()) * 1_000_000
    names = ["a", "b", "poison", "c", "a"]
    lines = [encode_line(StoredEvent(name, f"customer-{name}", "call", at)) for name in names]
    asyncio.run(_append(database_url, [b"\n".join(lines[:2]), b"\n".join(lines[2:])]))

    _meter(database_url, installation, events=5)

    counted = installation.execute(
        "SELECT s.ingest_key, l.quantity FROM usage_live l JOIN usage_series s USING (environment_id, series_id)"
        " ORDER BY 1"
    ).fetchall()
    assert counted == [("customer-a", 1), ("customer-b", 1), ("customer-c", 1)]
    parked = installation.execute(
        "SELECT transaction_id, reason, event FROM parked_event"
    ).fetchall()
    assert parked == [("poison", "ValueError('choked')", lines[2].decode())]
    seen = installation.execute("SELECT event_id FROM seen_event").fetchall()
    assert {row[0].bytes for row in seen} == {event_id(1, name) for name in ("a", "b", "c")}


async def _append(url: str, values: list[bytes]) -> None:
    async with PostgresLogWriter(url) as log:
        for value in values:
            await log.append([NewRecord(1, 0, value.count(b"\n") + 1, value)])


def _meter(url: str, connection: psycopg.Connection[Any], *, events: int) -> None:
    """Run a worker until it has consumed `events`."""
    lease = WorkerLease(url, uuid4(), partitions=1)
    sink = MeteringSink(url, lease.slot, SeenThatChokes())
    reader = PostgresLogReader(url)

    def consumed() -> bool:
        row = connection.execute("SELECT sum(events) FROM stream_partition").fetchone()
        return row is not None and row[0] == events

    try:
        Cycle(reader, sink, lease, Pace(cycle_seconds_min=0)).run(consumed)
    finally:
        reader.close()
        sink.close()
        lease.leave()
