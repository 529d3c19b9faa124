"""Commits and credits on the wire: their schedules and what they may pay for, sent and shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from meterline.api.contract_shapes_context import (
    Anything,
    CreditTypeRef,
    Making,
    ProductRef,
    Ref,
    Showing,
    credit_type,
    says_nothing,
)
from meterline.api.contract_shapes_schedules import (
    InvoiceScheduleBody,
    InvoiceScheduleReply,
    invoice_schedule_reply,
    schedule_terms,
)
from meterline.api.requests import Body, CustomFields, Instant, Reply, instant, member
from meterline.core.decimals import plain
from meterline.core.errors import Invalid
from meterline.core.ledger.entry import EntryType, LedgerEntry
from meterline.core.ledger.grant import (
    AccessType,
    Grant,
    GrantKind,
    GrantSegment,
    GrantSpecifier,
    RateChoice,
)
from meterline.services.contract_parts import NewPart, PlannedGrant
from meterline.services.grant_views import GrantView

UniquenessKey = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class AccessItemBody(Body):
    amount: Decimal
    starting_at: Instant
    ending_before: Instant


class AccessScheduleBody(Body):
    schedule_items: list[AccessItemBody]
    access_type: str | None = None
    credit_type_id: UUID | None = None


class SpecifierBody(Body):
    product_id: UUID | None = None
    product_tags: list[str] | None = None
    pricing_group_values: dict[str, str] | None = None
    presentation_group_values: dict[str, str | None] | None = None


class CoverageBody(Body):
    """What a grant may pay for: one of the two forms."""

    applicable_product_ids: list[UUID] | None = None
    applicable_product_tags: list[str] | None = None
    specifiers: list[SpecifierBody] | None = None


class GrantBody(CoverageBody, kw_only=True):
    product_id: UUID
    access_schedule: AccessScheduleBody | None = None
    custom_fields: CustomFields | None = None
    description: str | None = None
    hierarchy_configuration: Anything = UNSET
    name: str | None = None
    netsuite_sales_order_id: str | None = None
    priority: Decimal | None = None
    rate_type: str | None = None
    rollover_fraction: Decimal | None = None
    temporary_id: str | None = None


class PaymentGateBody(Body):
    payment_gate_type: str


class CommitBody(GrantBody, kw_only=True):
    type: str
    amount: Decimal | None = None
    invoice_schedule: InvoiceScheduleBody | None = None
    payment_gate_config: PaymentGateBody | None = None
    spend_tracker_attributes: Anything = UNSET


class CreditBody(GrantBody, kw_only=True):
    pass


class CreateCommit(CommitBody, kw_only=True):
    customer_id: UUID
    priority: Decimal
    applicable_contract_ids: list[UUID] | None = None
    invoice_contract_id: UUID | None = None
    salesforce_opportunity_id: str | None = None
    uniqueness_key: UniquenessKey | None = None


class CreateCredit(CreditBody, kw_only=True):
    customer_id: UUID
    priority: Decimal
    applicable_contract_ids: list[UUID] | None = None
    salesforce_opportunity_id: str | None = None
    uniqueness_key: UniquenessKey | None = None


class AccessItemReply(Reply):
    id: UUID
    amount: Decimal
    starting_at: datetime
    ending_before: datetime


class AccessScheduleReply(Reply):
    access_type: str
    schedule_items: list[AccessItemReply]
    credit_type: CreditTypeRef | None = None


class SpecifierReply(Reply):
    product_id: UUID | None = None
    product_tags: list[str] | None = None
    pricing_group_values: dict[str, str] | None = None
    presentation_group_values: dict[str, str | None] | None = None


class LedgerEntryReply(Reply):
    type: str
    amount: Decimal
    timestamp: datetime
    segment_id: UUID | None = None
    invoice_id: UUID | None = None
    contract_id: UUID | None = None
    new_contract_id: UUID | None = None
    reason: str | None = None


class RolledOverReply(Reply):
    contract_id: UUID
    commit_id: UUID | None = None
    credit_id: UUID | None = None


class GrantReply(Reply):
    """A commit or a credit, by `type`."""

    id: UUID
    type: str
    product: ProductRef
    created_at: datetime
    access_schedule: AccessScheduleReply
    priority: Decimal
    rate_type: str
    applicable_contract_ids: list[UUID] | None = None
    applicable_product_ids: list[UUID] | None = None
    applicable_product_tags: list[str] | None = None
    archived_at: datetime | None = None
    balance: Decimal | None = None
    contract: Ref | None = None
    cost_basis: Decimal | None = None
    created_by: str | None = None
    custom_fields: dict[str, str] | None = None
    description: str | None = None
    invoice_contract: Ref | None = None
    invoice_schedule: InvoiceScheduleReply | None = None
    ledger: list[LedgerEntryReply] | None = None
    name: str | None = None
    netsuite_sales_order_id: str | None = None
    recurring_commit_id: UUID | None = None
    recurring_credit_id: UUID | None = None
    rolled_over_from: RolledOverReply | None = None
    rollover_fraction: Decimal | None = None
    salesforce_opportunity_id: str | None = None
    specifiers: list[SpecifierReply] | None = None
    uniqueness_key: str | None = None


def commit_of(
    place: str, body: CommitBody, making: Making, *, customer_id: UUID, contract_id: UUID | None
) -> NewPart[PlannedGrant]:
    """A commit as asked for. Raises Invalid."""
    _refuse(place, body)
    if body.amount is not None:
        raise Invalid(f"{place}amount", "is deprecated: use access_schedule and invoice_schedule")
    if not says_nothing(body.spend_tracker_attributes):
        raise Invalid(f"{place}spend_tracker_attributes", "spend trackers are not supported")
    gate = body.payment_gate_config
    if gate is not None and gate.payment_gate_type.upper() != "NONE":
        raise Invalid(
            f"{place}payment_gate_config.payment_gate_type",
            "only NONE is supported: payments are not collected here",
        )
    kind = member(f"{place}type", GrantKind, body.type)
    if kind is GrantKind.CREDIT:
        raise Invalid(f"{place}type", "must be one of PREPAID, POSTPAID")
    return _planned(place, body, making, _Owner(customer_id, contract_id, kind))


def credit_of(
    place: str, body: CreditBody, making: Making, *, customer_id: UUID, contract_id: UUID | None
) -> NewPart[PlannedGrant]:
    """A credit as asked for. Raises Invalid."""
    _refuse(place, body)
    return _planned(place, body, making, _Owner(customer_id, contract_id, GrantKind.CREDIT))


def coverage(place: str, body: CoverageBody, making: Making) -> tuple[GrantSpecifier, ...]:
    """What a grant may pay for, as the core has it. Raises Invalid where both forms are given."""
    ids, tags = body.applicable_product_ids or [], body.applicable_product_tags or []
    if body.specifiers and (ids or tags):
        raise Invalid(
            f"{place}specifiers",
            "must be left out beside applicable_product_ids and applicable_product_tags",
        )
    for position, one in enumerate(ids):
        making.product(f"{place}applicable_product_ids[{position}]", one)
    return (
        *(GrantSpecifier(product_id=one) for one in ids),
        *((GrantSpecifier(product_tags=tuple(tags)),) if tags else ()),
        *specifiers(f"{place}specifiers", body.specifiers, making),
    )


def specifiers(
    place: str, given: Sequence[SpecifierBody] | None, making: Making
) -> tuple[GrantSpecifier, ...]:
    """Specifiers as the core has them. Raises Invalid."""
    made = []
    for position, one in enumerate(given or ()):
        if one.product_id is not None:
            making.product(f"{place}[{position}].product_id", one.product_id)
        specifier = GrantSpecifier(
            one.product_id,
            tuple(one.product_tags or ()),
            one.pricing_group_values or {},
            one.presentation_group_values or {},
        )
        if specifier == GrantSpecifier():
            raise Invalid(f"{place}[{position}]", "must say what it covers")
        made.append(specifier)
    return tuple(made)


def coverage_fields(
    covered: Sequence[GrantSpecifier], *, as_specifiers: bool = False
) -> dict[str, Any]:
    """What a grant may pay for, as shown: by products and tags where that says all."""
    plain_products = [one for one in covered if one == GrantSpecifier(product_id=one.product_id)]
    plain_tags = [
        one for one in covered if one.product_tags and one == GrantSpecifier(None, one.product_tags)
    ]
    if as_specifiers or len(plain_products) + len(plain_tags) < len(covered):
        return {"specifiers": [_specifier_reply(one) for one in covered]}
    return {
        "applicable_product_ids": [one.product_id for one in plain_products] or None,
        "applicable_product_tags": [tag for one in plain_tags for tag in one.product_tags] or None,
    }


def grant_reply(view: GrantView, showing: Showing) -> GrantReply:
    """A commit or credit as shown."""
    grant, shown = view.grant, view.shown
    is_credit = grant.kind is GrantKind.CREDIT
    return GrantReply(
        id=grant.id,
        type=grant.kind,
        product=showing.product(grant.product_id),
        created_at=grant.created_at,
        created_by=view.created_by,
        access_schedule=AccessScheduleReply(
            access_type=grant.access_type,
            credit_type=credit_type(grant.credit_type),
            schedule_items=[
                AccessItemReply(
                    id=one.id,
                    amount=plain(one.amount),
                    starting_at=one.starting_at,
                    ending_before=one.ending_before,
                )
                for one in grant.segments
            ],
        ),
        priority=plain(grant.priority),
        rate_type=grant.rate_type,
        applicable_contract_ids=None
        if grant.applicable_contract_ids is None
        else list(grant.applicable_contract_ids),
        **coverage_fields(grant.specifiers, as_specifiers=shown.get("by_specifiers", False)),
        archived_at=grant.archived_at,
        balance=None if view.balance is None else plain(view.balance),
        contract=None if grant.contract_id is None else Ref(id=grant.contract_id),
        cost_basis=view.cost_basis,
        custom_fields=dict(view.custom_fields),
        invoice_contract=None
        if grant.invoice_contract_id is None
        else Ref(id=grant.invoice_contract_id),
        invoice_schedule=None if grant.invoice is None else invoice_schedule_reply(grant.invoice),
        ledger=None
        if view.ledger is None
        else [ledger_entry_reply(grant.kind, one) for one in view.ledger],
        name=grant.name,
        recurring_commit_id=None if is_credit else grant.recurring_grant_id,
        recurring_credit_id=grant.recurring_grant_id if is_credit else None,
        rolled_over_from=_rolled_over(grant),
        rollover_fraction=None
        if grant.rollover_fraction is None
        else plain(grant.rollover_fraction),
        uniqueness_key=view.uniqueness_key,
        description=shown.get("description"),
        netsuite_sales_order_id=shown.get("netsuite_sales_order_id"),
        salesforce_opportunity_id=shown.get("salesforce_opportunity_id"),
    )


def ledger_entry_reply(kind: GrantKind, entry: LedgerEntry) -> LedgerEntryReply:
    """A ledger entry as shown.

    The wire knows no type for what a void gives back to a postpaid commit, nor for a correction of its amount: these
    are a deduction above zero, and one more initial balance.
    """
    name = entry.type
    if kind is GrantKind.POSTPAID:
        name = {
            EntryType.CREDITED: EntryType.AUTOMATED_INVOICE_DEDUCTION,
            EntryType.CANCELED: EntryType.AUTOMATED_INVOICE_DEDUCTION,
            EntryType.SEGMENT_START: EntryType.INITIAL_BALANCE,
        }.get(name, name)
    prefix = "CREDIT" if kind is GrantKind.CREDIT else f"{kind}_COMMIT"
    return LedgerEntryReply(
        type=f"{prefix}_{name}",
        amount=plain(entry.amount),
        timestamp=entry.timestamp,
        segment_id=entry.segment_id,
        invoice_id=entry.invoice_id,
        contract_id=entry.contract_id,
        new_contract_id=entry.new_contract_id,
        reason=entry.reason,
    )


class _Owner(msgspec.Struct, frozen=True):
    customer_id: UUID
    contract_id: UUID | None
    kind: GrantKind


def _planned(place: str, body: GrantBody, making: Making, owner: _Owner) -> NewPart[PlannedGrant]:
    access = body.access_schedule
    if access is None:
        raise Invalid(f"{place}access_schedule", "is required")
    own = owner.contract_id is None
    grant = Grant(
        id=making.part_id(place, body.temporary_id),
        customer_id=owner.customer_id,
        kind=owner.kind,
        product_id=making.product(f"{place}product_id", body.product_id),
        credit_type=making.unit(f"{place}access_schedule.credit_type_id", access.credit_type_id),
        segments=tuple(
            segment_of(f"{place}access_schedule.schedule_items[{position}].", one, making)
            for position, one in enumerate(access.schedule_items)
        ),
        created_at=making.now,
        contract_id=owner.contract_id,
        priority=Decimal(0) if body.priority is None else body.priority,
        access_type=AccessType.SPEND
        if access.access_type is None
        else member(f"{place}access_schedule.access_type", AccessType, access.access_type),
        rate_type=rate_choice(f"{place}rate_type", body.rate_type),
        specifiers=coverage(place, body, making),
        applicable_contract_ids=_contract_ids(body) if own else None,
        invoice_contract_id=getattr(body, "invoice_contract_id", None),
        rollover_fraction=body.rollover_fraction,
        name=body.name,
    )
    invoice = getattr(body, "invoice_schedule", None)
    shown = {
        "description": body.description,
        "netsuite_sales_order_id": body.netsuite_sales_order_id,
        "salesforce_opportunity_id": getattr(body, "salesforce_opportunity_id", None),
        "by_specifiers": True if body.specifiers else None,
    }
    return NewPart(
        place,
        PlannedGrant(
            grant,
            None
            if invoice is None
            else schedule_terms(f"{place}invoice_schedule.", invoice, making),
        ),
        {name: value for name, value in shown.items() if value is not None},
        body.custom_fields or {},
    )


def segment_of(place: str, item: AccessItemBody, making: Making) -> GrantSegment:
    """A new segment as asked for."""
    return GrantSegment(
        making.new_id(),
        item.amount,
        instant(f"{place}starting_at", item.starting_at),
        instant(f"{place}ending_before", item.ending_before),
    )


def rate_choice(place: str, text: str | None) -> RateChoice:
    """At which price usage counts; the list rate where nothing is said."""
    return RateChoice.LIST_RATE if text is None else member(place, RateChoice, text)


def _contract_ids(body: GrantBody) -> tuple[UUID, ...] | None:
    given: list[UUID] | None = getattr(body, "applicable_contract_ids", None)
    return tuple(dict.fromkeys(given)) if given else None


def _refuse(place: str, body: GrantBody) -> None:
    if not says_nothing(body.hierarchy_configuration):
        raise Invalid(
            f"{place}hierarchy_configuration", "hierarchies of contracts are not supported"
        )


def _specifier_reply(one: GrantSpecifier) -> SpecifierReply:
    return SpecifierReply(
        product_id=one.product_id,
        product_tags=list(one.product_tags) or None,
        pricing_group_values=dict(one.pricing_group_values) or None,
        presentation_group_values=dict(one.presentation_group_values) or None,
    )


def _rolled_over(grant: Grant) -> RolledOverReply | None:
    origin = grant.rolled_over_from
    if origin is None:
        return None
    is_credit = grant.kind is GrantKind.CREDIT
    return RolledOverReply(
        contract_id=origin.contract_id,
        commit_id=None if is_credit else origin.grant_id,
        credit_id=origin.grant_id if is_credit else None,
    )
