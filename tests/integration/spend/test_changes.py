"""One change of each kind, made while everything is remembered: the next rating sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from tests.support.running_api import utc
from tests.support.spend_shop import START, Shop, open_shop
from tests.support.spend_world import World, flat, in_world

from meterline.core.contract import UsageFilter
from meterline.services import contracts, customers, products, rate_cards

NOW = utc(2026, 11, 10, 12, 30)
NOVEMBER, MID = utc(2026, 11, 1), utc(2026, 11, 6)
Change = Callable[[Shop], Awaitable[object]]


async def new_price(shop: Shop) -> None:
    await shop.world.price(shop.card, shop.product, flat("5"), since=MID, model="gpt")


async def no_longer_sold(shop: Shop) -> None:
    for model in ("gpt", "claude"):
        await shop.world.price(
            shop.card, shop.product, flat("5"), since=NOVEMBER, entitled=False, model=model
        )


async def converted(shop: Shop) -> None:
    fields = {"quantity_conversion": {"conversion_factor": "10", "operation": "DIVIDE"}}
    await products.update(shop.world.workspace, shop.product, starting_at=MID, fields=fields)


async def moved_up(shop: Shop) -> None:
    await rate_cards.move_products(shop.world.workspace, shop.card, [(shop.product, 0)])


async def ended(shop: Shop) -> None:
    await contracts.update_end_date(shop.world.workspace, shop.contract, shop.customer, MID)


async def archived(shop: Shop) -> None:
    await contracts.archive(shop.world.workspace, shop.contract, shop.customer)


async def second_contract(shop: Shop) -> None:
    await shop.world.contract(shop.customer, shop.card, MID)


async def filtered(shop: Shop) -> None:
    wanted = UsageFilter("model", frozenset({"claude"}), MID)
    await contracts.set_usage_filter(shop.world.workspace, shop.contract, shop.customer, wanted)


async def alias_gone(shop: Shop) -> None:
    await customers.set_ingest_aliases(shop.world.workspace, shop.customer, [])


async def alias_moved(shop: Shop) -> None:
    other = await shop.world.customer()
    await shop.world.contract(other, shop.card, START)
    await shop.world.check()
    await alias_gone(shop)
    await customers.set_ingest_aliases(shop.world.workspace, other, ["acme"])


async def alias_added(shop: Shop) -> None:
    await customers.set_ingest_aliases(shop.world.workspace, shop.customer, ["acme", "stranger"])


async def card_archived(shop: Shop) -> None:
    await rate_cards.archive(shop.world.workspace, shop.card)


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        (new_price, True),
        (no_longer_sold, True),
        (converted, True),
        (moved_up, False),
        (ended, True),
        (archived, True),
        (second_contract, True),
        (filtered, True),
        (alias_gone, True),
        (alias_moved, True),
        (alias_added, True),
        (card_archived, False),
    ],
    ids=lambda given: given.__name__ if callable(given) else "",
)
@pytest.mark.parametrize("used_after", [False, True])
def test_a_change_is_seen(
    database_url: str, change: Change, differs: bool, used_after: bool
) -> None:
    async def scenario(world: World) -> None:
        shop = await open_shop(world)
        await shop.used(MID - timedelta(days=1), 3)
        await shop.used(MID + timedelta(days=1), 40)
        await shop.used(MID + timedelta(days=1), 500, key="stranger")
        await shop.used(MID + timedelta(days=1), 6000, model="claude")
        before = await world.check()
        assert before
        await change(shop)
        if used_after:
            await shop.used(NOW, 70_000)
        after = await world.check()
        assert (after != before) == (differs or used_after)

    in_world(database_url, NOW, scenario)


def test_prices_are_checked_also_where_no_touch_tells(database_url: str) -> None:
    """A contract made beside a change of its product may be named by no touch: usage is rated at the new price."""

    async def scenario(world: World) -> None:
        shop = await open_shop(world)
        await shop.used(NOW, 1)
        await world.check()
        await new_price(shop)
        await world.execute("DELETE FROM usage_touch")
        await shop.used(NOW, 1)
        spend = await world.check()
        assert [amount for amount, _ in spend.values()] == [Decimal(10)]

    in_world(database_url, NOW, scenario)


def test_what_is_remembered_is_used(database_url: str) -> None:
    """The other tests show that memory is dropped; this one that there is any."""

    async def scenario(world: World) -> None:
        shop = await open_shop(world)
        await shop.used(NOW, 1)
        await world.check()
        await world.execute("DELETE FROM customer_ingest_alias")  # as nobody does: no touch tells
        await shop.used(NOW, 1)
        await world.rate()
        assert (await shop.amounts())[NOVEMBER] == 4

    in_world(database_url, NOW, scenario)
