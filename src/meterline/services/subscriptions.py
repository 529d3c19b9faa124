"""What subscriptions have had and cost over time: quantities, prices and seats."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from meterline.core.charges import (
    PricedStretch,
    SeatStretch,
    priced_history,
    prices_of,
    seat_history,
)
from meterline.core.contract import Contract
from meterline.core.contract.subscription import Subscription
from meterline.core.errors import Invalid
from meterline.core.money import CreditType
from meterline.services import catalogue
from meterline.services.errors import NotFound
from meterline.services.paging import Page, PageRequest
from meterline.services.workspace import Workspace
from meterline.store import contracts as store
from meterline.store.database import Connection


@dataclass(frozen=True, slots=True)
class SubscriptionKey:
    """Which subscription: of a customer, of one of his contracts."""

    customer_id: UUID
    contract_id: UUID
    subscription_id: UUID


@dataclass(frozen=True, slots=True)
class QuantityHistory:
    """Quantities and prices by stretch. `fiat_credit_type` None: the contract has no rate card, so nothing a price."""

    fiat_credit_type: CreditType | None
    stretches: list[PricedStretch]

    @property
    def custom_credit_type(self) -> CreditType | None:
        """The unit prices are in, where that is not the currency."""
        units = [one.rate.credit_type for one in self.stretches if one.rate is not None]
        return units[-1] if units and units[-1] != self.fiat_credit_type else None


@dataclass(frozen=True, slots=True)
class SeatSpan:
    """Which stretches of seats: in force at `covering`, or at some time from `starting_at` to `ending_before`."""

    covering: datetime | None = None
    starting_at: datetime | None = None
    ending_before: datetime | None = None

    def __post_init__(self) -> None:
        if self.covering is not None and (self.starting_at or self.ending_before):
            raise Invalid("covering_date", "must be left out beside starting_at and ending_before")

    def shows(self, stretch: SeatStretch) -> bool:
        """Whether the stretch is one of them."""
        earliest = self.starting_at if self.covering is None else self.covering
        latest = self.ending_before if self.covering is None else self.covering
        return (latest is None or stretch.starting_at <= latest) and (
            earliest is None or stretch.ending_before is None or earliest < stretch.ending_before
        )


async def quantity_history(workspace: Workspace, key: SubscriptionKey) -> QuantityHistory:
    """Quantity and price of a subscription up to now. Raises NotFound."""
    async with workspace.snapshot() as connection:
        contract, subscription = await _require(connection, key)
        if contract.rate_card_id is None:
            return QuantityHistory(None, [])
        wanted = {contract.rate_card_id: catalogue.overridden_products(contract)}
        price_lists = await catalogue.load_price_lists(connection, wanted)
    price_list = price_lists[contract.rate_card_id]
    stretches = priced_history(
        subscription, contract, prices_of(price_list, contract), workspace.now
    )
    return QuantityHistory(price_list.card.fiat_credit_type, stretches)


async def seats_page(
    workspace: Workspace, key: SubscriptionKey, span: SeatSpan, request: PageRequest
) -> Page[SeatStretch]:
    """The seats of a subscription over time, past and planned. Raises NotFound; Invalid if it has a plain quantity."""
    (after,) = request.after_row(1)
    async with workspace.snapshot() as connection:
        contract, subscription = await _require(connection, key)
    if subscription.seat_group_key is None:
        raise Invalid("subscription_id", "the subscription has a quantity, no seats")
    found = [
        stretch
        for stretch in seat_history(subscription, contract)
        if span.shows(stretch) and (after is None or stretch.starting_at.isoformat() > after)
    ]
    return request.page_of(found[: request.fetch], lambda one: (one.starting_at.isoformat(),))


async def _require(connection: Connection, key: SubscriptionKey) -> tuple[Contract, Subscription]:
    row = await store.select(connection, key.contract_id, key.customer_id)
    if row is None:
        raise NotFound("contract", key.contract_id)
    contract = store.contract_of(row)
    for subscription in contract.subscriptions:
        if subscription.id == key.subscription_id:
            return contract, subscription
    raise NotFound("subscription", key.subscription_id)
