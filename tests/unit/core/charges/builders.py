"""Short ways to build contracts with charges beside usage. April 2027 has thirty days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.unit.core.builders import flat, rate, uid, utc

from meterline.core.catalogue import Product, ProductType, ProductVersion, Rate, RateTerms
from meterline.core.contract import Contract
from meterline.core.contract.subscription import (
    CollectionSchedule,
    QuantityChange,
    Subscription,
)
from meterline.core.period import MONTHLY, StatementSchedule

SEAT = uid(40)
APRIL, MAY, JUNE = utc(2027, 4, 1), utc(2027, 5, 1), utc(2027, 6, 1)
ADVANCE, ARREARS = CollectionSchedule.ADVANCE, CollectionSchedule.ARREARS


def changes(*quantities: tuple[datetime, int | str]) -> tuple[QuantityChange, ...]:
    """Absolute quantities; a text such as "+2" is a delta."""
    return tuple(
        QuantityChange(at, quantity_delta=Decimal(quantity))
        if isinstance(quantity, str)
        else QuantityChange(at, quantity=Decimal(quantity))
        for at, quantity in quantities
    )


def subscription(
    *quantities: tuple[datetime, int | str],
    starting_at: datetime = APRIL,
    **terms: Any,
) -> Subscription:
    """A monthly subscription in advance to product 40, of ten seats unless told otherwise."""
    fields: dict[str, Any] = {
        "ending_before": None,
        "billing_frequency": MONTHLY,
        "collection_schedule": ADVANCE,
        "quantity_changes": changes(*(quantities or ((starting_at, 10),))),
        **terms,
    }
    return Subscription(id=uid(50), product_id=SEAT, starting_at=starting_at, **fields)


def contract(*subscriptions: Subscription, starting_at: datetime = APRIL, **terms: Any) -> Contract:
    """An open contract from April 2027, billed by the calendar month."""
    schedule = StatementSchedule(MONTHLY, starting_at.replace(day=1, hour=0))
    plain = Contract(uid(200), uid(300), uid(100), starting_at, None, schedule)
    return replace(plain, subscriptions=subscriptions, **terms)


def price(
    *steps: tuple[datetime, RateTerms | str],
) -> Callable[[UUID, str, datetime], Rate | None]:
    """What a seat costs from each instant on; a text is a flat price."""
    rates = [
        rate(flat(terms) if isinstance(terms, str) else terms, product_id=SEAT, starting_at=since)
        for since, terms in steps
    ]

    def price_at(product_id: UUID, frequency: str, instant: datetime) -> Rate | None:
        known = [one for one in rates if one.starting_at <= instant and product_id == SEAT]
        return known[-1] if known else None

    return price_at


def composite(number: int, name: str = "Support", **fields: Any) -> Product:
    """A composite product of one version."""
    return Product(uid(number), ProductType.COMPOSITE, (ProductVersion(name, **fields),))


def product(number: int, product_type: ProductType, **fields: Any) -> Product:
    """A product that counts nothing."""
    return Product(uid(number), product_type, (ProductVersion(f"product {number}"),), **fields)


def summary(charges: Sequence[Any]) -> list[tuple[str, Decimal, Decimal]]:
    """(day it is due, quantity, amount) of each."""
    return [(f"{one.due:%m-%d}", one.quantity, one.amount) for one in charges]
