"""The shapes by content type: each gives the same events, and says where one is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.unit.metering.builders import a_body, an_event

from meterline.metering.event import InvalidEvent
from meterline.metering.formats import CLOUD_EVENT, CLOUD_EVENTS, NDJSON, decode


def a_cloud_event(number: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"tx-{number}",
        "source": "/gateway/7",
        "type": "llm",
        "subject": "acme",
        "time": "2026-11-20T12:00:00Z",
        "datacontenttype": "application/json",
        "data": {"tokens": "12"},
        "extension": {"ignored": [1]},
        **changes,
    }


def refusal(body: bytes, content_type: str) -> str:
    with pytest.raises(InvalidEvent) as refused:
        decode(body, content_type)
    return str(refused.value)


@pytest.mark.parametrize("content_type", ["application/json", "", "text/plain; charset=utf-8"])
def test_anything_unknown_is_an_array_of_events(content_type: str) -> None:
    events = decode(a_body({}, {}), content_type)
    assert [event.transaction_id for event in events] == ["tx-0", "tx-1"]


@pytest.mark.parametrize("content_type", [*NDJSON, "Application/X-NDJSON ; charset=utf-8"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n  \n"])
def test_lines(content_type: str, end: bytes) -> None:
    lines = [msgspec.json.encode(an_event(number)) for number in range(3)]
    assert decode(b"\n".join(lines) + end, content_type) == decode(a_body({}, {}, {}), "")
    assert decode(b"\r\n".join(lines), content_type) == decode(a_body({}, {}, {}), "")


def test_a_wrong_line_is_named_by_its_place() -> None:
    lines = [msgspec.json.encode(an_event()), b'{"transaction_id": 7}']
    assert "[1].transaction_id" in refusal(b"\n".join(lines), "application/x-ndjson")
    assert refusal(lines[0] + b"\n{", "application/x-ndjson").startswith("[1]: ")
    # An array is no event, and must not be taken for one.
    assert refusal(a_body({}), "application/x-ndjson")


@pytest.mark.parametrize("count", [0, 101])
def test_lines_are_1_to_100(count: int) -> None:
    body = b"\n".join([msgspec.json.encode(an_event())] * count)
    assert refusal(body, "application/jsonl") == f"body: expected 1 to 100 events, got {count}"


def test_a_cloud_event() -> None:
    (event,) = decode(msgspec.json.encode(a_cloud_event()), CLOUD_EVENT)
    assert event == decode(a_body({}), "")[0]
    assert event.timestamp == datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_a_batch_of_cloud_events() -> None:
    batch = [a_cloud_event(0), a_cloud_event(1)]
    assert decode(msgspec.json.encode(batch), CLOUD_EVENTS) == decode(a_body({}, {}), "")


def test_numbers_in_a_cloud_event_are_exact() -> None:
    body = msgspec.json.encode(a_cloud_event(data={"tokens": "HERE"}))
    (event,) = decode(body.replace(b'"HERE"', b"0.10000000000000000000001"), CLOUD_EVENT)
    assert event.properties == {"tokens": "0.10000000000000000000001"}


@pytest.mark.parametrize("field", ["specversion", "id", "source", "type", "subject", "time"])
def test_a_cloud_event_without_a_needed_attribute_is_refused_by_name(field: str) -> None:
    lacking = a_cloud_event()
    del lacking[field]
    assert field in refusal(msgspec.json.encode(lacking), CLOUD_EVENT)
    assert field in refusal(msgspec.json.encode([a_cloud_event(), lacking]), CLOUD_EVENTS)
    wrong = a_cloud_event(**{field: 7})
    assert f"[1].{field}" in refusal(msgspec.json.encode([a_cloud_event(), wrong]), CLOUD_EVENTS)


def test_another_version_of_cloud_events_is_refused() -> None:
    assert "specversion" in refusal(
        msgspec.json.encode(a_cloud_event(specversion="0.3")), CLOUD_EVENT
    )


def test_shapes_are_not_confused() -> None:
    single, batch = msgspec.json.encode(a_cloud_event()), msgspec.json.encode([a_cloud_event()])
    assert refusal(batch, CLOUD_EVENT)
    assert refusal(single, CLOUD_EVENTS)
    assert "length" in refusal(b"[]", CLOUD_EVENTS)
    assert "length" in refusal(msgspec.json.encode([a_cloud_event()] * 101), CLOUD_EVENTS)
    assert refusal(single, "application/json")
