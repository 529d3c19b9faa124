"""Spend at a contract's own prices, beside contracts that pay the card's."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from tests.support.running_api import utc
from tests.support.spend_shop import START, Shop, open_shop
from tests.support.spend_world import World, flat, in_world

from meterline.core.contract.override import Override, OverrideSpecifier, OverrideType
from meterline.core.metric import Aggregation
from meterline.core.money import USD_CENTS
from meterline.services import products
from meterline.services.contract_parts import NewPart, NewParts

NOW = utc(2026, 11, 15, 12)
NOVEMBER = utc(2026, 11, 1)


def at_times(multiplier: str, product: UUID | None = None) -> Override:
    return Override(
        uuid4(),
        OverrideType.MULTIPLIER,
        START,
        specifiers=() if product is None else (OverrideSpecifier(product_id=product),),
        multiplier=Decimal(multiplier),
    )


def at_price(price: str, product: UUID, **values: str) -> Override:
    return Override(
        uuid4(),
        OverrideType.OVERWRITE,
        START,
        specifiers=(OverrideSpecifier(product_id=product, pricing_group_values=values),),
        overwrite=flat(price),
        overwrite_credit_type=USD_CENTS,
        entitled=True,
    )


async def contract(shop: Shop, key: str, *overrides: Override) -> UUID:
    """A further customer, who pays by these overrides."""
    customer = await shop.world.customer(key)
    parts = NewParts(overrides=tuple(NewPart("", one) for one in overrides))
    return await shop.world.contract(customer, shop.card, START, parts=parts)


def test_each_pays_his_own_price(database_url: str) -> None:
    async def scenario(world: World) -> None:
        shop = await open_shop(world)
        half = await contract(shop, "half", at_times("0.5"))
        tenth = await contract(shop, "tenth", at_times("0.1", shop.product))
        for key in ("acme", "half", "tenth"):
            await shop.used(NOW, 10, key=key)
        spend = await world.check()
        amounts = {place[0]: amount for place, (amount, _) in spend.items()}
        assert amounts == {shop.contract: 20, half: 10, tenth: 2}

    in_world(database_url, NOW, scenario)


def test_overrides_of_the_same_customer_change_from_round_to_round(database_url: str) -> None:
    async def scenario(world: World) -> None:
        shop = await open_shop(world)
        half = await contract(shop, "half", at_times("0.5"))
        await shop.used(NOW, 10, key="half")
        assert list((await world.check()).values()) == [(Decimal(10), Decimal(10))]
        terms = (
            "UPDATE contract SET terms = jsonb_set(terms, '{overrides,0,multiplier}', '\"0.25\"')"
            " WHERE contract_id = %s"
        )
        await world.execute(terms, half)
        await world.execute(
            "INSERT INTO usage_touch (environment_id, ingest_keys, events, appended_at)"
            " VALUES (%s, ARRAY['half'], ARRAY[0], now())",
            world.environment_id,
        )
        assert list((await world.check()).values()) == [(Decimal(5), Decimal(10))]

    in_world(database_url, NOW, scenario)


def test_an_override_prices_what_the_card_does_not_sell(database_url: str) -> None:
    async def scenario(world: World) -> None:
        shop = await open_shop(world)
        images = await world.metric(Aggregation.COUNT)
        product = await world.product(images)
        special = await contract(shop, "special", at_price("7", product))
        for key in ("acme", "special"):
            await shop.used(NOW, 1, key=key)
            await world.used(images, key, NOW, 1)
        spend = await world.check()
        assert {place[:3]: amount for place, (amount, _) in spend.items()} == {
            (shop.contract, NOVEMBER, shop.product): 2,
            (special, NOVEMBER, shop.product): 2,
            (special, NOVEMBER, product): 7,
        }
        # The stage hears of a change of that product too, and of no other customer's.
        await products.update(
            world.workspace,
            product,
            starting_at=NOVEMBER - timedelta(days=40),
            fields={"quantity_conversion": {"conversion_factor": "4", "operation": "MULTIPLY"}},
        )
        touched = await world.rows("SELECT ingest_keys FROM usage_touch")
        assert touched == [{"ingest_keys": [str(world.customers[-1])]}]
        spend = await world.check()
        assert {
            place[2]: amount for place, (amount, _) in spend.items() if place[0] == special
        } == {
            shop.product: 2,
            product: 28,
        }

    in_world(database_url, NOW, scenario)
