"""What rating needs of the catalogue, loaded in batches as the core has it.

Every function runs inside the caller's transaction and sees that environment alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from meterline.core.catalogue import Rate
from meterline.core.contract import Contract
from meterline.core.rating import PriceList
from meterline.services import credit_types, metrics, products, rate_cards
from meterline.services.customers import customers_of_keys, load_customer_keys
from meterline.services.errors import NotFound
from meterline.store import contracts as contract_store
from meterline.store import rate_cards as rate_card_store
from meterline.store.database import Connection

__all__ = [
    "customers_of_keys",
    "load_contracts",
    "load_customer_keys",
    "load_rate_plan_inputs",
    "load_rates",
]


async def load_rate_plan_inputs(connection: Connection, rate_card_id: UUID) -> PriceList:
    """A card with its rates, their products and the metrics those ever named. Raises NotFound."""
    cards = await rate_cards.load(connection, [rate_card_id])
    if rate_card_id not in cards:
        raise NotFound("rate card", rate_card_id)
    rates = await load_rates(connection, rate_card_id)
    sold = await products.load(connection, (rate.product_id for rate in rates))
    metric_ids = {
        version.billable_metric_id
        for product in sold.values()
        for version in product.versions
        if version.billable_metric_id is not None
    }
    measured = await metrics.load(connection, metric_ids)
    return PriceList(
        card=cards[rate_card_id],
        products=tuple(sold.values()),
        metrics=tuple(measured.values()),
        rates=tuple(rates),
    )


async def load_rates(connection: Connection, rate_card_id: UUID) -> list[Rate]:
    """Every rate of a card, in the order they were added."""
    rows = await rate_card_store.select_rates(connection, rate_card_id)
    units = await credit_types.load(connection, (row["credit_type_id"] for row in rows))
    return [rate_card_store.rate_of(row, units) for row in rows]


async def load_contracts(
    connection: Connection, customer_ids: Iterable[UUID]
) -> dict[UUID, list[Contract]]:
    """The contracts of each customer that are not archived, by start; none for some: no entry."""
    found: dict[UUID, list[Contract]] = defaultdict(list)
    for row in await contract_store.select_of_customers(connection, list(set(customer_ids))):
        found[row["customer_id"]].append(contract_store.contract_of(row))
    return dict(found)
