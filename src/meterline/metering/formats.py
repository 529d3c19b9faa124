"""The shapes in which events may come, by content type.

- `application/json` (and anything unknown): a bare array of events, as Metronome's API takes it
- `application/x-ndjson`: one event a line
- `application/cloudevents+json`, `application/cloudevents-batch+json`: CloudEvents 1.0, where `id` is the transaction
  id, `subject` the customer, `type` the event type, `time` the timestamp and `data` the properties
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from meterline.metering.event import (
    EVENTS_MAX,
    Identifier,
    IngestEvent,
    InvalidEvent,
    checked_decode,
    decode_batch,
    decode_event,
    exact_number,
)

NDJSON = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
CLOUD_EVENT = "application/cloudevents+json"
CLOUD_EVENTS = "application/cloudevents-batch+json"


class CloudEvent(msgspec.Struct, gc=False):
    """A CloudEvent in JSON; attributes not named here are ignored, as its specification asks."""

    specversion: Literal["1.0"]
    id: Identifier
    source: Annotated[str, Meta(min_length=1)]
    type: Annotated[str, Meta(min_length=1, max_length=1024)]
    subject: Identifier
    time: Annotated[datetime, Meta(tz=True)]
    data: dict[str, Any] | None = None

    def as_event(self) -> IngestEvent:
        return IngestEvent(self.id, self.subject, self.type, self.time, self.data)


_cloud_event = msgspec.json.Decoder(CloudEvent, float_hook=exact_number)
_cloud_events = msgspec.json.Decoder(
    Annotated[list[CloudEvent], Meta(min_length=1, max_length=EVENTS_MAX)], float_hook=exact_number
)


def decode(body: bytes, content_type: str) -> list[IngestEvent]:
    """Return the events of `body`, 1 to 100 of them. Raises InvalidEvent."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in NDJSON:
        return _decode_lines(body)
    if kind == CLOUD_EVENT:
        return [checked_decode(_cloud_event, body, "").as_event()]
    if kind == CLOUD_EVENTS:
        return [event.as_event() for event in checked_decode(_cloud_events, body, "")]
    return decode_batch(body)


def _decode_lines(body: bytes) -> list[IngestEvent]:
    lines = [line for line in body.split(b"\n") if line.strip()]
    if not 1 <= len(lines) <= EVENTS_MAX:
        raise InvalidEvent(f"body: expected 1 to {EVENTS_MAX} events, got {len(lines)}")
    return [decode_event(line, f"[{place}]") for place, line in enumerate(lines)]
