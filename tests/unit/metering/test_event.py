"""The door, rule by rule: what passes, what does not, and that the message names the field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.unit.metering.builders import NOW, a_body, an_event

from meterline.metering.event import (
    BACKDATING_WINDOW,
    FUTURE_LIMIT,
    InvalidEvent,
    StoredEvent,
    decode_batch,
    decode_line,
    encode_line,
    exact_number,
    stored,
)

MICROSECOND = timedelta(microseconds=1)


def kept(body: bytes, now: datetime = NOW) -> list[StoredEvent]:
    return stored(decode_batch(body), now, may_hold_nul=b"\\u0000" in body)


def refusal(body: bytes) -> str:
    with pytest.raises(InvalidEvent) as refused:
        kept(body)
    return str(refused.value)


def with_number(literal: str) -> bytes:
    """A body whose property `tokens` is this JSON text, which no encoder would write."""
    return a_body({"properties": {"tokens": "HERE"}}).replace(b'"HERE"', literal.encode())


def test_an_event_is_kept_as_it_came() -> None:
    (event,) = kept(
        a_body(
            {
                "timestamp": "2026-11-20T13:59:59.123456+02:00",
                "properties": {"s": "é\n\"x'", "i": -7, "t": True, "f": False, "n": None, "": ""},
            }
        )
    )
    assert event == StoredEvent(
        "tx-0",
        "acme",
        "llm",
        1_795_175_999_123_456,
        {"s": "é\n\"x'", "i": -7, "t": True, "f": False, "n": None, "": ""},
    )
    assert datetime.fromtimestamp(event.timestamp / 1e6, UTC).hour == 11
    assert decode_line(encode_line(event)) == event


def test_properties_may_be_absent_or_null_and_unknown_fields_are_ignored() -> None:
    without: dict[str, Any] = {**an_event(), "later_field": {"x": [1]}}
    del without["properties"]
    events = kept(msgspec.json.encode([without, an_event(1, {"properties": None})]))
    assert [event.properties for event in events] == [{}, {}]


@pytest.mark.parametrize("count", [1, 100])
def test_a_request_holds_1_to_100_events(count: int) -> None:
    assert len(kept(a_body(*[{}] * count))) == count


@pytest.mark.parametrize("count", [0, 101])
def test_a_request_of_another_size_is_refused(count: int) -> None:
    assert "length" in refusal(a_body(*[{}] * count))


@pytest.mark.parametrize(
    "field", ["transaction_id", "customer_id", "event_type", "timestamp"], ids=str
)
def test_a_required_field_that_is_missing_or_of_a_wrong_type_is_named(field: str) -> None:
    lacking = an_event(1)
    del lacking[field]
    assert field in refusal(msgspec.json.encode([an_event(), lacking]))
    wrongs: list[object] = [None, 7, True, [], {}, ""]
    for wrong in wrongs:
        message = refusal(msgspec.json.encode([an_event(), {**an_event(1), field: wrong}]))
        assert f"[1].{field}" in message, (wrong, message)


@pytest.mark.parametrize(
    ("field", "longest"), [("transaction_id", 128), ("customer_id", 128), ("event_type", 1024)]
)
def test_lengths_count_characters(field: str, longest: int) -> None:
    assert kept(a_body({field: "é" * longest}))
    assert f"[0].{field}" in refusal(a_body({field: "é" * (longest + 1)}))


@pytest.mark.parametrize(
    "at", [NOW - BACKDATING_WINDOW, NOW - BACKDATING_WINDOW + MICROSECOND, NOW, NOW + FUTURE_LIMIT]
)
def test_both_ends_of_the_window_belong_to_it(at: datetime) -> None:
    (event,) = kept(a_body({"timestamp": at.isoformat()}))
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=event.timestamp) == at


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (NOW - BACKDATING_WINDOW - MICROSECOND, "34 days ago"),
        (NOW + FUTURE_LIMIT + MICROSECOND, "24 hours ahead"),
    ],
)
def test_a_microsecond_beyond_the_window_is_refused(at: datetime, said: str) -> None:
    elsewhere = at.astimezone(timezone(timedelta(hours=-9)))
    for instant in (at, elsewhere):
        message = refusal(a_body({}, {"timestamp": instant.isoformat()}))
        assert message.startswith("[1].timestamp: ")
        assert said in message


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-11-20",
        "2026-11-20T12:00:00",
        "12026-11-20T12:00:00Z",
        "2026-13-20T12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-11-20T25:00:00Z",
        "yesterday",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_what_is_no_instant_of_the_window_is_refused_by_name(timestamp: str) -> None:
    assert "[0].timestamp" in refusal(a_body({"timestamp": timestamp}))


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        ("1.5", "1.5"),
        ("1.50", "1.5"),
        ("1.0", "1"),
        ("0.1", "0.1"),
        ("1e3", "1000"),
        ("1E+3", "1000"),
        ("12e-1", "1.2"),
        ("-0.000", "0"),
        ("0e5", "0"),
        ("1e-38", "0." + "0" * 37 + "1"),
        ("9e37", "9" + "0" * 37),
        ("-12345678901234567890.123456789012345678", "-12345678901234567890.123456789012345678"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
    ],
)
def test_numbers_with_a_point_or_exponent_are_kept_exactly(literal: str, text: str) -> None:
    (event,) = kept(with_number(literal))
    assert event.properties == {"tokens": text}
    assert Decimal(text) == Decimal(literal)
    assert exact_number(literal) == text


@pytest.mark.parametrize("literal", ["0", "-1", "9" * 38, "-" + "9" * 38, str(2**64)])
def test_whole_numbers_of_38_digits_pass(literal: str) -> None:
    (event,) = kept(with_number(literal))
    assert event.properties == {"tokens": int(literal)}


@pytest.mark.parametrize(
    "literal",
    [
        "1" + "0" * 38,
        "-1" + "0" * 38,
        "9" * 400,
        "9" * 5_000,
        "1e38",
        "1e-39",
        "1e400",
        "1e99999999999999999999",
        "0." + "1" * 400,
        "9" * 400 + ".5",
    ],
    ids=lambda literal: literal[:12],
)
def test_a_number_that_is_no_quantity_is_refused(literal: str) -> None:
    assert "[0].properties" in refusal(with_number(literal))


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "0x1"])
def test_what_is_no_number_of_json_is_refused(literal: str) -> None:
    assert "malformed" in refusal(with_number(literal))


@pytest.mark.parametrize("nested", [{}, [], {"a": 1}, [1], [[[]]]])
def test_nested_values_are_refused_by_name(nested: object) -> None:
    message = refusal(a_body({}, {"properties": {"fine": "1", "deep": nested}}))
    assert message.startswith("[1].properties.deep: must be a string")


def test_nesting_without_end_is_refused() -> None:
    assert "nested too deeply" in refusal(with_number("[" * 100_000 + "]" * 100_000))
    assert "malformed" in refusal(with_number("[" * 900))


def test_properties_have_2000_keys_at_most() -> None:
    assert kept(a_body({"properties": {str(key): "" for key in range(2_000)}}))
    message = refusal(a_body({"properties": {str(key): "" for key in range(2_001)}}))
    assert message == "[0].properties: more than 2000 keys"


@pytest.mark.parametrize(
    "event",
    [
        {"transaction_id": "a\0"},
        {"customer_id": "\0"},
        {"event_type": "a\0b"},
        {"properties": {"\0": ""}},
        {"properties": {"a": "b\0"}},
    ],
)
def test_nul_is_refused_wherever_it_is(event: dict[str, Any]) -> None:
    body = a_body({}, event)
    assert b"\\u0000" in body
    assert refusal(body) == "[1]: strings must not contain the character U+0000"
    assert "malformed" in refusal(body.replace(b"\\u0000", b"\0"))


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    (event,) = kept(a_body({"properties": {"a": "\\u0000"}}))
    assert event.properties == {"a": "\\u0000"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"{}",
        b'"x"',
        b"[null]",
        b"[1]",
        b"[[]]",
        b"[{}] x",
        b"\xff\xfe",
        a_body({"customer_id": "HERE"}).replace(b"HERE", b"\xff\xfe"),
        a_body({"customer_id": "HERE"}).replace(b"HERE", b"\\ud800"),
        a_body({}).decode().encode("utf-16"),
    ],
)
def test_a_body_that_is_no_array_of_events_is_refused(body: bytes) -> None:
    assert refusal(body)


def test_a_line_that_is_no_event_is_told() -> None:
    for line in (b"", b"{", b"[]", b'{"transaction_id": "a"}', b"\xff"):
        with pytest.raises(msgspec.MsgspecError):
            decode_line(line)
