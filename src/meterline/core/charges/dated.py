"""Charges with a date of their own: scheduled charges, discounts, purchases of commits, professional services.

Source: docs/decisions/0011-charges-beside-usage.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from meterline.core.charges.cycles import statement_ending_at
from meterline.core.contract import Contract
from meterline.core.contract.schedule import InvoiceSchedule, ScheduleItem
from meterline.core.decimals import EXACT, ONE, plain
from meterline.core.ledger.grant import Grant, GrantKind
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
    """Return the scheduled charges, discounts and services of `contract` due in first_due <= t <= last_due, by date.

    Of one date: charges and discounts in the contract's order, then services. Archived ones are not charged.
    """
    found: list[DatedCharge] = []
    for charge in contract.scheduled_charges:
        if charge.archived_at is None:
            kind = DatedKind.DISCOUNT if charge.is_discount else DatedKind.SCHEDULED_CHARGE
            source = _Source(kind, charge.id, charge.product_id, charge.name, contract)
            found += _of_schedule(source, charge.schedule)
    for service in contract.professional_services:
        source = _Source(
            DatedKind.PROFESSIONAL_SERVICE, service.id, service.product_id, None, contract
        )
        found += _of_schedule(source, InvoiceSchedule(service.credit_type, service.invoiced))
    return _due_between(found, first_due, last_due)


def commit_purchases(
    grant: Grant, contract: Contract | None, first_due: datetime, last_due: datetime
) -> list[DatedCharge]:
    """Return what is paid for a prepaid commit in first_due <= t <= last_due, by date.

    `contract`: the one it is invoiced on, None for an invoice of the customer's own. Credits and postpaid commits have
    no purchases (a true-up is the lifecycle's), nor has an archived commit.
    """
    if grant.kind is not GrantKind.PREPAID or grant.invoice is None or grant.archived_at:
        return []
    source = _Source(DatedKind.COMMIT_PURCHASE, grant.id, grant.product_id, grant.name, contract)
    return _due_between(_of_schedule(source, grant.invoice), first_due, last_due)


def scheduled_charges_at(
    charges: Iterable[DatedCharge], due: datetime, credit_type: CreditType
) -> list[DatedCharge]:
    """Return those of `charges` that the SCHEDULED invoice of (`due`, `credit_type`) has as lines."""
    return [
        charge
        for charge in charges
        if (charge.due, charge.credit_type, charge.statement) == (due, credit_type, None)
    ]


@dataclass(frozen=True, slots=True)
class _Source:
    """The term that charges, and the contract that is invoiced."""

    kind: DatedKind
    id: UUID
    product_id: UUID
    name: str | None
    contract: Contract | None


def _of_schedule(source: _Source, schedule: InvoiceSchedule) -> Iterator[DatedCharge]:
    if schedule.do_not_invoice:
        return
    for item in schedule.items:
        quantity, unit_price = _quantity_and_price(item)
        if source.kind is DatedKind.DISCOUNT:
            # A discount takes off whichever sign it was given with.
            quantity, unit_price = quantity.copy_abs(), unit_price.copy_abs().copy_negate()
        yield DatedCharge(
            item.id,
            source.kind,
            source.id,
            source.product_id,
            source.name,
            plain(quantity),
            plain(unit_price),
            plain(EXACT.multiply(quantity, unit_price)),
            schedule.credit_type,
            item.timestamp,
            source.contract.id if source.contract else None,
            _statement(source, item.timestamp),
        )


def _quantity_and_price(item: ScheduleItem) -> tuple[Decimal, Decimal]:
    """An amount alone is the price of one."""
    if item.unit_price is None or item.quantity is None:
        return ONE, item.amount
    return item.quantity, item.unit_price


def _statement(source: _Source, due: datetime) -> Period | None:
    """The usage statement that ends at `due`, if the contract has such charges join it.

    A professional service is invoiced on request, always on an invoice of its date.
    """
    contract = source.contract
    if contract is None or not contract.charges_on_usage_invoices:
        return None
    if source.kind is DatedKind.PROFESSIONAL_SERVICE:
        return None
    return statement_ending_at(contract, due)


def _due_between(
    charges: Iterable[DatedCharge], first_due: datetime, last_due: datetime
) -> list[DatedCharge]:
    return sorted(
        (charge for charge in charges if first_due <= charge.due <= last_due),
        key=lambda charge: charge.due,
    )
