"""POST /v1/events/search and GET /v1/pipeline/unmatched."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.support.running_api import RunningApi, running_api

from meterline.metering.event import StoredEvent, encode_line
from meterline.store.partitions import ensure_partitions
from meterline.stream.log import NewRecord
from meterline.stream.routing import event_id

# The tables of events have partitions around the time at which the tests run.
NOW = datetime.now(UTC).replace(microsecond=0)
SENT = NOW - timedelta(days=1)


def run(url: str, scenario: Callable[[RunningApi], Awaitable[None]], now: datetime = NOW) -> None:
    async def running() -> None:
        async with running_api(url, lambda: now) as api:
            await scenario(api)

    asyncio.run(running())


def event(transaction_id: str, customer_id: str, **properties: Any) -> StoredEvent:
    microseconds = int(SENT.timestamp()) * 1_000_000 + 250_000
    return StoredEvent(transaction_id, customer_id, "llm", microseconds, properties)


async def append(api: RunningApi, *lines: StoredEvent | bytes) -> None:
    """Keep one record of partition 2."""
    value = b"\n".join(one if isinstance(one, bytes) else encode_line(one) for one in lines)
    await api.log.append([NewRecord(api.environment_id, 2, len(lines), value)])


async def note(api: RunningApi, table: str, transaction_id: str, offset: int, at: datetime) -> None:
    """Note an arrival as the worker does."""
    identity = UUID(bytes=event_id(api.environment_id, transaction_id))
    async with api.database.installation() as connection:
        await connection.execute(
            f"INSERT INTO {table} VALUES (%s, %s, %s, 2, %s)",
            [api.environment_id, identity, at, offset],
        )


def test_search_finds_events_and_their_repeats(database_url: str) -> None:
    async def scenario(api: RunningApi) -> None:
        sdk = api.sdk
        customer = (await sdk.v1.customers.create(name="acme", ingest_aliases=["a@x"])).data.id
        metric = await sdk.v1.billable_metrics.create(
            name="tokens",
            aggregation_type="SUM",
            aggregation_key="n",
            property_filters=[{"name": "n", "exists": True}],
        )
        await sdk.v1.billable_metrics.create(
            name="other", aggregation_type="COUNT", event_type_filter={"in_values": ["disk"]}
        )
        first, lone = event("t-1", "a@x", n="12.50", k=7), event("t-2", "nobody")
        await append(api, first, b"not json t-1", event("t-11", "a@x"), lone, event("t-1", "late"))
        await append(api, event("t-1", "a@x", n="again"))
        await note(api, "seen_event", "t-1", 0, NOW)
        await note(api, "seen_event", "t-2", 0, NOW)
        await note(api, "duplicate_event", "t-1", 0, NOW)
        await note(api, "duplicate_event", "t-1", 1, NOW + timedelta(minutes=1))
        found = await sdk.v1.usage.search(transaction_ids=["t-2", "t-1", "unknown", "t-1"])
        assert [(one.transaction_id, one.is_duplicate) for one in found] == [
            ("t-2", False),
            ("t-1", False),
            ("t-1", True),
            ("t-1", True),
        ]
        lone_row, first_row, within, later = found
        assert first_row.id == str(UUID(bytes=event_id(api.environment_id, "t-1")))
        assert first_row.customer_id == "a@x"
        assert first_row.event_type == "llm"
        assert first_row.timestamp == SENT + timedelta(milliseconds=250)
        assert first_row.processed_at == NOW
        assert first_row.properties == {"n": "12.50", "k": 7}
        assert first_row.matched_customer is not None
        assert first_row.matched_customer.id == customer
        assert first_row.matched_customer.name == "acme"
        assert [one.id for one in first_row.matched_billable_metrics or []] == [metric.data.id]
        assert lone_row.matched_customer is None
        assert lone_row.matched_billable_metrics == []
        assert within.customer_id == "late"
        assert later.properties == {"n": "again"}
        assert later.processed_at == NOW + timedelta(minutes=1)

    run(database_url, scenario)


def test_search_looks_back_34_days_and_into_its_own_environment(database_url: str) -> None:
    async def scenario(api: RunningApi) -> None:
        ensure_partitions(database_url, NOW - timedelta(days=34))
        await append(api, event("old", "x"), event("new", "x"))
        await note(api, "seen_event", "old", 0, NOW - timedelta(days=34))
        await note(api, "seen_event", "new", 0, NOW - timedelta(days=34) + timedelta(seconds=1))
        found = await api.sdk.v1.usage.search(transaction_ids=["old", "new"])
        assert [one.transaction_id for one in found] == ["new"]
        stranger = RunningApi(api.database, api.log, api.environment_id + 1, api.sdk, api.http)
        await append(stranger, event("theirs", "x"))
        assert await api.sdk.v1.usage.search(transaction_ids=["theirs"]) == []

    run(database_url, scenario)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "transactionIds"),
        ({"transactionIds": "t-1"}, "transactionIds"),
        ({"transactionIds": [1]}, "transactionIds"),
        ({"transactionIds": [""]}, "transactionIds"),
        ({"transactionIds": ["x"] * 101}, "transactionIds"),
        ([], "object"),
    ],
)
def test_bad_searches_are_refused_by_field(database_url: str, body: Any, words: str) -> None:
    async def scenario(api: RunningApi) -> None:
        refused = await api.http.post("/v1/events/search", json=body)
        assert refused.status_code == 400, refused.text
        assert words in refused.json()["message"]
        empty = await api.http.post("/v1/events/search", json={"transactionIds": []})
        assert (empty.status_code, empty.json()) == (200, [])

    run(database_url, scenario)


def test_unmatched_counts_everything_and_pages(database_url: str) -> None:
    async def scenario(api: RunningApi) -> None:
        customer = (await api.sdk.v1.customers.create(name="b", ingest_aliases=["mine"])).data.id
        nobody = str(UUID(int=77))
        keys = ["mine", customer, customer.upper(), nobody, "stray-1", "stray-2"]
        async with api.database.installation() as connection:
            for writer, event_type, day, events in (
                (0, "disk", "2026-11-20", 3),
                (1, "disk", "2026-11-22", 4),
                (0, "cpu", "2026-11-21", 5),
            ):
                await connection.execute(
                    "INSERT INTO unmatched_metric VALUES (%s, %s, %s, %s, %s)",
                    [api.environment_id, event_type, day, writer, events],
                )
            for number, key in enumerate(keys):
                await connection.execute(
                    "INSERT INTO unmatched_customer VALUES (%s, %s, %s, %s, %s)",
                    [api.environment_id, key, 10**number, SENT, NOW],
                )
        pages: list[dict[str, Any]] = []
        cursor: str | None = None
        while cursor or not pages:
            query = {"limit": "2"} | ({"next_page": cursor} if cursor else {})
            reply = await api.http.get("/v1/pipeline/unmatched", params=query)
            assert reply.status_code == 200, reply.text
            pages.append(reply.json())
            cursor = pages[-1]["next_page"]
        assert {page["events_without_metric"] for page in pages} == {12}
        assert {page["events_without_customer"] for page in pages} == {111_100}
        assert [len(page["event_types"]) + len(page["ingest_keys"]) for page in pages] == [2, 2, 2]
        assert [row for page in pages for row in page["event_types"]] == [
            {"event_type": "cpu", "events": 5, "first_day": "2026-11-21", "last_day": "2026-11-21"},
            {
                "event_type": "disk",
                "events": 7,
                "first_day": "2026-11-20",
                "last_day": "2026-11-22",
            },
        ]
        strays = [row for page in pages for row in page["ingest_keys"]]
        assert [(row["ingest_key"], row["events"]) for row in strays] == sorted(
            (key, 10**number) for number, key in enumerate(keys) if number > 1
        )
        await api.sdk.v1.customers.set_ingest_aliases(
            customer_id=customer, ingest_aliases=["mine", "stray-2"]
        )
        reply = await api.http.get("/v1/pipeline/unmatched")
        assert reply.json()["events_without_customer"] == 11_100

    run(database_url, scenario)
