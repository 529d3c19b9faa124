"""A small catalogue, for tests of single rules of the spend stage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from tests.support.running_api import utc
from tests.support.spend_world import World, flat

from meterline.core.metric import Aggregation, BillableMetric

START = utc(2026, 9, 1)


@dataclass(slots=True)
class Shop:
    """A card that sells tokens by model at 2 each, and a customer "acme" under contract."""

    world: World
    tokens: BillableMetric
    product: UUID
    card: UUID
    customer: UUID
    contract: UUID

    async def used(
        self, at: datetime, quantity: object, *, key: str = "acme", model: str = "gpt"
    ) -> None:
        await self.world.used(self.tokens, key, at, quantity, model)

    async def amounts(self) -> dict[datetime, Decimal]:
        """What acme's contract spent, by period start, of all rows there are."""
        rows = await self.world.rows("SELECT * FROM spend ORDER BY period_start")
        return {
            row["period_start"]: row["amount"]
            for row in rows
            if row["contract_id"] == self.contract
        }


async def open_shop(world: World) -> Shop:
    """Make the catalogue."""
    tokens = await world.metric(Aggregation.SUM, "model")
    product = await world.product(tokens, "model")
    card = await world.card()
    for model in ("gpt", "claude"):
        await world.price(card, product, flat("2"), since=START, model=model)
    customer = await world.customer("acme")
    contract = await world.contract(customer, card, START)
    return Shop(world, tokens, product, card, customer, contract)
