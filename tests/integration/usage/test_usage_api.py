"""POST /v1/usage and /v1/usage/groups through the unmodified SDK, strict, against a naive model."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import metronome
import pytest
from tests.support.running_api import RunningApi, running_api, utc
from tests.support.usage_rows import Observation, expected

from meterline.core.metric import Aggregation, BillableMetric
from meterline.services.compaction import compact

NOW = utc(2026, 11, 23, 12, 30)
START, END = utc(2026, 11, 20), utc(2026, 11, 24)


@dataclass(frozen=True, slots=True)
class Stage:
    """Two customers (one with an alias), a metric of each aggregation, and what was observed."""

    api: RunningApi
    customers: list[UUID]
    metrics: list[BillableMetric]
    seen: list[Observation]

    def keys(self, customer: UUID) -> list[str]:
        return [str(customer), "acme"] if customer == self.customers[0] else [str(customer)]

    def of(self, customer: UUID) -> list[Observation]:
        return [one for one in self.seen if one.ingest_key in self.keys(customer)]


async def staged(api: RunningApi, seed: int) -> Stage:
    rng = random.Random(seed)
    sdk = api.sdk
    customers = []
    for aliases in (["acme"], []):
        made = await sdk.v1.customers.create(name="customer", ingest_aliases=aliases)
        customers.append(UUID(made.data.id))
    metrics = []
    for aggregation in Aggregation:
        count: Any = {} if aggregation is Aggregation.COUNT else {"aggregation_key": "n"}
        created = await sdk.v1.billable_metrics.create(
            name=aggregation.lower(),
            aggregation_type=aggregation.value,
            group_keys=[["region"], ["model", "region"]],
            **count,
        )
        metrics.append(
            BillableMetric(
                UUID(created.data.id),
                aggregation.lower(),
                aggregation,
                group_keys=(("region",), ("model", "region")),
            )
        )
    stage = Stage(api, customers, metrics, [])
    for number in range(160):
        metric = rng.choice(metrics)
        measured: Decimal | str = Decimal(rng.randint(-50, 5000)) / 100
        if metric.aggregation is Aggregation.UNIQUE:
            measured = rng.choice("abcdef")
        if metric.aggregation is Aggregation.COUNT:
            measured = Decimal(1)
        stage.seen.append(
            Observation(
                metric,
                rng.choice([key for customer in customers for key in stage.keys(customer)]),
                (rng.choice(["gpt", "claude", None]), rng.choice(["eu", "us", None])),
                START + timedelta(minutes=rng.randint(-600, 4 * 1440)),
                UUID(int=number + 1),
                measured,
                rng.randrange(2),
            )
        )
    await api.meter(*stage.seen)
    return stage


@asynccontextmanager
async def stage_of(url: str, seed: int = 1) -> AsyncIterator[Stage]:
    async with running_api(url, lambda: NOW) as api:
        yield await staged(api, seed)


def run(url: str, scenario: Callable[[Stage], Awaitable[None]], seed: int = 1) -> None:
    async def running() -> None:
        async with stage_of(url, seed) as stage:
            await scenario(stage)

    asyncio.run(running())


def window_starts(size: str) -> list[datetime]:
    if size == "NONE":
        return [START]
    step = timedelta(days=1) if size == "DAY" else timedelta(hours=1)
    return [START + number * step for number in range((END - START) // step)]


def number(quantity: Decimal | None) -> float | None:
    return None if quantity is None else float(quantity)


@pytest.mark.parametrize("size", ["HOUR", "DAY", "NONE"])
def test_batched_usage_of_everything_shows_every_window_once(database_url: str, size: str) -> None:
    async def scenario(stage: Stage) -> None:
        for compacted in (False, True):
            if compacted:
                assert await compact(stage.api.database, NOW) > 0
            rows = [
                row
                async for row in stage.api.sdk.v1.usage.list(
                    starting_on=START,
                    ending_before=END,
                    window_size=size,  # type: ignore[arg-type]
                )
            ]
            starts = window_starts(size)
            got = {
                (UUID(row.customer_id), UUID(row.billable_metric_id), row.start_timestamp): row
                for row in rows
            }
            assert len(rows) == len(got) == 2 * 5 * len(starts)
            for customer in stage.customers:
                for metric in stage.metrics:
                    for start, end in zip(starts, [*starts[1:], END], strict=True):
                        row = got[customer, metric.id, start]
                        assert row.end_timestamp == end
                        assert row.billable_metric_name == metric.name
                        assert row.groups is None
                        wanted = expected(metric, stage.of(customer), start, end)
                        assert row.value == number(wanted)

    run(database_url, scenario)


def test_batched_usage_by_group_and_by_named_customers(database_url: str) -> None:
    async def scenario(stage: Stage) -> None:
        customer, metric = stage.customers[0], stage.metrics[1]
        page = await stage.api.sdk.v1.usage.list(
            starting_on=START,
            ending_before=END,
            window_size="DAY",
            customer_ids=[str(customer)],
            billable_metrics=[
                {"id": str(metric.id), "group_by": {"key": "region"}},
                {
                    "id": str(stage.metrics[4].id),
                    "group_by": {"key": "region", "values": ["us", "moon"]},
                },
            ],
        )
        by_metric: dict[str, list[Any]] = {}
        for row in page.data:
            by_metric.setdefault(row.billable_metric_id, []).append(row)
        for one, values in ((metric, ["eu", "us"]), (stage.metrics[4], ["moon", "us"])):
            rows = by_metric[str(one.id)]
            assert [row.start_timestamp for row in rows] == window_starts("DAY")
            for row in rows:
                assert sorted(row.groups) == values
                for value, got in row.groups.items():
                    group = [seen for seen in stage.of(customer) if seen.group_values[1] == value]
                    wanted = expected(one, group, row.start_timestamp, row.end_timestamp)
                    assert got == number(wanted)
                whole = expected(one, stage.of(customer), row.start_timestamp, row.end_timestamp)
                assert row.value == number(whole)

    run(database_url, scenario)


@pytest.mark.parametrize("group_key", [[], ["region"], ["region", "model"]])
@pytest.mark.parametrize("limit", [7, 100])
def test_grouped_usage_pages_through_windows_and_groups(
    database_url: str, group_key: list[str], limit: int
) -> None:
    async def scenario(stage: Stage) -> None:
        places = [("model", "region").index(name) for name in group_key]
        customer = stage.customers[0]
        for metric in stage.metrics:
            rows = [
                row
                async for row in stage.api.sdk.v1.usage.list_with_groups(
                    billable_metric_id=str(metric.id),
                    customer_id=str(customer),
                    window_size="DAY",
                    starting_on=START,
                    ending_before=END,
                    group_key=group_key,
                    limit=limit,
                )
            ]
            inside = [
                one for one in stage.of(customer) if one.metric is metric and START <= one.at < END
            ]
            groups = {tuple(one.group_values[place] for place in places) for one in inside}
            if not group_key:
                groups = {()}
            assert len(rows) == len(groups) * 4
            assert [row.starting_on for row in rows] == sorted(row.starting_on for row in rows)
            seen_groups = set()
            for row in rows:
                named = row.group or {}
                values = tuple(named.get(name) for name in group_key)
                seen_groups.add((row.starting_on, values))
                if len(group_key) == 1:
                    assert (row.group_key, row.group_value) == (group_key[0], values[0])
                else:
                    assert row.group_key is None
                group = [
                    one
                    for one in inside
                    if tuple(one.group_values[place] for place in places) == values
                ]
                wanted = expected(metric, group, row.starting_on, row.ending_before)
                assert row.value == number(wanted)
            assert len(seen_groups) == len(rows)

    run(database_url, scenario)


def test_group_filters_and_the_older_group_by(database_url: str) -> None:
    async def scenario(stage: Stage) -> None:
        asked: Any = {
            "billable_metric_id": str(stage.metrics[0].id),
            "customer_id": str(stage.customers[1]),
            "window_size": "NONE",
            "starting_on": START,
            "ending_before": END,
        }
        sdk = stage.api.sdk
        filtered = await sdk.v1.usage.list_with_groups(
            **asked, group_key=["model", "region"], group_filters={"region": ["eu"], "model": []}
        )
        assert {row.group["region"] for row in filtered.data if row.group} == {"eu"}
        assert len({row.group.get("model") for row in filtered.data if row.group}) > 1
        older = await sdk.v1.usage.list_with_groups(
            **asked, group_by={"key": "region", "values": ["us"]}
        )
        assert [row.group_value for row in older.data] == ["us"]

    run(database_url, scenario)


def test_current_period_is_that_of_the_contract_in_force(database_url: str) -> None:
    async def scenario(stage: Stage) -> None:
        sdk, customer = stage.api.sdk, stage.customers[1]
        asked: Any = {
            "billable_metric_id": str(stage.metrics[0].id),
            "customer_id": str(customer),
            "current_period": True,
        }
        with pytest.raises(metronome.BadRequestError, match="current_period"):
            await sdk.v1.usage.list_with_groups(**asked, window_size="NONE")
        await sdk.v1.contracts.create(customer_id=str(customer), starting_at=utc(2026, 11, 20, 15))
        rows = (await sdk.v1.usage.list_with_groups(**asked, window_size="DAY")).data
        assert rows[0].starting_on == utc(2026, 11, 20, 15)
        assert rows[0].ending_before == utc(2026, 11, 21)
        assert rows[-1].ending_before == utc(2026, 12, 1)
        for row in rows:
            wanted = expected(
                stage.metrics[0], stage.of(customer), row.starting_on, row.ending_before
            )
            assert row.value == number(wanted)

    run(database_url, scenario)


BAD_REQUESTS: list[tuple[str, dict[str, Any], int, str]] = [
    ("", {"starting_on": "2026-11-20T01:00:00Z"}, 400, "starting_on: must be midnight"),
    ("", {"ending_before": "2026-11-20T00:00:00Z"}, 400, "ending_before: must be at least"),
    ("", {"ending_before": "2026-11-19T00:00:00Z"}, 400, "ending_before"),
    ("", {"starting_on": "yesterday"}, 400, "starting_on"),
    ("", {"starting_on": "2026-11-20T00:00:00"}, 400, "starting_on"),
    ("", {"starting_on": None}, 400, "starting_on"),
    ("", {"window_size": "WEEK"}, 400, "window_size: must be one of HOUR, DAY, NONE"),
    ("", {"window_size": 3}, 400, "window_size"),
    ("", {"customer_ids": ["nobody"]}, 400, "customer_ids"),
    ("", {"customer_ids": [str(UUID(int=5))]}, 404, str(UUID(int=5))),
    ("", {"billable_metrics": [{"id": str(UUID(int=6))}]}, 404, str(UUID(int=6))),
    ("?next_page=nonsense", {}, 400, "next_page"),
    ("/groups", {"window_size": "MONTH"}, 400, "window_size"),
    ("/groups", {"starting_on": None}, 400, "starting_on: is required"),
    ("/groups", {"current_period": True}, 400, "starting_on: must be left out"),
    ("/groups", {"group_key": ["colour"]}, 400, "group_key"),
    ("/groups", {"group_key": ["model"]}, 400, "group_key"),
    ("/groups", {"group_key": ["region", "region"]}, 400, "group_key"),
    ("/groups", {"group_filters": {"region": ["eu"]}}, 400, "group_filters.region"),
    (
        "/groups",
        {"group_key": ["region"], "group_filters": {"region": ["x"] * 201}},
        400,
        "group_filters",
    ),
    ("/groups", {"group_key": ["region"], "group_by": {"key": "region"}}, 400, "group_key"),
    ("/groups", {"customer_id": str(UUID(int=5))}, 404, str(UUID(int=5))),
    ("/groups", {"billable_metric_id": str(UUID(int=6))}, 404, str(UUID(int=6))),
    ("/groups?limit=0", {}, 400, "limit"),
    ("/groups?limit=101", {}, 400, "limit"),
    ("/groups?limit=many", {}, 400, "limit"),
    ("/groups?next_page=%00", {}, 400, "next_page"),
]


def test_bad_requests_are_refused_by_field(database_url: str) -> None:
    async def scenario(stage: Stage) -> None:
        span = {"starting_on": "2026-11-20T00:00:00Z", "ending_before": "2026-11-24T00:00:00Z"}
        ids = {
            "customer_id": str(stage.customers[0]),
            "billable_metric_id": str(stage.metrics[0].id),
        }
        for path, change, status, words in BAD_REQUESTS:
            good = {**span, "window_size": "day", **(ids if path.startswith("/groups") else {})}
            fine = await stage.api.http.post(f"/v1/usage{path.partition('?')[0]}", json=good)
            assert fine.status_code == 200, fine.text
            bad = {name: value for name, value in (good | change).items() if value is not None}
            refused = await stage.api.http.post(f"/v1/usage{path}", json=bad)
            assert refused.status_code == status, (path, change, refused.text)
            assert words in refused.json()["message"], (path, change, refused.text)

    run(database_url, scenario)


def test_a_cursor_of_another_query_is_refused(database_url: str) -> None:
    async def scenario(stage: Stage) -> None:
        body = {
            "customer_id": str(stage.customers[0]),
            "billable_metric_id": str(stage.metrics[0].id),
            "starting_on": "2026-11-20T00:00:00Z",
            "ending_before": "2026-11-24T00:00:00Z",
            "window_size": "HOUR",
        }
        first = await stage.api.http.post("/v1/usage/groups?limit=5", json=body)
        cursor = first.json()["next_page"]
        again = await stage.api.http.post(
            f"/v1/usage/groups?next_page={cursor}", json=body | {"window_size": "DAY"}
        )
        assert again.status_code == 400
        assert "next_page" in again.json()["message"]

    run(database_url, scenario)
