"""Charges with a date of their own: scheduled charges, discounts, purchases of commits, professional services.

Source: docs/decisions/0011-charges-beside-usage.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from meterline.core.contract import Contract
from meterline.core.ledger.grant import Grant
from meterline.core.money import CreditType
from meterline.core.period import Period


class DatedKind(StrEnum):
    """Which term of a contract or customer charges."""

    SCHEDULED_CHARGE = "SCHEDULED_CHARGE"
    DISCOUNT = "DISCOUNT"
    COMMIT_PURCHASE = "COMMIT_PURCHASE"
    PROFESSIONAL_SERVICE = "PROFESSIONAL_SERVICE"


@dataclass(frozen=True, slots=True)
class DatedCharge:
    """One item of a schedule, as a line: `amount` is exactly `quantity` x `unit_price`, negative for a discount.

    `id` is the item's, `source_id` the scheduled charge's, commit's or service's. `due`, `statement`: as those of a
    SubscriptionCharge. `contract_id` None: on an invoice of the customer's own.
    """

    id: UUID
    kind: DatedKind
    source_id: UUID
    product_id: UUID
    name: str | None
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    credit_type: CreditType
    due: datetime
    contract_id: UUID | None
    statement: Period | None


def dated_charges(contract: Contract, first_due: datetime, last_due: datetime) -> list[DatedCharge]:
    """Return the scheduled charges, discounts and services of `contract` due in first_due <= t <= last_due, by date."""
    raise NotImplementedError


def commit_purchases(
    grant: Grant, contract: Contract | None, first_due: datetime, last_due: datetime
) -> list[DatedCharge]:
    """Return what is paid for a prepaid commit in first_due <= t <= last_due, by date.

    `contract`: the one it is invoiced on, None for an invoice of the customer's own. Credits and postpaid commits have
    no purchases (a true-up is the lifecycle's).
    """
    raise NotImplementedError


def scheduled_charges_at(
    charges: Iterable[DatedCharge], due: datetime, credit_type: CreditType
) -> list[DatedCharge]:
    """Return those of `charges` on the SCHEDULED invoice of (`due`, `credit_type`)."""
    raise NotImplementedError
