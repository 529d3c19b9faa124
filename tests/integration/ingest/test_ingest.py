"""POST /v1/ingest over HTTP against a real `serve`: what is kept, what is refused, and what is said."""

from __future__ import annotations

import asyncio
import gzip
import os
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import psycopg
import pytest
import zstandard
from tests.integration.ingest.conftest import Gateway

from meterline.log.postgres import PostgresLogReader
from meterline.stream.log import Position

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
encode = msgspec.json.encode


def an_event(**changes: Any) -> dict[str, Any]:
    return {
        "transaction_id": str(uuid4()),
        "customer_id": "acme",
        "event_type": "llm",
        "timestamp": datetime.now(UTC).isoformat(),
        "properties": {"tokens": "12"},
        **changes,
    }


def lines_kept(gateway: Gateway) -> list[bytes]:
    """Every line of the log."""
    reader = PostgresLogReader(gateway.database_url)
    try:
        positions = [Position(end.partition, 0, EPOCH) for end in reader.ends()]
        records = reader.read(positions, events_limit=1_000_000)
    finally:
        reader.close()
    return [line for record in records for line in record.value.split(b"\n")]


def ids_kept(gateway: Gateway) -> list[str]:
    return [msgspec.json.decode(line)["transaction_id"] for line in lines_kept(gateway)]


def refused(gateway: Gateway, answer: httpx.Response, kept_before: int, *statuses: int) -> str:
    """Check a refusal's shape and that nothing was kept; return its message."""
    assert answer.status_code in (statuses or (400,)), answer.text
    assert list(answer.json()) == ["message"]
    assert answer.headers["request-id"]
    assert gateway.kept == kept_before
    return str(answer.json()["message"])


def test_an_accepted_request_is_in_the_log_before_its_answer(gateway: Gateway) -> None:
    events = [an_event() for _ in range(100)]
    answer = gateway.send(encode(events))
    assert (answer.status_code, answer.content) == (200, b"")
    kept = ids_kept(gateway)
    assert {event["transaction_id"] for event in events} <= set(kept)


def test_requests_at_once_share_commits(gateway: Gateway) -> None:
    async def load() -> list[int]:
        headers = {"Authorization": f"Bearer {gateway.tokens.ingest}"}
        async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=30) as http:
            answers = await asyncio.gather(
                *(http.post("/v1/ingest", content=encode([an_event()])) for _ in range(200))
            )
        return [answer.status_code for answer in answers]

    kept_before, records_before = gateway.kept, _records(gateway)
    assert asyncio.run(load()) == [200] * 200
    assert gateway.kept == kept_before + 200
    # 4 partitions: a request alone would be one record each time.
    assert _records(gateway) - records_before < 150


def _records(gateway: Gateway) -> int:
    with psycopg.connect(gateway.database_url, options="-c role=meterline_pipeline") as connection:
        row = connection.execute("SELECT count(*) FROM log_record").fetchone()
    assert row is not None
    return int(row[0])


COMPRESS = {
    "identity": lambda body: body,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.compress,
}


@pytest.mark.parametrize("encoding", COMPRESS)
def test_compressed_bodies(gateway: Gateway, encoding: str) -> None:
    event = an_event()
    answer = gateway.send(COMPRESS[encoding](encode([event])), content_encoding=encoding)
    assert answer.status_code == 200, answer.text
    assert event["transaction_id"] in ids_kept(gateway)


def test_lines_and_cloud_events(gateway: Gateway) -> None:
    lines = [an_event() for _ in range(3)]
    clouds = [
        {
            "specversion": "1.0",
            "id": str(uuid4()),
            "source": "/test",
            "type": "llm",
            "subject": "acme",
            "time": datetime.now(UTC).isoformat(),
            "data": {"tokens": 7},
        }
        for _ in range(3)
    ]
    bodies = {
        "application/x-ndjson": b"\n".join(encode(line) for line in lines),
        "application/cloudevents+json": encode(clouds[0]),
        "application/cloudevents-batch+json; charset=utf-8": encode(clouds[1:]),
    }
    for content_type, body in bodies.items():
        answer = gateway.send(body, content_type=content_type)
        assert (answer.status_code, answer.content) == (200, b"")
    expected = {line["transaction_id"] for line in lines} | {cloud["id"] for cloud in clouds}
    assert expected <= set(ids_kept(gateway))


