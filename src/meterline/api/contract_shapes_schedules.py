"""Schedules of dated amounts on the wire, and the scheduled charges, discounts and services that have them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from meterline.api.contract_shapes_context import (
    CreditTypeRef,
    Making,
    ProductRef,
    Showing,
    credit_type,
)
from meterline.api.requests import Body, CustomFields, Instant, Reply, instant, member
from meterline.core.contract.professional_service import ProfessionalService
from meterline.core.contract.schedule import (
    AmountDistribution,
    DatedAmount,
    InvoiceSchedule,
    RecurringSchedule,
    ScheduledCharge,
    ScheduleFrequency,
    ScheduleTerms,
)
from meterline.core.decimals import ONE, plain
from meterline.services.contract_parts import NewPart, PlannedCharge


class DatedAmountBody(Body):
    timestamp: Instant
    amount: Decimal | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None


class RecurringScheduleBody(Body):
    amount_distribution: str
    frequency: str
    starting_at: Instant
    ending_before: Instant
    amount: Decimal | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None


class InvoiceScheduleBody(Body):
    credit_type_id: UUID | None = None
    do_not_invoice: bool | None = None
    recurring_schedule: RecurringScheduleBody | None = None
    schedule_items: list[DatedAmountBody] | None = None


class ChargeBody(Body):
    product_id: UUID
    schedule: InvoiceScheduleBody
    custom_fields: CustomFields | None = None
    name: str | None = None
    netsuite_sales_order_id: str | None = None


class ServiceBody(Body):
    product_id: UUID
    max_amount: Decimal
    quantity: Decimal
    unit_price: Decimal
    custom_fields: CustomFields | None = None
    description: str | None = None
    netsuite_sales_order_id: str | None = None


class ScheduleItemReply(Reply):
    id: UUID
    amount: Decimal
    quantity: Decimal
    unit_price: Decimal
    timestamp: datetime


class InvoiceScheduleReply(Reply):
    credit_type: CreditTypeRef
    do_not_invoice: bool
    schedule_items: list[ScheduleItemReply]


class ChargeReply(Reply, kw_only=True, omit_defaults=True):
    """A scheduled charge, or a discount."""

    id: UUID
    product: ProductRef
    schedule: InvoiceScheduleReply
    archived_at: datetime | None = None
    custom_fields: dict[str, str] | None = None
    name: str | None = None
    netsuite_sales_order_id: str | None = None


class ServiceReply(Reply):
    id: UUID
    product_id: UUID
    max_amount: Decimal
    quantity: Decimal
    unit_price: Decimal
    custom_fields: dict[str, str] | None = None
    description: str | None = None
    netsuite_sales_order_id: str | None = None


def schedule_terms(place: str, body: InvoiceScheduleBody, making: Making) -> ScheduleTerms:
    """A schedule as asked for. Raises Invalid; what its numbers and dates may be is for the core to say."""
    recurring = body.recurring_schedule
    return ScheduleTerms(
        credit_type=making.unit(f"{place}credit_type_id", body.credit_type_id),
        items=None
        if body.schedule_items is None
        else tuple(
            dated_amount(f"{place}schedule_items[{position}].", one)
            for position, one in enumerate(body.schedule_items)
        ),
        recurring=None
        if recurring is None
        else _recurring(f"{place}recurring_schedule.", recurring),
        do_not_invoice=bool(body.do_not_invoice),
    )


def dated_amount(place: str, body: DatedAmountBody) -> DatedAmount:
    """One item as asked for."""
    return DatedAmount(
        instant(f"{place}timestamp", body.timestamp), body.amount, body.unit_price, body.quantity
    )


def charge_of(
    place: str, body: ChargeBody, making: Making, *, is_discount: bool = False
) -> NewPart[PlannedCharge]:
    """A scheduled charge or discount as asked for."""
    charge = PlannedCharge(
        making.new_id(),
        making.product(f"{place}product_id", body.product_id),
        schedule_terms(f"{place}schedule.", body.schedule, making),
        body.name,
        is_discount,
    )
    return NewPart(place, charge, kept(body, "netsuite_sales_order_id"), body.custom_fields or {})


def service_of(place: str, body: ServiceBody, making: Making) -> NewPart[ProfessionalService]:
    """A professional service as asked for."""
    service = ProfessionalService(
        id=making.new_id(),
        product_id=making.product(f"{place}product_id", body.product_id),
        max_amount=body.max_amount,
        unit_price=body.unit_price,
        quantity=body.quantity,
    )
    shown = kept(body, "description", "netsuite_sales_order_id")
    return NewPart(place, service, shown, body.custom_fields or {})


def invoice_schedule_reply(schedule: InvoiceSchedule) -> InvoiceScheduleReply:
    """A schedule as shown; an item of which only the amount is known is one unit of it."""
    return InvoiceScheduleReply(
        credit_type=credit_type(schedule.credit_type),
        do_not_invoice=schedule.do_not_invoice,
        schedule_items=[
            ScheduleItemReply(
                id=one.id,
                amount=plain(one.amount),
                quantity=plain(ONE if one.quantity is None else one.quantity),
                unit_price=plain(one.amount if one.unit_price is None else one.unit_price),
                timestamp=one.timestamp,
            )
            for one in schedule.items
        ],
    )


def charge_reply(
    charge: ScheduledCharge, shown: Mapping[str, Any], showing: Showing
) -> ChargeReply:
    """A scheduled charge or discount as shown."""
    return ChargeReply(
        id=charge.id,
        product=showing.product(charge.product_id),
        schedule=invoice_schedule_reply(charge.schedule),
        archived_at=charge.archived_at,
        custom_fields=shown.get("custom_fields", {}),
        name=charge.name,
        netsuite_sales_order_id=shown.get("netsuite_sales_order_id"),
    )


def service_reply(service: ProfessionalService, shown: Mapping[str, Any]) -> ServiceReply:
    """A professional service as shown."""
    return ServiceReply(
        id=service.id,
        product_id=service.product_id,
        max_amount=plain(service.max_amount),
        quantity=plain(service.quantity),
        unit_price=plain(service.unit_price),
        custom_fields=shown.get("custom_fields", {}),
        description=shown.get("description"),
        netsuite_sales_order_id=shown.get("netsuite_sales_order_id"),
    )


def kept(body: Body, *names: str) -> dict[str, Any]:
    """The fields that are only shown again, where given."""
    return {name: value for name in names if (value := getattr(body, name)) is not None}


def _recurring(place: str, body: RecurringScheduleBody) -> RecurringSchedule:
    return RecurringSchedule(
        starting_at=instant(f"{place}starting_at", body.starting_at),
        ending_before=instant(f"{place}ending_before", body.ending_before),
        frequency=member(f"{place}frequency", ScheduleFrequency, body.frequency),
        amount_distribution=member(
            f"{place}amount_distribution", AmountDistribution, body.amount_distribution
        ),
        amount=body.amount,
        unit_price=body.unit_price,
        quantity=body.quantity,
    )
