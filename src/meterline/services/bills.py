"""Bills: what there is to invoice, and everything that rating one takes.

A bill is a billing period of a contract that has begun. Its invoice's id derives from the two, so
an id is found again by going through the customer's contracts, and nothing is stored for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import NamedTuple
from uuid import UUID

from meterline.core.contract import Contract
from meterline.core.ids import usage_invoice_id
from meterline.core.period import Period
from meterline.core.rating import PriceList, RatePlan, rate_plan
from meterline.core.usage import UsageBook
from meterline.services.catalogue import (
    load_contracts,
    load_customer_keys,
    load_rate_plan_inputs,
)
from meterline.services.paging import Key
from meterline.services.usage import period_parts
from meterline.store.database import Connection


class Bill(NamedTuple):
    """A billing period of a contract: what one invoice is for."""

    contract: Contract
    period: Period

    @property
    def invoice_id(self) -> UUID:
        """The id of the invoice, whatever becomes of it."""
        return usage_invoice_id(self.contract.id, self.period.start)

    @property
    def key(self) -> Key:
        """The place in lists: by period start, then by id."""
        return (self.period.start.isoformat(), str(self.invoice_id))


class Priced(NamedTuple):
    """A bill with the prices of its period."""

    bill: Bill
    plan: RatePlan


async def begun(connection: Connection, customer_id: UUID, now: datetime) -> list[Bill]:
    """The billing periods that have begun, of the customer's contracts that have prices."""
    contracts = (await load_contracts(connection, [customer_id])).get(customer_id, [])
    return [
        Bill(contract, period)
        for contract in contracts
        if contract.rate_card_id is not None
        for period in takewhile(lambda period: period.start <= now, contract.periods())
    ]


async def load_price_lists(connection: Connection, found: Iterable[Bill]) -> dict[UUID, PriceList]:
    """The price lists of these bills, by rate card."""
    ids = {bill.contract.rate_card_id for bill in found} - {None}
    return {
        rate_card_id: await load_rate_plan_inputs(connection, rate_card_id)
        for rate_card_id in ids
        if rate_card_id is not None
    }


async def load_usage(
    connection: Connection,
    environment_id: int,
    priced: Sequence[Priced],
    price_lists: Mapping[UUID, PriceList],
) -> list[UsageBook]:
    """The usage of each bill, cut as its plan says. All are of one customer."""
    if not priced:
        return []
    customer_id = priced[0].bill.contract.customer_id
    keys = await load_customer_keys(connection, [customer_id])
    books = []
    for bill, plan in priced:
        metrics = price_list_of(bill, price_lists).metrics
        used = [metric for metric in metrics if metric.id in plan.metrics]
        found = await period_parts(connection, environment_id, keys, used, plan.cuts)
        books.append(found[customer_id])
    return books


def plan_of(bill: Bill, price_lists: Mapping[UUID, PriceList]) -> RatePlan:
    """Return the prices of a bill's period."""
    return rate_plan(price_list_of(bill, price_lists), bill.period, bill.contract.usage_filters)


def price_list_of(bill: Bill, price_lists: Mapping[UUID, PriceList]) -> PriceList:
    """Return the price list of a bill's rate card."""
    assert bill.contract.rate_card_id is not None  # `bills` leaves contracts without a card out
    return price_lists[bill.contract.rate_card_id]
