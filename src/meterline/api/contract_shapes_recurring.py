"""Recurring commits and credits on the wire, sent and shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from msgspec import UNSET

from meterline.api.contract_shapes_context import (
    Anything,
    Making,
    ProductRef,
    Ref,
    Showing,
    says_nothing,
    whole,
)
from meterline.api.contract_shapes_grants import (
    CoverageBody,
    SpecifierReply,
    coverage,
    coverage_fields,
    rate_choice,
)
from meterline.api.contract_shapes_schedules import kept
from meterline.api.contract_shapes_subscriptions import (
    RoundingBody,
    RoundingReply,
    rounding_of,
    rounding_reply,
)
from meterline.api.requests import Body, Instant, Reply, instant, member, optional_instant
from meterline.core.contract import Contract
from meterline.core.contract.recurring import (
    GrantProration,
    RecurrenceFrequency,
    RecurringAmount,
    RecurringGrant,
    SeatAllocation,
)
from meterline.core.decimals import plain
from meterline.core.errors import Invalid
from meterline.core.ledger.grant import AccessType, GrantKind
from meterline.services.contract_parts import NewPart


class DurationUnit(StrEnum):
    """What a grant's duration is counted in."""

    PERIODS = "PERIODS"


class AccessAmountBody(Body):
    unit_price: Decimal
    access_type: str | None = None
    credit_type_id: UUID | None = None
    quantity: Decimal | None = None


class InvoiceAmountBody(Body):
    credit_type_id: UUID
    quantity: Decimal
    unit_price: Decimal


class DurationBody(Body):
    value: Decimal
    unit: str | None = None


class ProrationRoundingBody(Body):
    access: RoundingBody | None = None
    invoice: RoundingBody | None = None


class SeatIncreaseBody(Body):
    is_prorated: bool


class SubscriptionConfigBody(Body):
    subscription_id: str
    apply_seat_increase_config: SeatIncreaseBody
    allocation: str | None = None


class RecurringBody(CoverageBody, kw_only=True):
    access_amount: AccessAmountBody
    commit_duration: DurationBody
    priority: Decimal
    product_id: UUID
    starting_at: Instant
    ending_before: Instant | None = None
    description: str | None = None
    hierarchy_configuration: Anything = UNSET
    invoice_amount: InvoiceAmountBody | None = None
    name: str | None = None
    netsuite_sales_order_id: str | None = None
    proration: str | None = None
    proration_rounding: ProrationRoundingBody | None = None
    rate_type: str | None = None
    recurrence_frequency: str | None = None
    rollover_fraction: Decimal | None = None
    subscription_config: SubscriptionConfigBody | None = None
    temporary_id: str | None = None


class AccessAmountReply(Reply):
    credit_type_id: UUID
    unit_price: Decimal
    access_type: str
    quantity: Decimal | None = None


class InvoiceAmountReply(Reply):
    credit_type_id: UUID
    quantity: Decimal
    unit_price: Decimal


class DurationReply(Reply, kw_only=True, omit_defaults=False):
    value: Decimal
    unit: str = DurationUnit.PERIODS


class ProrationRoundingReply(Reply):
    access: RoundingReply | None = None
    invoice: RoundingReply | None = None


class SeatIncreaseReply(Reply):
    is_prorated: bool


class SubscriptionConfigReply(Reply):
    allocation: str
    apply_seat_increase_config: SeatIncreaseReply
    subscription_id: UUID


class RecurringReply(Reply):
    id: UUID
    access_amount: AccessAmountReply
    anchor_date: datetime
    commit_duration: DurationReply
    priority: Decimal
    product: ProductRef
    rate_type: str
    starting_at: datetime
    proration: str
    contract: Ref
    applicable_product_ids: list[UUID] | None = None
    applicable_product_tags: list[str] | None = None
    specifiers: list[SpecifierReply] | None = None
    description: str | None = None
    ending_before: datetime | None = None
    invoice_amount: InvoiceAmountReply | None = None
    name: str | None = None
    netsuite_sales_order_id: str | None = None
    proration_rounding: ProrationRoundingReply | None = None
    recurrence_frequency: str | None = None
    rollover_fraction: Decimal | None = None
    subscription_config: SubscriptionConfigReply | None = None


