"""Usage read over any cuts equals a naive model, before, between and after steps of compaction."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

import psycopg
import pytest
from tests.support.usage_rows import Observation, expected, write

from meterline.core.metric import Aggregation, BillableMetric
from meterline.core.usage import merge_all, value
from meterline.services.compaction import compact
from meterline.services.usage import period_parts
from meterline.store.database import Database

START = datetime(2026, 9, 29, 21, tzinfo=UTC)
NOW = datetime(2026, 11, 3, 8, 30, tzinfo=UTC)
ALICE, BOB = UUID(int=1), UUID(int=2)
# Hours after START: of days and months, and in between.
BOUNDARIES = [0, 3, 27, 51, 300, 771, 795, 838]
KEYS = {ALICE: [str(ALICE), "alice@example.com", "a-2"], BOB: [str(BOB)]}
METRICS = [
    BillableMetric(UUID(int=10 + number), aggregation, aggregation, "n", group_keys=keys)
    for number, (aggregation, keys) in enumerate(
        (aggregation, keys)
        for aggregation in Aggregation
        for keys in [(), (("region",), ("model", "region"))]
    )
]


@asynccontextmanager
async def database_with_environment(url: str) -> AsyncIterator[tuple[Database, int]]:
    async with Database(url, connections_max=4) as database:
        async with database.installation() as connection:
            cursor = await connection.execute(
                "INSERT INTO environment (name, kind) VALUES ('test', 'sandbox') RETURNING *"
            )
            row = await cursor.fetchone()
        assert row is not None
        yield database, row["environment_id"]


def every(instants: list[datetime]) -> dict[UUID, tuple[datetime, ...]]:
    """The same cuts for every metric."""
    return {metric.id: tuple(instants) for metric in METRICS}


def observations(rng: random.Random, count: int) -> list[Observation]:
    """Events of both customers, thick around boundaries of hours, days and months."""
    seen = []
    for number in range(count):
        metric = rng.choice(METRICS)
        boundary = START + timedelta(hours=rng.choice(BOUNDARIES))
        at = boundary + timedelta(
            minutes=rng.choice([0, 1, 59, 60, -1, 61]), microseconds=number % 7
        )
        measured: Decimal | str = Decimal(rng.randint(-999, 99_999)) / 1000
        if metric.aggregation is Aggregation.UNIQUE:
            measured = rng.choice("abcdefgh")
        if metric.aggregation is Aggregation.COUNT:
            measured = Decimal(rng.randint(1, 5))
        seen.append(
            Observation(
                metric,
                rng.choice([key for keys in KEYS.values() for key in keys]),
                tuple(rng.choice(["x", "y", None]) for _ in metric.group_properties),
                at,
                UUID(int=rng.getrandbits(128)),
                measured,
                rng.randrange(3),
            )
        )
    return seen


async def check(
    database: Database, environment_id: int, seen: list[Observation], rng: random.Random
) -> None:
    """Read a random period with random cuts, and compare every customer, metric and group."""
    near = {boundary + step for boundary in BOUNDARIES for step in (-1, 0, 1)}
    hours = sorted(rng.sample(sorted(near | set(range(0, 850, 50))), rng.randint(2, 6)))
    instants = [START + timedelta(hours=hour) for hour in hours]
    if rng.random() < 0.5:
        instants = [datetime(2026, month, 1, tzinfo=UTC) for month in (9, 10, 11, 12)]
    async with database.transaction(environment_id) as connection:
        books = await period_parts(connection, environment_id, KEYS, METRICS, every(instants))
    assert books.keys() == KEYS.keys()
    for customer, keys in KEYS.items():
        own = [one for one in seen if one.ingest_key in keys]
        for metric in METRICS:
            rows = books[customer].get(metric.id, [])
            assert {row.segment for row in rows} <= set(range(len(instants) - 1))
            for segment, (start, end) in enumerate(pairwise(instants)):
                for values in {one.group_values for one in own if one.metric is metric}:
                    group = [one for one in own if one.group_values == values]
                    part = merge_all(
                        metric.aggregation,
                        (
                            row.part
                            for row in rows
                            if row.segment == segment and row.group_values == values
                        ),
                    )
                    wanted = expected(metric, group, start, end)
                    got = None if part is None else value(part)
                    assert got == wanted, (metric.aggregation, customer, start, end, values)


@pytest.mark.parametrize("seed", range(4))
def test_compaction_never_changes_what_is_read(database_url: str, seed: int) -> None:
    async def scenario() -> None:
        rng = random.Random(seed)
        async with database_with_environment(database_url) as (database, environment_id):
            seen: list[Observation] = []
            for _ in range(8):
                step = rng.random()
                if step < 0.5 or not seen:
                    fresh = observations(rng, 60)
                    async with database.installation() as connection:
                        await write(connection, environment_id, fresh)
                    seen += fresh
                else:
                    now = START + timedelta(hours=rng.randint(0, 900))
                    await compact(database, now, chunk_rows_max=rng.choice([1, 7, 5000]))
                await check(database, environment_id, seen, rng)
            await compact(database, NOW + timedelta(days=9), chunk_rows_max=50)
            async with database.installation() as connection:
                cursor = await connection.execute(
                    "SELECT (SELECT count(*) FROM usage_live) + (SELECT count(*) FROM "
                    "usage_member_live) AS rows"
                )
                row = await cursor.fetchone()
            assert row == {"rows": 0}
            for _ in range(3):
                await check(database, environment_id, seen, rng)

    asyncio.run(scenario())


def test_open_hours_and_their_delay_stay_live(database_url: str) -> None:
    async def scenario() -> None:
        async with database_with_environment(database_url) as (database, environment_id):
            metric = METRICS[0]
            event = Observation(metric, "k", (), NOW.replace(minute=5), UUID(int=1), Decimal(1))
            async with database.installation() as connection:
                await write(connection, environment_id, [event])
            hour_end = NOW.replace(minute=0) + timedelta(hours=1)
            assert await compact(database, hour_end + timedelta(minutes=9, seconds=59)) == 0
            assert await compact(database, hour_end + timedelta(minutes=10)) == 1
            assert await compact(database, hour_end + timedelta(minutes=10)) == 0

    asyncio.run(scenario())


def test_an_environment_with_its_own_clock_closes_hours_by_it(database_url: str) -> None:
    async def scenario() -> None:
        async with database_with_environment(database_url) as (database, environment_id):
            event = Observation(METRICS[0], "k", (), NOW, UUID(int=1), Decimal(1))
            async with database.installation() as connection:
                await write(connection, environment_id, [event])
                await connection.execute("UPDATE environment SET clock = %s", [NOW])
            assert await compact(database, NOW + timedelta(days=3)) == 0
            async with database.installation() as connection:
                await connection.execute(
                    "UPDATE environment SET clock = %s", [NOW + timedelta(hours=2)]
                )
            assert await compact(database, NOW - timedelta(days=3)) == 1

    asyncio.run(scenario())


def test_rows_a_worker_holds_are_left_alone(database_url: str) -> None:
    async def scenario() -> None:
        async with database_with_environment(database_url) as (database, environment_id):
            held, free = (
                Observation(METRICS[0], key, (), NOW, UUID(int=1), Decimal(1)) for key in "ab"
            )
            async with database.installation() as connection:
                await write(connection, environment_id, [held, free])
            late = NOW + timedelta(hours=3)
            async with database.installation() as worker:
                await write(worker, environment_id, [held])
                assert await compact(database, late) == 1
            assert await compact(database, late) == 1
            seen = [held, held, free]
            async with database.transaction(environment_id) as connection:
                books = await period_parts(
                    connection,
                    environment_id,
                    {ALICE: ["a", "b"]},
                    METRICS,
                    every([NOW.replace(minute=0), NOW.replace(minute=0) + timedelta(hours=1)]),
                )
            assert sum(value(row.part) for row in books[ALICE][METRICS[0].id]) == len(seen)

    asyncio.run(scenario())


def test_workers_and_two_compactors_at_once_lose_and_repeat_nothing(database_url: str) -> None:
    """Two writers add to rows that two compactors move all the while; totals come out exact."""

    async def scenario() -> None:
        async with database_with_environment(database_url) as (database, environment_id):
            rng = random.Random(7)
            batches = [observations(rng, 40) for _ in range(24)]
            late = NOW + timedelta(days=9)
            done = asyncio.Event()

            async def worker(writer: int) -> None:
                for batch in batches[writer::2]:
                    # A slot's rows have one writer, and each takes its own in one order.
                    ordered = sorted(batch, key=lambda one: (one.metric.id, one.ingest_key, one.at))
                    owned = [
                        Observation(
                            one.metric,
                            one.ingest_key,
                            one.group_values,
                            one.at,
                            one.event_id,
                            one.measured,
                            writer,
                        )
                        for one in ordered
                    ]
                    async with database.installation() as connection:
                        await write(connection, environment_id, owned)

            async def compactor() -> int:
                moved = 0
                while not done.is_set():
                    moved += await compact(database, late, chunk_rows_max=rng.choice([3, 20, 99]))
                    await asyncio.sleep(0)
                return moved

            compactors = [asyncio.create_task(compactor()) for _ in range(2)]
            await asyncio.gather(worker(0), worker(1))
            done.set()
            moved = sum(await asyncio.gather(*compactors)) + await compact(database, late)
            assert moved > 0
            seen = [one for batch in batches for one in batch]
            for _ in range(5):
                await check(database, environment_id, seen, rng)

    asyncio.run(scenario())


def test_events_of_one_instant_are_ranked_by_id_live_and_compacted(database_url: str) -> None:
    """Of values with the same time the greatest event id's is the latest, whoever wrote it."""

    async def scenario() -> None:
        async with database_with_environment(database_url) as (database, environment_id):
            metric = next(one for one in METRICS if one.aggregation is Aggregation.LATEST)
            tied = [
                Observation(metric, str(ALICE), (), NOW, UUID(int=number), Decimal(number), writer)
                for writer, number in enumerate([2, 5, 3])
            ]
            cuts = every([NOW.replace(minute=0), NOW.replace(minute=0) + timedelta(hours=1)])

            async def latest() -> list[Decimal]:
                async with database.transaction(environment_id) as connection:
                    books = await period_parts(connection, environment_id, KEYS, METRICS, cuts)
                return [value(row.part) for row in books[ALICE][metric.id]]

            for written in (tied[:1], tied[1:]):
                async with database.installation() as connection:
                    await write(connection, environment_id, written)
                assert await latest() == [max(one.event_id.int for one in written)]
                assert await compact(database, NOW + timedelta(days=1)) == len(written)
                assert await latest() == [max(one.event_id.int for one in written)]

    asyncio.run(scenario())


