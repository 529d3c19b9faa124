"""Whatever happens in whatever order, with caches warm, spend is what the running invoices say."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from tests.support.running_api import utc
from tests.support.spend_world import Chance, World, in_world

from meterline.services.compaction import compact

START = utc(2026, 9, 1)
NOW = utc(2026, 10, 29, 22, 30)
ANY_TIME = timedelta(0)


@pytest.mark.parametrize("seed", range(8))
def test_any_order_of_usage_and_changes(database_url: str, seed: int) -> None:
    async def scenario(world: World) -> None:
        rng = random.Random(seed)
        chance = Chance(world, rng, START)
        await chance.begin()
        rated = 0
        for _ in range(45):
            await chance.step()
            if rng.random() < 0.2:
                await compact(world.database, world.now)
            if rng.random() < 0.5:
                rated += len(await world.check())
        assert rated > 0
        await world.check()

    in_world(database_url, NOW, scenario, keys_max=3)


@pytest.mark.parametrize("seed", range(3))
def test_two_raters_take_turns(database_url: str, seed: int) -> None:
    """Neither rates by what it knew before the other took over."""

    async def scenario(world: World) -> None:
        rng = random.Random(1000 + seed)
        chance = Chance(world, rng, START)
        await chance.begin()
        raters = [world.stage, world.rater(lease=ANY_TIME), world.rater(lease=ANY_TIME)]
        for _ in range(30):
            await chance.step()
            world.stage = rng.choice(raters)
            await world.check()

    in_world(database_url, NOW, scenario, lease=ANY_TIME)
