"""Subscriptions on the wire, sent and shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from meterline.api.contract_shapes_context import Making, ProductRef, Showing, whole
from meterline.api.contract_shapes_schedules import kept
from meterline.api.requests import (
    Body,
    CustomFields,
    Instant,
    Reply,
    member,
    optional_instant,
)
from meterline.core.charges import billing_periods, quantity_schedule
from meterline.core.contract import Contract
from meterline.core.contract.subscription import (
    CollectionSchedule,
    FiatRounding,
    InvoiceBehavior,
    InvoicePlacement,
    ProrationRounding,
    QuantityChange,
    SeatChange,
    Subscription,
)
from meterline.core.decimals import ZERO, plain
from meterline.core.errors import Invalid
from meterline.core.period import Frequency, Period
from meterline.services.contract_parts import NewPart

DECIMAL_PLACES = 5
"""How far from the point amounts may be rounded, to either side. Source: Metronome's rounding of prorations."""


class QuantityMode(StrEnum):
    """Whether the quantity is a number or a count of seats."""

    QUANTITY_ONLY = "QUANTITY_ONLY"
    SEAT_BASED = "SEAT_BASED"


class RoundingBody(Body):
    decimal_places: Decimal
    rounding_method: str


class ProrationBody(Body):
    invoice_behavior: str | None = None
    is_prorated: bool | None = None
    rounding: RoundingBody | None = None


class SubscriptionRateBody(Body):
    billing_frequency: str
    product_id: UUID


class CycleBody(Body):
    anchor_date: Instant | None = None
    invoice_placement: str | None = None


class SeatConfigBody(Body):
    seat_group_key: str
    initial_seat_ids: list[str]
    initial_unassigned_seats: Decimal | None = None


class SubscriptionBody(Body):
    collection_schedule: str
    proration: ProrationBody
    subscription_rate: SubscriptionRateBody
    billing_cycle_config: CycleBody | None = None
    custom_fields: CustomFields | None = None
    description: str | None = None
    ending_before: Instant | None = None
    initial_quantity: Decimal | None = None
    name: str | None = None
    quantity_management_mode: str | None = None
    seat_config: SeatConfigBody | None = None
    starting_at: Instant | None = None
    temporary_id: str | None = None


class RoundingReply(Reply):
    decimal_places: int
    rounding_method: str


class ProrationReply(Reply):
    invoice_behavior: str
    is_prorated: bool
    rounding: RoundingReply | None = None


class SpanReply(Reply):
    starting_at: datetime
    ending_before: datetime


class BillingPeriodsReply(Reply):
    previous: SpanReply | None = None
    current: SpanReply | None = None
    next: SpanReply | None = None


class QuantityReply(Reply):
    quantity: Decimal
    starting_at: datetime
    ending_before: datetime | None = None


class SubscriptionRateReply(Reply):
    billing_frequency: str
    product: ProductRef


class CycleReply(Reply):
    anchor_date: datetime
    invoice_placement: str


class SeatConfigReply(Reply):
    seat_group_key: str


class SubscriptionReply(Reply):
    id: UUID
    billing_periods: BillingPeriodsReply
    collection_schedule: str
    created_at: datetime
    proration: ProrationReply
    quantity_management_mode: str
    quantity_schedule: list[QuantityReply]
    starting_at: datetime
    subscription_rate: SubscriptionRateReply
    billing_cycle_config: CycleReply
    custom_fields: dict[str, str] | None = None
    description: str | None = None
    ending_before: datetime | None = None
    name: str | None = None
    seat_config: SeatConfigReply | None = None


def subscription_of(
    place: str, body: SubscriptionBody, making: Making, *, starting_at: datetime
) -> NewPart[Subscription]:
    """A subscription as asked for; it starts with the contract (`starting_at`) where it does not say when."""
    rate, proration = body.subscription_rate, body.proration
    start = optional_instant(f"{place}starting_at", body.starting_at) or starting_at
    cycle = body.billing_cycle_config or CycleBody()
    collection = member(f"{place}collection_schedule", CollectionSchedule, body.collection_schedule)
    quantity, seats = _quantity(place, body, start)
    subscription = Subscription(
        id=making.part_id(place, body.temporary_id),
        product_id=making.product(f"{place}subscription_rate.product_id", rate.product_id),
        billing_frequency=member(
            f"{place}subscription_rate.billing_frequency", Frequency, rate.billing_frequency
        ),
        collection_schedule=collection,
        starting_at=start,
        ending_before=optional_instant(f"{place}ending_before", body.ending_before),
        quantity_changes=quantity,
        is_prorated=True if proration.is_prorated is None else proration.is_prorated,
        invoice_behavior=_behavior(place, proration, collection),
        rounding=rounding_of(f"{place}proration.rounding.", proration.rounding),
        invoice_placement=InvoicePlacement.ON_USAGE_INVOICE
        if cycle.invoice_placement is None
        else member(
            f"{place}billing_cycle_config.invoice_placement",
            InvoicePlacement,
            cycle.invoice_placement,
        ),
        anchor_date=optional_instant(f"{place}billing_cycle_config.anchor_date", cycle.anchor_date),
        name=body.name,
        seat_group_key=None
        if seats is None or body.seat_config is None
        else body.seat_config.seat_group_key,
        seat_changes=() if seats is None else (seats,),
        created_at=making.now,
    )
    return NewPart(place, subscription, kept(body, "description"), body.custom_fields or {})


