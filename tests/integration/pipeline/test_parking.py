"""Nothing that gets into the log can hold up its partition: it is counted, or parked with its reason."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from tests.support.roles import Tokens

from meterline.log.postgres import PostgresLogReader, PostgresLogWriter
from meterline.metering.gateway import IngestGateway
from meterline.metering.worker import run_worker
from meterline.stream.cycle import Pace
from meterline.stream.group_commit import GroupCommit
from meterline.stream.log import NewRecord

NOW = datetime.now(UTC)
METRICS = [("count", "COUNT", None), ("total", "SUM", "n"), ("names", "UNIQUE", "name")]
HOSTILE = [
    "",
    "\\.",
    "\\N",
    'q"uote',
    "comma,",
    "a\nb\r\nc",
    "\t",
    "NULL",
    "é",
    "{}",
    "%s",
    "x\u2028",
]


class Pipeline:
    """One worker over one log, and what it left in the database."""

    def __init__(self, url: str, tokens: Tokens) -> None:
        self.url = url
        self.environment_id = tokens.environment_id

    def create_metrics(self) -> None:
        with self._connect() as connection:
            for name, aggregation, key in METRICS:
                connection.execute(
                    "INSERT INTO billable_metric (environment_id, metric_id, name, aggregation_type,"
                    " aggregation_key, property_filters, group_keys, custom_fields, created_at)"
                    " VALUES (%s, gen_random_uuid(), %s, %s, %s, '[]', '[[\"name\"]]', '{}', now())",
                    [self.environment_id, name, aggregation, key],
                )

    def ingest(self, *events: dict[str, Any]) -> None:
        """Through the door, in requests of 100."""

        async def send() -> None:
            async with PostgresLogWriter(self.url) as log:
                gateway = IngestGateway(GroupCommit(log))
                for first in range(0, len(events), 100):
                    await gateway.ingest(
                        self.environment_id,
                        msgspec.json.encode(events[first : first + 100]),
                        content_type="",
                        now=NOW,
                    )
                await gateway.close()

        asyncio.run(send())

    def append(self, *lines: bytes) -> None:
        """Past the door, as another producer might, all into one record."""

        async def send() -> None:
            async with PostgresLogWriter(self.url) as log:
                record = NewRecord(self.environment_id, 3, len(lines), b"\n".join(lines))
                await log.append([record])

        asyncio.run(send())

    def meter(self, seconds: float = 30) -> None:
        """Run a worker until nothing is left."""
        stop = threading.Event()
        worker = threading.Thread(
            target=run_worker,
            args=(self.url, lambda: PostgresLogReader(self.url)),
            kwargs={"new_id": uuid4, "stopping": stop.is_set, "pace": Pace(cycle_seconds_min=0)},
        )
        worker.start()
        try:
            deadline = time.monotonic() + seconds
            while self.lag():
                assert time.monotonic() < deadline, f"{self.lag()} events are stuck"
                time.sleep(0.05)
        finally:
            stop.set()
            worker.join(20)

    def lag(self) -> int:
        ((appended,),) = self.rows("SELECT sum(events) FROM log_partition")
        ((metered,),) = self.rows("SELECT coalesce(sum(events), 0) FROM stream_partition")
        return int(appended - metered)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self._connect() as connection:
            return connection.execute(query.encode()).fetchall()

    def counted(self, metric: str) -> Decimal:
        """The total of a metric over everybody."""
        ((total,),) = self.rows(
            "SELECT coalesce(sum(quantity), 0) FROM usage_live JOIN usage_series USING (series_id)"
            f" JOIN billable_metric USING (metric_id) WHERE name = '{metric}'"
        )
        return Decimal(total)

    def parked(self) -> list[tuple[Any, ...]]:
        return self.rows(
            "SELECT transaction_id, (SELECT name FROM billable_metric m WHERE m.metric_id = p.metric_id),"
            " reason, event FROM parked_event p ORDER BY parked_row"
        )

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, autocommit=True, options="-c role=meterline_pipeline")


@pytest.fixture
def pipeline(database_url: str, tokens: Tokens) -> Pipeline:
    made = Pipeline(database_url, tokens)
    made.create_metrics()
    return made


def an_event(**changes: Any) -> dict[str, Any]:
    return {
        "transaction_id": str(uuid4()),
        "customer_id": "acme",
        "event_type": "llm",
        "timestamp": NOW.isoformat(),
        "properties": {"n": "1"},
        **changes,
    }


def a_line(**changes: Any) -> bytes:
    return msgspec.json.encode(an_event(timestamp=int(NOW.timestamp() * 1_000_000), **changes))


def test_what_one_metric_cannot_read_is_parked_for_it_and_the_others_count(
    pipeline: Pipeline,
) -> None:
    odd = an_event(properties={"n": "many", "name": "x"})
    pipeline.ingest(an_event(), odd, an_event(properties={"n": "2.5", "name": "y"}))
    pipeline.meter()
    assert pipeline.counted("count") == 3
    assert pipeline.counted("total") == Decimal("3.5")
    assert pipeline.rows("SELECT count(*) FROM usage_member_live") == [(2,)]
    ((transaction_id, metric, reason, event),) = pipeline.parked()
    assert (transaction_id, metric) == (odd["transaction_id"], "total")
    assert "not a decimal number" in reason
    assert msgspec.json.decode(event)["properties"] == {"n": "many", "name": "x"}


def test_a_repeat_of_a_parked_event_is_not_parked_again(pipeline: Pipeline) -> None:
    odd = an_event(properties={"n": "many"})
    pipeline.ingest(odd, odd)
    pipeline.ingest(odd)
    pipeline.meter()
    assert len(pipeline.parked()) == 1
    assert pipeline.counted("count") == 1


def test_lines_that_are_no_events_are_parked_whole(pipeline: Pipeline) -> None:
    junk = [b"{", b"not JSON", b'{"transaction_id": 7}', b'\xff\xfe"', b"\x00\x01", b"[" * 9_000]
    good = [a_line() for _ in range(3)]
    pipeline.append(good[0], *junk[:3], good[1], *junk[3:], good[2])
    pipeline.meter()
    assert pipeline.counted("count") == 3
    parked = pipeline.parked()
    assert len(parked) == len(junk)
    assert all(row[:2] == (None, None) and row[2] for row in parked)
    assert {row[3][:9] for row in parked} >= {"{", "not JSON"}


def test_events_that_the_database_refuses_are_parked_one_by_one(pipeline: Pipeline) -> None:
    """Such as another producer may write: the door lets none of these in."""
    poison = [
        a_line(customer_id="a\0b"),
        a_line(event_type="\0"),
        a_line(properties={"n": "1", "name": "\0"}),
    ]
    good = [a_line() for _ in range(4)]
    pipeline.append(good[0], poison[0], good[1], *poison[1:], good[2])
    pipeline.ingest(an_event())
    pipeline.append(good[3])
    pipeline.meter()
    assert pipeline.counted("count") >= 5
    assert pipeline.counted("total") >= 5
    held = len(pipeline.parked())
    assert held >= 2
    # A type of NUL matters only where it is written; counted or parked, each once.
    assert pipeline.counted("count") + held == 8


@pytest.mark.parametrize("field", ["customer_id", "event_type", "name", "transaction_id"])
def test_texts_of_any_kind_are_counted(pipeline: Pipeline, field: str) -> None:
    longest = {"customer_id": 128, "event_type": 1024, "name": 20_000, "transaction_id": 128}[field]
    rng = random.Random(1)  # random text, so that PostgreSQL cannot compress it
    texts = [text for text in HOSTILE if text or field == "name"]
    texts += ["".join(chr(rng.randint(0x4E00, 0x9FFF)) for _ in range(longest))]
    texts += ["".join(chr(rng.randint(0x10000, 0x1FFFF)) for _ in range(longest))]
    events = [
        an_event(properties={"n": "1", "name": text})
        if field == "name"
        else an_event(**{field: text})
        for text in texts
    ]
    pipeline.ingest(*events)
    pipeline.meter()
    assert pipeline.counted("count") == pipeline.counted("total") == len(texts)
    assert pipeline.parked() == []
    if field == "customer_id":
        keys = pipeline.rows("SELECT DISTINCT ingest_key FROM usage_series")
        assert {key for (key,) in keys} == set(texts)
    if field == "name":
        ((members,),) = pipeline.rows("SELECT count(DISTINCT member) FROM usage_member_live")
        assert members == len(texts)
        groups = pipeline.rows("SELECT DISTINCT group_values ->> 'name' FROM usage_series")
        assert {group for (group,) in groups} == set(texts)


def test_types_of_any_kind_that_no_metric_matches_are_counted_as_such(pipeline: Pipeline) -> None:
    with psycopg.connect(pipeline.url, autocommit=True) as connection:
        connection.execute("SET ROLE meterline_pipeline")
        connection.execute("UPDATE billable_metric SET archived_at = now()")
    rng = random.Random(2)
    types = ["".join(chr(rng.randint(0x10000, 0x1FFFF)) for _ in range(1024)), "\\.", "x"]
    pipeline.ingest(*(an_event(event_type=one) for one in types), an_event(event_type="x"))
    pipeline.meter()
    rows = pipeline.rows("SELECT event_type, sum(events) FROM unmatched_metric GROUP BY 1")
    assert sorted(rows) == sorted([(types[0][:256], 1), ("\\.", 1), ("x", 2)])
    assert pipeline.parked() == []