def test_another_environment_sees_nothing(database_url: str) -> None:
    async def scenario() -> None:
        async with database_with_environment(database_url) as (database, environment_id):
            event = Observation(METRICS[0], str(ALICE), (), NOW, UUID(int=1), Decimal(1))
            async with database.installation() as connection:
                await write(connection, environment_id, [event])
            hour = every([NOW.replace(minute=0), NOW.replace(minute=0) + timedelta(hours=1)])
            async with database.transaction(environment_id + 1) as connection:
                books = await period_parts(connection, environment_id, KEYS, METRICS, hour)
            assert books == {ALICE: {}, BOB: {}}

    asyncio.run(scenario())


def test_the_writer_of_tests_upserts_like_a_worker(database_url: str) -> None:
    """The oracle rests on it: two observations of one hour share a row."""

    async def scenario() -> None:
        async with database_with_environment(database_url) as (database, environment_id):
            event = Observation(METRICS[0], "k", (), NOW, UUID(int=1), Decimal(2))
            async with database.installation() as connection:
                await write(connection, environment_id, [event, event])
        with psycopg.connect(database_url) as plain:
            plain.execute("SET ROLE meterline_pipeline")
            rows = plain.execute("SELECT quantity FROM usage_live").fetchall()
        assert rows == [(Decimal(4),)]

    asyncio.run(scenario())
