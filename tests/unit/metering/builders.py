"""Short ways to build events, records and columns in tests of metering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import polars as pl

from meterline.core.metric import Aggregation, BillableMetric
from meterline.metering.columns import decode
from meterline.metering.compile import wanted_properties
from meterline.metering.event import StoredEvent, encode_line
from meterline.stream.log import Record

NOW = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)
HOUR = 3_600_000_000
AT = int(NOW.timestamp()) * 1_000_000 // HOUR * HOUR  # microseconds, on the hour


def a_body(*events: Mapping[str, Any]) -> bytes:
    """A request; each event is given by what differs from a usual one."""
    return msgspec.json.encode([an_event(number, event) for number, event in enumerate(events)])


def an_event(number: int = 0, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """An event as a client sends it."""
    return {
        "transaction_id": f"tx-{number}",
        "customer_id": "acme",
        "event_type": "llm",
        "timestamp": "2026-11-20T12:00:00Z",
        "properties": {"tokens": "12"},
        **(changes or {}),
    }


def a_line(
    transaction_id: str,
    properties: Mapping[str, Any] | None = None,
    *,
    customer_id: str = "acme",
    event_type: str = "llm",
    at: int = AT,
) -> bytes:
    """A line of the log."""
    return encode_line(
        StoredEvent(transaction_id, customer_id, event_type, at, dict(properties or {}))
    )


def a_record(
    lines: Sequence[bytes],
    *,
    environment_id: int = 1,
    partition: int = 0,
    offset: int = 0,
    events: int | None = None,
) -> Record:
    """A record of the log that holds `lines`."""
    count = len(lines) if events is None else events
    return Record(environment_id, partition, offset, count, NOW, b"\n".join(lines))


def frame_for(metrics: Sequence[BillableMetric], lines: Sequence[bytes]) -> pl.DataFrame:
    """The columns that `metrics` need of `lines`, all readable."""
    batch = decode([a_record(lines)], wanted_properties(metrics))
    assert batch.unreadable == []
    return batch.frame


def a_metric(
    aggregation: Aggregation, key: str | None = None, number: int = 1, **fields: Any
) -> BillableMetric:
    """A metric by the property `key`."""
    return BillableMetric(UUID(int=number), f"metric-{number}", aggregation, key, **fields)
