"""A small client that keeps sending whatever happens, and knows exactly what was acknowledged.

It behaves as a good client should: what is refused or unanswered it sends again, mostly; it repeats events that were
accepted long ago, too. In the end `check_counted_once` compares the database with its books.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx
import msgspec
import psycopg

from meterline.stream.routing import event_id

CUSTOMERS = tuple(f"customer-{number}" for number in range(12))
METRICS = {"events": "COUNT", "tokens": "SUM"}
# An answer that takes longer is given up, as SDKs do; the events are then neither in nor out for the client.
ANSWER_SECONDS = 8.0
Event = dict[str, Any]


@dataclass
class Books:
    """What was sent, and what was acknowledged when."""

    sent: dict[str, Event] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    requests: list[list[str]] = field(default_factory=list)
    statuses: Counter[int | str] = field(default_factory=Counter)
    acknowledged_at: list[float] = field(default_factory=list)


class Load:
    """Sends until stopped, from a thread of its own. Use as a context manager."""

    def __init__(
        self, url: str, token: str, *, seed: int = 1, clients: int = 4, pause: float = 0.02
    ) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._random = random.Random(seed)
        self._clients = clients
        self._pause = pause
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")
        self._failure: BaseException | None = None
        self._run_id = f"load-{seed}-{time.monotonic_ns()}"
        self.books = Books()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Let every client finish what it has begun."""
        self._stopping.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self._failure is not None:
            raise self._failure

    @property
    def acknowledged_count(self) -> int:
        """Distinct events acknowledged so far."""
        return len(self.books.acknowledged)

    def wait_for(self, count: int, seconds: float = 15) -> None:
        """Return once so many events are acknowledged."""
        deadline = time.monotonic() + seconds
        while self.acknowledged_count < count:
            assert self._failure is None, repr(self._failure)
            assert time.monotonic() < deadline, (
                f"{self.acknowledged_count} of {count} within {seconds} s: {self.books.statuses}"
            )
            time.sleep(0.02)

    def longest_silence(self) -> float:
        """The longest time without any acknowledgement, in seconds."""
        moments = self.books.acknowledged_at
        return max((b - a for a, b in pairwise(moments)), default=0.0)

    def check_counted_once(self, database_url: str, *, may_halve: bool = False) -> None:
        """Compare the database with the books: ids, totals by customer, and requests kept whole.

        `may_halve`: a request that nobody acknowledged may be kept in part, as Kafka does.
        """
        with psycopg.connect(database_url, options="-c role=meterline_pipeline") as connection:
            ids = connection.execute("SELECT event_id FROM seen_event").fetchall()
            environment = connection.execute("SELECT environment_id FROM environment").fetchall()
            totals = connection.execute(_TOTALS).fetchall()
            parked = connection.execute("SELECT count(*) FROM parked_event").fetchone()
        ((environment_id,),) = environment
        of_id = {
            UUID(bytes=event_id(environment_id, transaction_id)): transaction_id
            for transaction_id in self.books.sent
        }
        seen = Counter(event_id for (event_id,) in ids)
        assert not seen.keys() - of_id.keys(), "something is kept that was never sent"
        twice = [of_id[one] for one, times in seen.items() if times > 1]
        assert not twice, f"{len(twice)} ids were accepted twice: {twice[:5]}"
        kept = {of_id[one] for one in seen}
        lost = self.books.acknowledged - kept
        assert not lost, f"{len(lost)} acknowledged events are lost: {sorted(lost)[:5]}"
        assert parked == (0,)
        expected: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for transaction_id in kept:
            event = self.books.sent[transaction_id]
            expected[event["customer_id"], "events"] += 1
            expected[event["customer_id"], "tokens"] += Decimal(event["properties"]["tokens"])
        found = {(key, name): quantity for key, name, quantity in totals}
        assert found == dict(expected)
        for request in self.books.requests:
            inside = [transaction_id in kept for transaction_id in request]
            unanswered = not self.books.acknowledged.issuperset(request)
            assert all(inside) or not any(inside) or (may_halve and unanswered), (
                "a request was kept by halves"
            )

    async def _run(self) -> None:
        try:
            async with httpx.AsyncClient(
                base_url=self._url, headers=self._headers, timeout=ANSWER_SECONDS
            ) as http:
                await asyncio.gather(*(self._client(http) for _ in range(self._clients)))
        except BaseException as failure:
            self._failure = failure

    async def _client(self, http: httpx.AsyncClient) -> None:
        while not self._stopping.is_set():
            events = self._new_events()
            body = msgspec.json.encode(events)
            while not await self._accepted(http, events, body):
                if self._stopping.is_set() or self._random.random() < 0.1:
                    break  # given up: these may be in or out
                await asyncio.sleep(0.1)
            await asyncio.sleep(self._pause)

    def _new_events(self) -> list[Event]:
        """Mostly new events; the books must have them before the platform does."""
        fresh: list[Event] = []
        for _ in range(self._random.randint(1, 20)):
            transaction_id = f"{self._run_id}-{len(self.books.sent)}"
            event: Event = {
                "transaction_id": transaction_id,
                "customer_id": self._random.choice(CUSTOMERS),
                "event_type": "llm",
                "timestamp": datetime.now(UTC).isoformat(),
                "properties": {
                    "tokens": str(Decimal(self._random.randint(1, 10**9)).scaleb(-6)),
                    "model": self._random.choice("xyz"),
                },
            }
            self.books.sent[transaction_id] = event
            fresh.append(event)
        self.books.requests.append([event["transaction_id"] for event in fresh])
        repeats = []
        if len(self.books.sent) > 200 and self._random.random() < 0.3:
            known = sorted(self._random.sample(sorted(self.books.acknowledged), 3))
            repeats = [self.books.sent[one] for one in known]
        return fresh + repeats

    async def _accepted(self, http: httpx.AsyncClient, events: list[Event], body: bytes) -> bool:
        try:
            answer = await http.post("/v1/ingest", content=body)
        except httpx.TransportError as error:
            self.books.statuses[type(error).__name__] += 1
            return False
        self.books.statuses[answer.status_code] += 1
        if answer.status_code == 200:
            self.books.acknowledged_at.append(time.monotonic())
            self.books.acknowledged.update(event["transaction_id"] for event in events)
            return True
        assert answer.status_code in (429, 503), answer.text
        assert int(answer.headers["retry-after"]) >= 1
        return False


_TOTALS = """
SELECT s.ingest_key, m.name, sum(u.quantity)
  FROM (SELECT environment_id, series_id, quantity FROM usage_live
        UNION ALL SELECT environment_id, series_id, quantity FROM usage_rollup WHERE grain = 'h') u
  JOIN usage_series s USING (environment_id, series_id)
  JOIN billable_metric m USING (environment_id, metric_id)
 GROUP BY s.ingest_key, m.name
"""


def create_metrics(database_url: str, environment_id: int) -> None:
    """What the load is counted by: its events, and their tokens by model."""
    with psycopg.connect(database_url, options="-c role=meterline_pipeline") as connection:
        for name, aggregation in METRICS.items():
            connection.execute(
                "INSERT INTO billable_metric (environment_id, metric_id, name, aggregation_type,"
                " aggregation_key, event_type_filter, property_filters, group_keys, custom_fields,"
                " created_at) VALUES (%s, gen_random_uuid(), %s, %s, %s, NULL, '[]', %s, '{}', now())",
                [
                    environment_id,
                    name,
                    aggregation,
                    None if aggregation == "COUNT" else name,
                    '[["model"]]',
                ],
            )
