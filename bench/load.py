"""An open-loop load: requests leave at their appointed times, whatever the answers do.

Bodies are built before the clock starts. A latency counts from the appointed time, so a stall shows in every request
that it held up. HTTP/1.1 over a few kept-alive connections, written by hand: a client library would use more of the
machine than the platform does.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

EVENTS_PER_REQUEST = 100
MODELS = ("orion-large", "orion-small", "vega-2", "lyra-pro", "lyra-mini")


@dataclass(frozen=True, slots=True)
class Shape:
    """What the traffic looks like."""

    customers: int = 20_000
    duplicates: float = 0.01
    seed: int = 1


@dataclass(slots=True)
class Outcome:
    """What became of a run. Latencies in seconds; `sent_from` and `until` are wall-clock bounds of the sending."""

    accepted: int = 0
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Totals:
    """The independent model: what exactly-once metering must arrive at."""

    events: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class Traffic:
    """Builds bodies: Zipf-distributed customers, about 290 bytes an event, some duplicates of earlier events."""

    def __init__(self, run: str, shape: Shape) -> None:
        self._run = run
        self._random = random.Random(shape.seed)
        self._duplicates = shape.duplicates
        self._names = [f"customer-{number:05d}" for number in range(shape.customers)]
        self._weights = list(
            itertools.accumulate(1 / rank for rank in range(1, shape.customers + 1))
        )
        self._number = 0
        self._earlier: list[bytes] = []
        self.unique = Totals()

    def bodies(self, requests: int) -> list[bytes]:
        """Return `requests` bodies; `unique` counts what is not a duplicate."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return [self._body(at) for _ in range(requests)]

    def _body(self, at: str) -> bytes:
        customers = self._random.choices(
            self._names, cum_weights=self._weights, k=EVENTS_PER_REQUEST
        )
        events = [self._event(customer, at) for customer in customers]
        self._earlier = [*self._earlier[-900:], *events]
        return b"[" + b",".join(events) + b"]"

    def _event(self, customer: str, at: str) -> bytes:
        if self._earlier and self._random.random() < self._duplicates:
            return self._random.choice(self._earlier)
        self._number += 1
        read, written = self._random.randrange(1, 4_000), self._random.randrange(1, 900)
        self.unique.events += 1
        self.unique.input_tokens += read
        self.unique.output_tokens += written
        return msgspec.json.encode(
            {
                "transaction_id": f"{self._run}-{self._number:012d}",
                "customer_id": customer,
                "event_type": "llm.completion",
                "timestamp": at,
                "properties": {
                    "model": self._random.choice(MODELS),
                    "region": "eu-west",
                    "input_tokens": str(read),
                    "output_tokens": str(written),
                    "request_id": f"req_{self._random.getrandbits(64):016x}",
                    "api_key": f"key_{self._random.getrandbits(32):08x}",
                },
            }
        )


async def send(
    host: str,
    port: int,
    token: str,
    bodies: Sequence[bytes],
    *,
    events_per_second: float,
    connections: int = 16,
) -> Outcome:
    """Send `bodies` at a fixed rate and return when all are answered."""
    head = (
        f"POST /v1/ingest HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    outcome = Outcome()
    interval = EVENTS_PER_REQUEST / events_per_second
    started = time.perf_counter()
    due = iter([(started + place * interval, body) for place, body in enumerate(bodies)])

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        for at, body in due:
            pause = at - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            writer.write(head + str(len(body)).encode() + b"\r\n\r\n" + body)
            status = await _answer(reader)
            outcome.latencies.append(time.perf_counter() - at)
            if status == 200:
                outcome.accepted += EVENTS_PER_REQUEST
            elif status in (429, 503):
                outcome.refused += EVENTS_PER_REQUEST
            else:
                outcome.failed += EVENTS_PER_REQUEST
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    outcome.seconds = time.perf_counter() - started
    return outcome


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    if length:
        await reader.readexactly(length)
    return int(head[9:12])


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of `values` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