def test_a_repeat_is_accepted(gateway: Gateway) -> None:
    body = encode([an_event(), an_event()])
    assert [gateway.send(body).status_code for _ in range(3)] == [200] * 3


def with_value(literal: bytes) -> bytes:
    """A request whose second event has this JSON for a property."""
    body = encode([an_event(), an_event(properties={"n": "HERE"})])
    return body.replace(b'"HERE"', literal)


GOOD = encode([an_event()])
BAD_BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", ""),
    "malformed": (b'[{"transaction_id": ', ""),
    "no array": (encode(an_event()), "body"),
    "null": (b"null", "body"),
    "empty": (b"[]", "body"),
    "101 events": (encode([an_event() for _ in range(101)]), "body"),
    "a null event": (b"[null]", "[0]"),
    "a field missing": (encode([an_event(), {"transaction_id": "x"}]), "customer_id"),
    "a number for an id": (encode([an_event(), an_event(transaction_id=7)]), "[1].transaction_id"),
    "an empty id": (encode([an_event(transaction_id="")]), "[0].transaction_id"),
    "a long id": (encode([an_event(transaction_id="x" * 129)]), "[0].transaction_id"),
    "a null customer": (encode([an_event(customer_id=None)]), "[0].customer_id"),
    "an empty type": (encode([an_event(event_type="")]), "[0].event_type"),
    "a number for a time": (encode([an_event(timestamp=1_790_000_000)]), "[0].timestamp"),
    "no time zone": (encode([an_event(timestamp="2026-11-20T12:00:00")]), "[0].timestamp"),
    "no date": (encode([an_event(timestamp="2026-02-30T12:00:00Z")]), "[0].timestamp"),
    "year 1": (encode([an_event(timestamp="0001-01-01T00:00:00+14:00")]), "[0].timestamp"),
    "year 9999": (encode([an_event(timestamp="9999-12-31T23:59:59-14:00")]), "[0].timestamp"),
    "properties as text": (encode([an_event(properties="x")]), "[0].properties"),
    "properties as an array": (encode([an_event(properties=[])]), "[0].properties"),
    "an object inside": (with_value(b'{"a": 1}'), "[1].properties.n"),
    "an array inside": (with_value(b"[]"), "[1].properties.n"),
    "deep nesting": (with_value(b"[" * 100_000 + b"]" * 100_000), "nested too deeply"),
    "only brackets": (b"[" * 1_000_000, ""),
    "NaN": (with_value(b"NaN"), ""),
    "Infinity": (with_value(b"-Infinity"), ""),
    "400 digits": (with_value(b"9" * 400), "[1].properties.n"),
    "6000 digits": (with_value(b"9" * 6_000), "[1].properties"),
    "400 decimals": (with_value(b"0." + b"1" * 400), "[1].properties"),
    "a huge exponent": (with_value(b"1e400"), "[1].properties"),
    "an endless exponent": (with_value(b"1e" + b"9" * 30), "[1].properties"),
    "2001 properties": (
        encode([an_event(properties={str(key): "" for key in range(2_001)})]),
        "[0].properties",
    ),
    "NUL": (with_value(b'"a\\u0000"'), "[1]"),
    "no UTF-8": (with_value(b'"\xff\xfe"'), ""),
    "a lone surrogate": (with_value(b'"\\ud800"'), ""),
    "UTF-16": (GOOD.decode().encode("utf-16"), ""),
    "binary": (bytes(range(256)), ""),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_refused_by_name_and_nothing_of_it_is_kept(
    gateway: Gateway, name: str
) -> None:
    body, said = BAD_BODIES[name]
    kept = gateway.kept
    message = refused(gateway, gateway.send(body), kept)
    assert message
    assert said in message
    # The same through a compressed door.
    compressed = gateway.send(gzip.compress(body), content_encoding="gzip")
    assert said in refused(gateway, compressed, kept)


