"""What rating needs of the catalogue, loaded in batches as the core has it.

Every function runs inside the caller's transaction and sees that environment alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from meterline.core.catalogue import Product, Rate
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
    "load_price_lists",
    "load_rate_plan_inputs",
    "load_rates",
    "overridden_products",
]


async def load_rate_plan_inputs(
    connection: Connection, rate_card_id: UUID, product_ids: Collection[UUID] = ()
) -> PriceList:
    """One card's price list, as `load_price_lists` makes it. Raises NotFound."""
    found = await load_price_lists(connection, {rate_card_id: product_ids})
    return found[rate_card_id]


async def load_price_lists(
    connection: Connection, wanted: Mapping[UUID, Collection[UUID]]
) -> dict[UUID, PriceList]:
    """Cards with their rates, the products of those, and the metrics these were ever counted by.

    `wanted`: by rate card, further products to go with it: those that contracts' overrides name. Raises NotFound.
    """
    cards = await rate_cards.load(connection, wanted)
    for rate_card_id in wanted:
        if rate_card_id not in cards:
            raise NotFound("rate card", rate_card_id)
    rates = await _rates_of_cards(connection, list(wanted))
    product_ids = {
        rate_card_id: {*also, *(rate.product_id for rate in rates[rate_card_id])}
        for rate_card_id, also in wanted.items()
    }
    sold = await products.load(connection, set[UUID]().union(*product_ids.values()))
    metric_ids = {product_id: _metric_ids(product) for product_id, product in sold.items()}
    measured = await metrics.load(connection, set[UUID]().union(*metric_ids.values()))
    return {
        rate_card_id: PriceList(
            card=cards[rate_card_id],
            products=tuple(one for one in sold.values() if one.id in product_ids[rate_card_id]),
            metrics=tuple(
                one
                for one in measured.values()
                if any(one.id in metric_ids.get(owner, ()) for owner in product_ids[rate_card_id])
            ),
            rates=tuple(rates[rate_card_id]),
        )
        for rate_card_id in wanted
    }


async def load_rates(connection: Connection, rate_card_id: UUID) -> list[Rate]:
    """Every rate of a card, in the order they were added."""
    return (await _rates_of_cards(connection, [rate_card_id]))[rate_card_id]


async def _rates_of_cards(
    connection: Connection, rate_card_ids: Collection[UUID]
) -> dict[UUID, list[Rate]]:
    rows = await rate_card_store.select_rates(connection, rate_card_ids)
    units = await credit_types.load(connection, {row["credit_type_id"] for row in rows})
    found: dict[UUID, list[Rate]] = {rate_card_id: [] for rate_card_id in rate_card_ids}
    for row in rows:
        found[row["rate_card_id"]].append(rate_card_store.rate_of(row, units))
    return found


def _metric_ids(product: Product) -> set[UUID]:
    return {
        version.billable_metric_id
        for version in product.versions
        if version.billable_metric_id is not None
    }


async def load_contracts(
    connection: Connection, customer_ids: Iterable[UUID]
) -> dict[UUID, list[Contract]]:
    """The contracts of each customer that are not archived, by start; none for some: no entry."""
    found: dict[UUID, list[Contract]] = defaultdict(list)
    for row in await contract_store.select_of_customers(connection, list(set(customer_ids))):
        found[row["customer_id"]].append(contract_store.contract_of(row))
    return dict(found)


def overridden_products(contract: Contract) -> set[UUID]:
    """Return the products that a contract's overrides name: the card may not have them."""
    return {
        specifier.product_id
        for override in contract.overrides
        for specifier in override.specifiers
        if specifier.product_id is not None
    }
