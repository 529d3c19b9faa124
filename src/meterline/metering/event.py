"""Usage events: how they are validated at the door, and the line by which the log keeps them.

The door decodes and checks a whole request at once (msgspec); the line is JSON with the same five fields, where
`timestamp` is whole microseconds since 1970 and numbers that are not whole are kept as the text they came in, so
that no float ever touches a quantity. Rules: API page of `POST /v1/ingest`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import msgspec
from msgspec import Meta

EVENTS_MAX = 100
PROPERTIES_MAX = 2_000
BACKDATING_WINDOW = timedelta(days=34)
FUTURE_LIMIT = timedelta(hours=24)
# A JSON number beyond this is no quantity; strings may hold anything, and a metric that cannot read one parks it.
NUMBER_DIGITS_MAX = 38
_WHOLE_NUMBER_MAX = 10**NUMBER_DIGITS_MAX
_MICROSECONDS = 1_000_000

Identifier = Annotated[str, Meta(min_length=1, max_length=128)]


class InvalidEvent(ValueError):
    """An event that breaks a rule of the door; the message names the field by its place in the request."""


class IngestEvent(msgspec.Struct, gc=False):
    """An event as a client sends it."""

    transaction_id: Identifier
    customer_id: Identifier
    event_type: Annotated[str, Meta(min_length=1, max_length=1024)]
    timestamp: Annotated[datetime, Meta(tz=True)]
    properties: dict[str, Any] | None = None


class StoredEvent(msgspec.Struct, gc=False):
    """An event as the log keeps it: `timestamp` in microseconds since 1970."""

    transaction_id: str
    customer_id: str
    event_type: str
    timestamp: int
    properties: dict[str, Any] = {}


def exact_number(text: str) -> str:
    """Return a JSON number with a fraction or an exponent in its shortest exact form: "1.50" is "1.5".

    Raises ValueError beyond 38 digits before or after the point.
    """
    try:
        number = Decimal(text)
    except InvalidOperation as error:  # an exponent of more digits than a Decimal has room for
        raise ValueError(f"number out of range: {text[:50]}") from error
    exponent = number.as_tuple().exponent
    if (
        not isinstance(exponent, int)
        or number.adjusted() >= NUMBER_DIGITS_MAX
        or -exponent > NUMBER_DIGITS_MAX
    ):
        raise ValueError(f"number out of range: {text[:50]}")
    if not number:
        return "0"  # never "-0", which would be another text
    whole, _, fraction = format(number, "f").partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


_batch_decoder = msgspec.json.Decoder(
    Annotated[list[IngestEvent], Meta(min_length=1, max_length=EVENTS_MAX)], float_hook=exact_number
)
_event_decoder = msgspec.json.Decoder(IngestEvent, float_hook=exact_number)
_line_decoder = msgspec.json.Decoder(StoredEvent)
_encoder = msgspec.json.Encoder()
encode_line = _encoder.encode


def decode_line(line: bytes) -> StoredEvent:
    """Decode a line of the log. Raises msgspec.MsgspecError when it is none."""
    return _line_decoder.decode(line)


def decode_batch(body: bytes) -> list[IngestEvent]:
    """Decode a request of 1 to 100 events. Raises InvalidEvent."""
    events: list[IngestEvent] = checked_decode(_batch_decoder, body, "")
    return events


def decode_event(body: bytes, place: str) -> IngestEvent:
    """Decode one event, named `place` in messages. Raises InvalidEvent."""
    event: IngestEvent = checked_decode(_event_decoder, body, place)
    return event


def checked_decode(decoder: msgspec.json.Decoder[Any], body: bytes, place: str) -> Any:
    """Decode `body`, naming it `place` in the message of the InvalidEvent that is raised when it breaks a rule."""
    try:
        return decoder.decode(body)
    except RecursionError as error:
        raise InvalidEvent(f"{place or 'body'}: nested too deeply") from error
    except (msgspec.MsgspecError, ValueError) as error:
        what, _, where = str(error).partition(" - at `$")
        field = (place + where.rstrip("`")).lstrip(".") or "body"
        raise InvalidEvent(f"{field}: {what}") from error


def stored(events: list[IngestEvent], now: datetime, *, may_hold_nul: bool) -> list[StoredEvent]:
    """Check what the types cannot say and return the events as the log keeps them. Raises InvalidEvent.

    `now` is the environment's clock; `may_hold_nul` is whether the raw body had an escaped U+0000 anywhere.
    """
    earliest, latest = now - BACKDATING_WINDOW, now + FUTURE_LIMIT
    kept = []
    for place, event in enumerate(events):
        timestamp = event.timestamp
        if not earliest <= timestamp <= latest:
            raise InvalidEvent(_window_message(place, timestamp, earliest, latest))
        properties = event.properties
        if properties:
            _check_properties(place, properties)
        else:
            properties = {}
        if may_hold_nul and _holds_nul(event):
            raise InvalidEvent(f"[{place}]: strings must not contain the character U+0000")
        kept.append(
            StoredEvent(
                event.transaction_id,
                event.customer_id,
                event.event_type,
                int(timestamp.timestamp()) * _MICROSECONDS + timestamp.microsecond,
                properties,
            )
        )
    return kept


def _check_properties(place: int, properties: dict[str, Any]) -> None:
    if len(properties) > PROPERTIES_MAX:
        raise InvalidEvent(f"[{place}].properties: more than {PROPERTIES_MAX} keys")
    for name, value in properties.items():
        kind = value.__class__
        if kind is str:
            continue
        if kind is int and not -_WHOLE_NUMBER_MAX < value < _WHOLE_NUMBER_MAX:
            raise InvalidEvent(f"[{place}].properties.{name}: number of more than 38 digits")
        if kind is dict or kind is list:
            raise InvalidEvent(
                f"[{place}].properties.{name}: must be a string, a number, true, false or null"
            )


def _window_message(place: int, timestamp: datetime, earliest: datetime, latest: datetime) -> str:
    at = timestamp.isoformat()  # in its own offset: year 1 or 9999 may have no form in UTC
    if timestamp < earliest:
        days = BACKDATING_WINDOW.days
        return f"[{place}].timestamp: {at} is more than {days} days ago (before {earliest.isoformat()})"
    return f"[{place}].timestamp: {at} is more than 24 hours ahead (after {latest.isoformat()})"


def _holds_nul(event: IngestEvent) -> bool:
    texts = [event.transaction_id, event.customer_id, event.event_type]
    for name, value in (event.properties or {}).items():
        texts.append(name)
        if isinstance(value, str):
            texts.append(value)
    return any("\0" in text for text in texts)
