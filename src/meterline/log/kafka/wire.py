"""Records as Kafka messages: the environment and the number of events travel in headers, the lines as they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from meterline.stream.log import NewRecord, Record

ENVIRONMENT = "meterline-environment"
EVENTS = "meterline-events"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def headers(record: NewRecord) -> list[tuple[str, str | bytes | None]]:
    """Return the headers of a record of ours."""
    return [
        (ENVIRONMENT, str(record.environment_id).encode()),
        (EVENTS, str(record.events).encode()),
    ]


def record_of(message: Any) -> Record:
    """Return the record that a message is.

    A message of another producer may say nothing of its environment (0: nobody's) and is one event unless its lines say
    otherwise. A header that is no number counts as none.
    """
    said = dict(message.headers() or ())
    value = message.value() or b""
    partition, offset = message.partition(), message.offset()
    events = _number(said.get(EVENTS)) or value.count(b"\n") + 1
    _, milliseconds = message.timestamp()
    appended_at = _EPOCH + milliseconds * _MILLISECOND
    return Record(_number(said.get(ENVIRONMENT)), partition, offset, events, appended_at, value)


def _number(text: bytes | None) -> int:
    return int(text) if text is not None and text.isdigit() and len(text) < 10 else 0
