"""Loading the accounts of customers: many in a fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from meterline.core.contract import Contract, UsageFilter
from meterline.core.contract.override import Override, Prioritization
from meterline.core.ledger.grant import Grant
from meterline.core.lifecycle import Account
from meterline.core.period import Period
from meterline.core.rating import PriceList, RatePlan, rate_plan
from meterline.services import products
from meterline.services.catalogue import (
    load_contracts,
    load_price_lists,
    overridden_products,
)
from meterline.store import environments, grants, invoices, ledger
from meterline.store.database import Connection


class PlanCompiler:
    """`rate_plan` that compiles once what customers share: a card's prices of a period, without overrides."""

    def __init__(self) -> None:
        self._plans: dict[
            tuple[int, Period, tuple[UsageFilter, ...], Prioritization], RatePlan
        ] = {}
        # Held, so that no other price list can come to have the same address.
        self._held: dict[int, PriceList] = {}

    def __call__(
        self,
        price_list: PriceList,
        period: Period,
        usage_filters: Iterable[UsageFilter] = (),
        overrides: Collection[Override] = (),
        prioritization: Prioritization = Prioritization.LOWEST_MULTIPLIER,
    ) -> RatePlan:
        """Return the prices of `period`; see `rate_plan`."""
        filters = tuple(usage_filters)
        if overrides:
            return rate_plan(price_list, period, filters, tuple(overrides), prioritization)
        self._held[id(price_list)] = price_list
        key = (id(price_list), period, filters, prioritization)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = rate_plan(price_list, period, filters, (), prioritization)
        return plan


async def load(
    connection: Connection, environment_id: int, customer_ids: Collection[UUID], now: datetime
) -> dict[UUID, Account]:
    """Return the account of every customer, in a fixed number of queries.

    Terms and stored facts; `now` is the environment's time. Unknown customers have an account with nothing in it.
    Stored invoices have only those lines that bill terms (`store.invoices`).
    """
    del now  # facts carry their own times, and what has been stored is all in the past
    ids = list(dict.fromkeys(customer_ids))
    contracts = await load_contracts(connection, ids)
    held = await grants.of_customers(connection, ids)
    entries = await ledger.of_customers(connection, ids)
    stored = await invoices.of_customers(connection, ids)
    every = [contract for own in contracts.values() for contract in own]
    price_lists = await load_price_lists(connection, _cards_of(every))
    sold = await products.load(connection, _named_products(every, held.values()))
    grace = timedelta(hours=await environments.grace_hours(connection, environment_id))
    compiler = PlanCompiler()
    return {
        customer_id: Account(
            customer_id,
            tuple(contracts.get(customer_id, ())),
            held.get(customer_id, ()),
            entries.get(customer_id, ()),
            stored.get(customer_id, ()),
            price_lists,
            sold,
            grace,
            compiler,
        )
        for customer_id in ids
    }


def _cards_of(contracts: Iterable[Contract]) -> dict[UUID, set[UUID]]:
    """The cards of contracts, with the products that overrides price beside them."""
    cards: dict[UUID, set[UUID]] = defaultdict(set)
    for contract in contracts:
        if contract.rate_card_id is not None:
            cards[contract.rate_card_id].update(overridden_products(contract))
    return cards


def _named_products(contracts: Iterable[Contract], held: Iterable[Iterable[Grant]]) -> set[UUID]:
    """The products that grants, charges and subscriptions are for."""
    named = {grant.product_id for own in held for grant in own}
    for contract in contracts:
        named.update(one.product_id for one in contract.scheduled_charges)
        named.update(one.product_id for one in contract.recurring_grants)
        named.update(one.product_id for one in contract.subscriptions)
        named.update(one.product_id for one in contract.professional_services)
    return named
