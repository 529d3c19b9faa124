"""Around a month's end: each event is rated in the period it lies in, whatever the clock says by then."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from tests.support.running_api import utc
from tests.support.spend_shop import open_shop
from tests.support.spend_world import World, in_world

from meterline.services.environments import Principal, move_clock

OCTOBER, NOVEMBER, DECEMBER = utc(2026, 10, 1), utc(2026, 11, 1), utc(2026, 12, 1)
LAST_MOMENT = NOVEMBER - timedelta(microseconds=1)


async def move(world: World, to: datetime) -> None:
    await move_clock(world.database, Principal(world.environment_id, "test", "full", True), to)
    world.now = to


def test_the_last_events_of_a_month_rated_in_the_next(database_url: str) -> None:
    async def scenario(world: World) -> None:
        shop = await open_shop(world)
        await shop.used(LAST_MOMENT, 1)
        await world.check()
        assert await shop.amounts() == {OCTOBER: Decimal(2)}
        await shop.used(LAST_MOMENT, 10)
        await move(world, NOVEMBER + timedelta(seconds=1))
        await world.check()
        assert await shop.amounts() == {OCTOBER: Decimal(22)}
        await shop.used(NOVEMBER, 100)
        await world.check()
        assert await shop.amounts() == {OCTOBER: Decimal(22), NOVEMBER: Decimal(200)}
        await shop.used(LAST_MOMENT, 1000)
        await world.check()
        assert await shop.amounts() == {OCTOBER: Decimal(2022), NOVEMBER: Decimal(200)}

    in_world(database_url, LAST_MOMENT, scenario, sandbox=True)


def test_one_touch_with_events_on_both_sides(database_url: str) -> None:
    async def scenario(world: World) -> None:
        shop = await open_shop(world)
        await shop.used(LAST_MOMENT, 1)
        await shop.used(NOVEMBER, 10)
        await world.check()
        assert await shop.amounts() == {OCTOBER: Decimal(2), NOVEMBER: Decimal(20)}

    in_world(database_url, NOVEMBER + timedelta(minutes=1), scenario)


def test_events_ahead_of_the_clock_are_there_when_their_period_begins(database_url: str) -> None:
    async def scenario(world: World) -> None:
        shop = await open_shop(world)
        await shop.used(NOVEMBER + timedelta(hours=3), 10)
        assert await world.check() == {}
        await move(world, NOVEMBER + timedelta(hours=4))
        assert await world.spend() == (await world.invoiced())[0] != {}

    in_world(database_url, NOVEMBER - timedelta(hours=20), scenario, sandbox=True)


def test_a_clock_moved_over_a_month_leaves_rows_that_say_when_they_ended(database_url: str) -> None:
    async def scenario(world: World) -> None:
        shop = await open_shop(world)
        await shop.used(LAST_MOMENT, 1)
        await world.check()
        await move(world, DECEMBER)
        await world.check()
        rows = await world.rows("SELECT period_start, period_end, amount FROM spend")
        assert rows == [{"period_start": OCTOBER, "period_end": NOVEMBER, "amount": Decimal(2)}]

    in_world(database_url, LAST_MOMENT, scenario, sandbox=True)


def test_late_usage_of_a_contract_that_has_ended(database_url: str) -> None:
    async def scenario(world: World) -> None:
        shop = await open_shop(world)
        end = NOVEMBER + timedelta(hours=5)
        await world.contract(shop.customer, shop.card, OCTOBER, ending_before=end)
        await shop.used(NOVEMBER + timedelta(hours=9), 1)
        await world.check()
        await shop.used(NOVEMBER + timedelta(hours=4), 10)
        spend = await world.check()
        assert sorted(amount for amount, _ in spend.values()) == [Decimal(20), Decimal(22)]

    in_world(database_url, NOVEMBER + timedelta(hours=30), scenario)
