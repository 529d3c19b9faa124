"""What a subscription has had and cost over time, to be shown: ordered quantities at the prices of their cycles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from meterline.core.catalogue import Rate
from meterline.core.charges.cycles import subscription_cycles
from meterline.core.charges.quantities import quantity_history
from meterline.core.charges.subscriptions import PriceAt
from meterline.core.contract import Contract
from meterline.core.contract.subscription import Subscription
from meterline.core.decimals import ZERO
from meterline.core.rating import PriceList, rate_in_force
from meterline.core.rating.models import price_model
from meterline.core.rating.piece import Piece

NO_VALUES: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class PricedStretch:
    """What a whole cycle costs with the quantity from `starting_at` on: one piece, or one a tier.

    `rate` None: not sold then, so nothing is charged.
    """

    starting_at: datetime
    rate: Rate | None
    pieces: tuple[Piece, ...]


def prices_of(price_list: PriceList, contract: Contract) -> PriceAt:
    """Return what subscriptions of `contract` cost by `price_list`, its card, and its own overrides."""

    def price_at(product_id: UUID, billing_frequency: str, instant: datetime) -> Rate | None:
        return rate_in_force(
            price_list,
            contract.overrides,
            contract.prioritization,
            product_id,
            billing_frequency,
            NO_VALUES,
            instant,
        )

    return price_at


def priced_history(
    subscription: Subscription, contract: Contract, price_at: PriceAt, now: datetime
) -> list[PricedStretch]:
    """Return quantity and price over time up to `now`, in stretches of equal ones.

    A price counts from the start of a cycle, so a stretch starts with a change of quantity or with a cycle.
    """
    quantities = {
        stretch.starting_at: stretch.quantity
        for stretch in quantity_history(subscription, contract)
    }
    rates: dict[datetime, Rate | None] = {}
    for cycle in subscription_cycles(subscription, contract):
        start = cycle.period.start
        if start > now:
            break
        rates[start] = price_at(
            subscription.product_id, subscription.billing_frequency.value, start
        )
    stretches: list[PricedStretch] = []
    quantity, rate = None, None
    for at in sorted({*quantities, *rates}):
        if at > now:
            break
        quantity, rate = quantities.get(at, quantity), rates.get(at, rate)
        if quantity is None:
            continue
        model = None if rate is None else price_model(rate.terms)
        pieces = () if model is None else tuple(model.pieces(ZERO, quantity))
        here = PricedStretch(at, rate, pieces)
        if not stretches or stretches[-1].pieces != here.pieces:
            stretches.append(here)
    return stretches
