"""Professional services: contracted work that is invoiced on request, up to a ceiling."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from meterline.core.contract.schedule import ScheduleItem
from meterline.core.money import USD_CENTS, CreditType


@dataclass(frozen=True, slots=True)
class ProfessionalService:
    """Work of `product_id` at `unit_price` for `quantity` units, of which at most `max_amount` may be invoiced.

    `invoiced`: what was put on invoices so far; every item has a unit price and a quantity, its timestamp is the
    invoice's date. `credit_type`: the currency of the contract's rate card.
    """

    id: UUID
    product_id: UUID
    max_amount: Decimal
    unit_price: Decimal
    quantity: Decimal
    credit_type: CreditType = USD_CENTS
    invoiced: tuple[ScheduleItem, ...] = ()