def recurring_of(
    place: str, body: RecurringBody, making: Making, kind: GrantKind
) -> NewPart[RecurringGrant]:
    """A recurring commit or credit as asked for. Raises Invalid."""
    if not says_nothing(body.hierarchy_configuration):
        raise Invalid(
            f"{place}hierarchy_configuration", "hierarchies of contracts are not supported"
        )
    if kind is GrantKind.CREDIT and body.invoice_amount is not None:
        raise Invalid(f"{place}invoice_amount", "must be left out: credits are not paid for")
    if body.commit_duration.unit is not None:
        member(f"{place}commit_duration.unit", DurationUnit, body.commit_duration.unit)
    access, config = body.access_amount, body.subscription_config
    rounding = body.proration_rounding or ProrationRoundingBody()
    recurring = RecurringGrant(
        id=making.part_id(place, body.temporary_id),
        kind=kind,
        product_id=making.product(f"{place}product_id", body.product_id),
        priority=body.priority,
        access=RecurringAmount(
            making.unit(f"{place}access_amount.credit_type_id", access.credit_type_id),
            access.unit_price,
            access.quantity,
        ),
        duration_periods=whole(
            f"{place}commit_duration.value", body.commit_duration.value, least=1, most=1200
        ),
        starting_at=instant(f"{place}starting_at", body.starting_at),
        ending_before=optional_instant(f"{place}ending_before", body.ending_before),
        invoice=_invoice_amount(place, body, making),
        access_type=AccessType.SPEND
        if access.access_type is None
        else member(f"{place}access_amount.access_type", AccessType, access.access_type),
        frequency=None
        if body.recurrence_frequency is None
        else member(f"{place}recurrence_frequency", RecurrenceFrequency, body.recurrence_frequency),
        proration=GrantProration.FIRST_AND_LAST
        if body.proration is None
        else member(f"{place}proration", GrantProration, body.proration),
        access_rounding=rounding_of(f"{place}proration_rounding.access.", rounding.access),
        invoice_rounding=rounding_of(f"{place}proration_rounding.invoice.", rounding.invoice),
        specifiers=coverage(place, body, making),
        rate_type=rate_choice(f"{place}rate_type", body.rate_type),
        rollover_fraction=body.rollover_fraction,
        name=body.name,
        description=body.description,
        subscription_id=None
        if config is None
        else making.named(f"{place}subscription_config.subscription_id", config.subscription_id),
        allocation=SeatAllocation.POOLED
        if config is None or config.allocation is None
        else member(f"{place}subscription_config.allocation", SeatAllocation, config.allocation),
        prorates_seat_increases=config is not None
        and config.apply_seat_increase_config.is_prorated,
    )
    shown = kept(body, "netsuite_sales_order_id")
    return NewPart(place, recurring, {**shown, "by_specifiers": True} if body.specifiers else shown)


def recurring_reply(
    one: RecurringGrant, shown: Mapping[str, Any], contract: Contract, showing: Showing
) -> RecurringReply:
    """A recurring commit or credit as shown; one that follows the usage statements is anchored as they are."""
    access, invoice = one.access, one.invoice
    has_rounding = one.access_rounding is not None or one.invoice_rounding is not None
    return RecurringReply(
        id=one.id,
        access_amount=AccessAmountReply(
            credit_type_id=access.credit_type.id,
            unit_price=plain(access.unit_price),
            access_type=one.access_type,
            quantity=None if access.quantity is None else plain(access.quantity),
        ),
        anchor_date=contract.schedule.anchor if one.frequency is None else one.starting_at,
        commit_duration=DurationReply(value=Decimal(one.duration_periods)),
        priority=plain(one.priority),
        product=showing.product(one.product_id),
        rate_type=one.rate_type,
        starting_at=one.starting_at,
        ending_before=one.ending_before,
        proration=one.proration,
        contract=Ref(id=contract.id),
        **coverage_fields(one.specifiers, as_specifiers=shown.get("by_specifiers", False)),
        description=one.description,
        invoice_amount=None
        if invoice is None or invoice.quantity is None
        else InvoiceAmountReply(
            credit_type_id=invoice.credit_type.id,
            quantity=plain(invoice.quantity),
            unit_price=plain(invoice.unit_price),
        ),
        name=one.name,
        netsuite_sales_order_id=shown.get("netsuite_sales_order_id"),
        proration_rounding=ProrationRoundingReply(
            access=rounding_reply(one.access_rounding),
            invoice=rounding_reply(one.invoice_rounding),
        )
        if has_rounding
        else None,
        recurrence_frequency=one.frequency,
        rollover_fraction=None if one.rollover_fraction is None else plain(one.rollover_fraction),
        subscription_config=None
        if one.subscription_id is None
        else SubscriptionConfigReply(
            allocation=one.allocation,
            apply_seat_increase_config=SeatIncreaseReply(is_prorated=one.prorates_seat_increases),
            subscription_id=one.subscription_id,
        ),
    )


def _invoice_amount(place: str, body: RecurringBody, making: Making) -> RecurringAmount | None:
    given = body.invoice_amount
    if given is None:
        return None
    return RecurringAmount(
        making.unit(f"{place}invoice_amount.credit_type_id", given.credit_type_id),
        given.unit_price,
        given.quantity,
    )
