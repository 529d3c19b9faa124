"""Rounds that are killed, that two processes run, and that meet what cannot be rated."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from structlog.testing import capture_logs
from tests.support.running_api import utc
from tests.support.spend_shop import START, Shop, open_shop
from tests.support.spend_world import World, in_world

from meterline.log.postgres_backlog import PostgresLogBacklog
from meterline.services.spend_stage import metering_is_behind

NOW = utc(2026, 11, 10, 12, 30)
NOVEMBER = utc(2026, 11, 1)
ANY_TIME = timedelta(0)

# A rater of one key a transaction, for as long as it lives.
RATER = """
import asyncio, sys
from datetime import datetime, timedelta
from uuid import uuid4
from meterline.log.postgres_backlog import PostgresLogBacklog
from meterline.services.spend_stage import Limits, SpendStage
from meterline.store.database import Database

async def rate():
    async with Database(sys.argv[1], connections_max=2) as database:
        stage = SpendStage(database, uuid4(), Limits(keys_max=1, lease=timedelta(0)))
        print("ready", flush=True)
        while True:
            await stage.rate_touched(datetime.fromisoformat(sys.argv[2]))

asyncio.run(rate())
"""


async def some_usage(shop: Shop, rng: random.Random, counted: dict[str, int]) -> None:
    """An event each for acme and some strangers, who are counted in `counted`."""
    await shop.used(NOW, rng.randint(1, 9))
    for _ in range(6):
        stranger = f"stranger-{rng.randrange(9)}"
        counted[stranger] = counted.get(stranger, 0) + 1
        await shop.used(NOW, 1, key=stranger)


async def unmatched(world: World) -> dict[str, int]:
    rows = await world.rows("SELECT ingest_key, events FROM unmatched_customer")
    return {row["ingest_key"]: row["events"] for row in rows}


def test_raters_killed_at_any_moment_count_strangers_once(database_url: str) -> None:
    async def scenario(world: World) -> None:
        rng, counted = random.Random(5), dict[str, int]()
        shop = await open_shop(world)
        for _ in range(6):
            rater = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                RATER,
                database_url,
                NOW.isoformat(),
                stdout=asyncio.subprocess.PIPE,
            )
            assert rater.stdout is not None
            assert await rater.stdout.readline() == b"ready\n"
            for _ in range(4):
                await some_usage(shop, rng, counted)
            await asyncio.sleep(rng.random() * 0.08)
            rater.kill()
            assert await rater.wait() == -signal.SIGKILL
        await world.check()
        assert await unmatched(world) == counted

    in_world(database_url, NOW, scenario, lease=ANY_TIME)


@pytest.mark.parametrize("lease", [ANY_TIME, timedelta(seconds=60)])
def test_two_raters_at_once(database_url: str, lease: timedelta) -> None:
    """With a lease that never holds they take the environment from each other in the middle of rounds."""

    async def scenario(world: World) -> None:
        rng, counted = random.Random(6), dict[str, int]()
        shop = await open_shop(world)
        done = asyncio.Event()

        async def run() -> int:
            stage, rated = world.rater(lease=lease, keys_max=2), 0
            while not done.is_set():
                rated += await stage.rate_touched(NOW)
                await asyncio.sleep(0)
            return rated

        raters = [asyncio.create_task(run()) for _ in range(2)]
        for number in range(12):
            await some_usage(shop, rng, counted)
            if number % 4 == 3:
                await world.contract(shop.customer, shop.card, START)
        await asyncio.sleep(0.2)
        done.set()
        rated = await asyncio.gather(*raters)
        assert lease == ANY_TIME or min(rated) == 0, "a lease that holds keeps the other out"
        world.stage = world.rater(lease=ANY_TIME)
        await world.execute("UPDATE spend_rater SET claimed_at = '-infinity'")
        await world.check()
        assert await unmatched(world) == counted

    in_world(database_url, NOW, scenario)


def test_a_rater_that_stops_leaves_its_place_at_once(database_url: str) -> None:
    async def scenario(world: World) -> None:
        shop = await open_shop(world)
        await shop.used(NOW, 1)
        await world.check()
        other = world.rater()
        await shop.used(NOW, 1)
        assert await other.rate_touched(NOW) == 0
        await world.stage.release()
        assert await other.rate_touched(NOW) > 0
        assert await world.spend() == (await world.invoiced())[0]

    in_world(database_url, NOW, scenario)


def test_a_round_takes_all_touches_and_rates_each_customer_once(database_url: str) -> None:
    async def scenario(world: World) -> None:
        shop = await open_shop(world)
        await world.rate()
        for _ in range(30):
            await shop.used(NOW, 1)
        assert await world.stage.rate_touched(NOW) == 30
        assert (await shop.amounts())[NOVEMBER] == 60
        assert await world.stage.rate_touched(NOW) == 0

    in_world(database_url, NOW, scenario)


def test_rows_that_did_not_change_are_not_written(database_url: str) -> None:
    async def scenario(world: World) -> None:
        shop = await open_shop(world)
        await shop.used(NOW, 1)
        await world.check()
        before = await world.rows("SELECT ctid::text, rated_at FROM spend")
        await shop.used(NOW, 0)
        await world.check()
        assert await world.rows("SELECT ctid::text, rated_at FROM spend") == before

    in_world(database_url, NOW, scenario)


def test_a_customer_that_cannot_be_rated_stands_apart_until_he_can(database_url: str) -> None:
    async def scenario(world: World) -> None:
        shop = await open_shop(world)
        broken = await world.customer("broken")
        contract = await world.contract(broken, shop.card, START)
        terms = (
            await world.rows(f"SELECT terms::text FROM contract WHERE contract_id = '{contract}'")
        )[0]
        await world.execute("UPDATE contract SET terms = '{}' WHERE contract_id = %s", contract)
        await shop.used(NOW, 1)
        await shop.used(NOW, 5, key="broken")
        await world.rate()
        assert (await shop.amounts())[NOVEMBER] == 2
        keys = await world.rows("SELECT ingest_key, failures, reason FROM unrated_key")
        assert {row["ingest_key"] for row in keys} == {"broken", str(broken)}
        assert all("usage_statement_schedule" in row["reason"] for row in keys)
        # Left out, not tried again with every event.
        await shop.used(NOW, 5, key="broken")
        await world.rate()
        assert {
            row["failures"] for row in await world.rows("SELECT failures FROM unrated_key")
        } == {1}
        # Another process tries again at once; while he is broken he still harms nobody.
        world.stage = world.rater(lease=ANY_TIME)
        await shop.used(NOW, 1)
        await world.rate()
        assert (await shop.amounts())[NOVEMBER] == 4
        assert {
            row["failures"] for row in await world.rows("SELECT failures FROM unrated_key")
        } == {2}
        await world.execute(
            "UPDATE contract SET terms = %s::jsonb WHERE contract_id = %s", terms["terms"], contract
        )
        world.stage = world.rater(lease=ANY_TIME)
        await shop.used(NOW, 1)
        await world.check()
        assert await world.rows("SELECT * FROM unrated_key") == []

    with capture_logs() as logged:
        in_world(database_url, NOW, scenario, lease=ANY_TIME)
    assert {one["event"] for one in logged} == {"customer_not_rated"}


def test_an_environment_where_all_fail_rests_and_holds_up_no_other(database_url: str) -> None:
    async def scenario(world: World) -> None:
        shop = await open_shop(world)
        for number in range(6):
            await world.contract(await world.customer(f"c-{number}"), shop.card, START)
        healthy = await sound_environment(world)
        await world.execute(
            "UPDATE rate SET terms = '{}' WHERE environment_id = %s", world.environment_id
        )
        for number in range(6):
            await shop.used(NOW, 1, key=f"c-{number}")
        await healthy.used(NOW, 7)
        clock = [0.0]
        stage = world.rater(failures_max=3, lease=ANY_TIME)
        stage._monotonic = lambda: clock[0]
        await stage.rate_touched(NOW)
        assert (await healthy.amounts())[NOVEMBER] == 14
        failing = f"environment_id = {world.environment_id}"
        touches = await world.rows(f"SELECT count(*) FROM usage_touch WHERE {failing}")
        assert touches[0]["count"] > 0, "what was not rated counts as lag"
        noted = await world.rows(
            f"SELECT sum(failures) AS failures FROM unrated_key WHERE {failing}"
        )
        await healthy.used(NOW, 1)
        await stage.rate_touched(NOW)
        assert (await healthy.amounts())[NOVEMBER] == 16
        assert (
            await world.rows(f"SELECT sum(failures) AS failures FROM unrated_key WHERE {failing}")
            == noted
        ), "it rests"
        clock[0] = 31.0
        await stage.rate_touched(NOW)
        assert (
            await world.rows(f"SELECT sum(failures) AS failures FROM unrated_key WHERE {failing}")
            != noted
        )

    with capture_logs() as logged:
        in_world(database_url, NOW, scenario)
    assert [one for one in logged if one["event"] == "environment_not_rated"]


async def sound_environment(world: World) -> Shop:
    """Another environment of the same database."""
    rows = await world.rows(
        "INSERT INTO environment (name, kind) VALUES ('sound', 'sandbox') RETURNING environment_id"
    )
    return await open_shop(World(world.database, rows[0]["environment_id"], NOW, world.stage))


def test_metering_is_behind_while_an_event_waits_for_longer_than_a_second(
    database_url: str,
) -> None:
    async def scenario(world: World) -> None:
        appended_at = datetime.now(UTC)

        async def behind(age: timedelta) -> bool:
            async with PostgresLogBacklog(database_url) as log:
                return await metering_is_behind(world.database, log, appended_at + age)

        assert not await behind(timedelta(hours=1))
        await world.execute("INSERT INTO log_partition (partition, next_offset) VALUES (0, 1)")
        await world.execute(
            "INSERT INTO log_record VALUES (%s, 0, 0, %s, 1, 'x')",
            world.environment_id,
            appended_at,
        )
        assert not await behind(timedelta(seconds=1))
        assert await behind(timedelta(seconds=2))
        await world.execute("INSERT INTO stream_partition (partition, next_offset) VALUES (0, 1)")
        assert not await behind(timedelta(hours=1))

    in_world(database_url, NOW, scenario)


def test_amounts_keep_every_digit(database_url: str) -> None:
    async def scenario(world: World) -> None:
        shop = await open_shop(world)
        quantity = Decimal("123456789012345678.123456789012345678")
        await shop.used(NOW, quantity)
        await world.check()
        assert (await shop.amounts())[NOVEMBER] == Decimal("246913578024691356.246913578024691356")

    in_world(database_url, NOW, scenario)