@pytest.mark.parametrize(
    ("age", "said"),
    [(timedelta(days=34, minutes=1), "34 days"), (-timedelta(hours=24, minutes=1), "24 hours")],
)
def test_the_window(gateway: Gateway, age: timedelta, said: str) -> None:
    at = datetime.now(UTC) - age
    message = refused(
        gateway,
        gateway.send(encode([an_event(), an_event(timestamp=at.isoformat())])),
        gateway.kept,
    )
    assert message.startswith("[1].timestamp")
    assert said in message
    nearly = at + timedelta(minutes=2) * (1 if age > timedelta() else -1)
    assert gateway.send(encode([an_event(timestamp=nearly.isoformat())])).status_code == 200


@pytest.mark.parametrize("encoding", ["br", "compress", "gzip, gzip", "x"])
def test_an_unknown_encoding(gateway: Gateway, encoding: str) -> None:
    message = refused(
        gateway, gateway.send(GOOD, content_encoding=encoding), gateway.kept, 400, 415
    )
    assert "Content-Encoding" in message


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_body_that_is_not_what_its_encoding_says(gateway: Gateway, encoding: str) -> None:
    kept = gateway.kept
    whole = COMPRESS[encoding](GOOD)
    for body in (GOOD, b"", whole[:-3], whole[: len(whole) // 2], whole + b"x", os.urandom(99)):
        assert refused(gateway, gateway.send(body, content_encoding=encoding), kept)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_bomb(gateway: Gateway, encoding: str) -> None:
    bomb = COMPRESS[encoding](b" " * 200_000_000)
    message = refused(gateway, gateway.send(bomb, content_encoding=encoding), gateway.kept, 413)
    assert "expands to more than" in message


@pytest.mark.parametrize("size", [17_000_000, 20_000_000])
def test_a_body_too_large(gateway: Gateway, size: int) -> None:
    kept = gateway.kept
    refused(gateway, gateway.send(b"[" + b" " * size + b"]"), kept, 413)

    def chunks() -> Any:
        for _ in range(size // 1_000_000):
            yield b" " * 1_000_000

    refused(gateway, gateway.http.post("/v1/ingest", content=chunks()), kept, 413)
    assert gateway.send(encode([an_event()])).status_code == 200


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("", 401),
        ("Bearer", 401),
        ("Bearer unknown", 401),
        ("Basic dXNlcjpwYXNz", 401),
        ("Bearer " + "x" * 5_000, 401),
        ("Bearer \xff", 401),
    ],
)
def test_who_is_not_known_is_refused(gateway: Gateway, authorization: str, status: int) -> None:
    answer = httpx.post(
        f"{gateway.url}/v1/ingest",
        content=GOOD,
        headers={b"Authorization": authorization.encode("latin-1")},
    )
    assert refused(gateway, answer, gateway.kept, status)


def test_scopes(gateway: Gateway) -> None:
    kept = gateway.kept
    answer = gateway.send(GOOD, authorization=f"Bearer {gateway.tokens.read}")
    assert "scope" in refused(gateway, answer, kept, 403)
    answer = gateway.send(encode([an_event()]), authorization=f"bearer {gateway.tokens.full}")
    assert answer.status_code == 200
    assert gateway.http.get("/v1/customers").status_code == 403


def test_other_methods(gateway: Gateway) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = gateway.http.request(method, "/v1/ingest")
        assert answer.status_code == 405
        assert "message" in answer.json()


def test_requests_cut_short_leave_nothing_and_the_gateway_lives(gateway: Gateway) -> None:
    """Clients that go away in the middle of a head, of a body, or before the answer."""
    host, _, port = gateway.url.removeprefix("http://").partition(":")
    head = (
        f"POST /v1/ingest HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer "
        f"{gateway.tokens.ingest}\r\nContent-Length: {len(GOOD)}\r\n\r\n"
    ).encode()

    async def cut(sent: bytes) -> None:
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        await writer.drain()
        writer.close()

    async def all_cuts() -> None:
        whole = head + GOOD
        await asyncio.gather(*(cut(whole[:length]) for length in range(0, len(whole) - 1, 9)))

    kept = gateway.kept
    asyncio.run(all_cuts())
    event = an_event()
    assert gateway.send(encode([event])).status_code == 200
    assert gateway.kept == kept + 1