def _behavior(
    place: str, proration: ProrationBody, collection: CollectionSchedule
) -> InvoiceBehavior:
    """How increases are billed: as said, else at once in advance, and with the rest in arrears."""
    given = proration.invoice_behavior
    if given is not None:
        return member(f"{place}proration.invoice_behavior", InvoiceBehavior, given)
    if collection is CollectionSchedule.ADVANCE:
        return InvoiceBehavior.BILL_IMMEDIATELY
    return InvoiceBehavior.BILL_ON_NEXT_COLLECTION_DATE


def rounding_of(place: str, body: RoundingBody | None) -> ProrationRounding | None:
    """A rounding as asked for. Raises Invalid."""
    if body is None:
        return None
    return ProrationRounding(
        whole(
            f"{place}decimal_places",
            body.decimal_places,
            least=-DECIMAL_PLACES,
            most=DECIMAL_PLACES,
        ),
        member(f"{place}rounding_method", FiatRounding, body.rounding_method),
    )


def rounding_reply(rounding: ProrationRounding | None) -> RoundingReply | None:
    """A rounding as shown."""
    if rounding is None:
        return None
    return RoundingReply(
        decimal_places=rounding.decimal_places, rounding_method=rounding.rounding_method
    )


def subscription_reply(
    one: Subscription, shown: Mapping[str, Any], contract: Contract, showing: Showing
) -> SubscriptionReply:
    """A subscription as shown, with the billing periods around the present and its quantities from there on."""
    around = billing_periods(one, contract, showing.now)
    created_at = one.created_at or contract.created_at
    assert created_at is not None  # stored contracts have it
    return SubscriptionReply(
        id=one.id,
        billing_periods=BillingPeriodsReply(
            previous=_span(around.previous), current=_span(around.current), next=_span(around.next)
        ),
        collection_schedule=one.collection_schedule,
        created_at=created_at,
        proration=ProrationReply(
            invoice_behavior=one.invoice_behavior,
            is_prorated=one.is_prorated,
            rounding=rounding_reply(one.rounding),
        ),
        quantity_management_mode=QuantityMode.QUANTITY_ONLY
        if one.seat_group_key is None
        else QuantityMode.SEAT_BASED,
        quantity_schedule=[
            QuantityReply(
                quantity=plain(each.quantity),
                starting_at=each.starting_at,
                ending_before=each.ending_before,
            )
            for each in quantity_schedule(one, contract, showing.now)
        ],
        starting_at=one.starting_at,
        ending_before=one.ending_before,
        subscription_rate=SubscriptionRateReply(
            billing_frequency=one.billing_frequency, product=showing.product(one.product_id)
        ),
        billing_cycle_config=CycleReply(
            anchor_date=one.anchor_date or contract.schedule.anchor,
            invoice_placement=one.invoice_placement,
        ),
        custom_fields=shown.get("custom_fields", {}),
        description=shown.get("description"),
        name=one.name,
        seat_config=None
        if one.seat_group_key is None
        else SeatConfigReply(seat_group_key=one.seat_group_key),
    )


def _quantity(
    place: str, body: SubscriptionBody, start: datetime
) -> tuple[tuple[QuantityChange, ...], SeatChange | None]:
    """The quantity it begins with: a number, or seats."""
    mode = QuantityMode.QUANTITY_ONLY if body.seat_config is None else QuantityMode.SEAT_BASED
    if body.quantity_management_mode is not None:
        mode = member(
            f"{place}quantity_management_mode", QuantityMode, body.quantity_management_mode
        )
    if mode is QuantityMode.QUANTITY_ONLY:
        if body.seat_config is not None:
            raise Invalid(f"{place}seat_config", "must be left out for QUANTITY_ONLY")
        quantity = body.initial_quantity
        if quantity is None:
            raise Invalid(f"{place}initial_quantity", "is required for QUANTITY_ONLY")
        return (QuantityChange(start, quantity=quantity),), None
    seats = body.seat_config
    if seats is None:
        raise Invalid(f"{place}seat_config", "is required for SEAT_BASED")
    if body.initial_quantity is not None:
        raise Invalid(f"{place}initial_quantity", "must be left out for SEAT_BASED")
    unassigned = ZERO if seats.initial_unassigned_seats is None else seats.initial_unassigned_seats
    change = SeatChange(
        start,
        add_seat_ids=tuple(dict.fromkeys(seats.initial_seat_ids)),
        add_unassigned_seats=whole(f"{place}seat_config.initial_unassigned_seats", unassigned),
    )
    return (), change


def _span(period: Period | None) -> SpanReply | None:
    return None if period is None else SpanReply(starting_at=period.start, ending_before=period.end)
