"""Edits of what a contract or a customer has: schedules by item, grants, recurring grants, charges, subscriptions.

An edit says what becomes of single fields and items; what it does not name stays. These functions make the new terms
and find what cannot be named; whether the new terms are sound is for the rules of each kind, and what an edit may not
do to what is billed already for `lifecycle.edit_issues`. Source: docs/decisions/0014-contracts-over-the-wire.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, TypeVar
from uuid import UUID

from meterline.core.charges.schedule_rules import amount_issues
from meterline.core.charges.schedules import invoice_schedule
from meterline.core.contract.recurring import RecurringAmount, RecurringGrant
from meterline.core.contract.schedule import (
    DatedAmount,
    InvoiceSchedule,
    ScheduledCharge,
    ScheduleItem,
    ScheduleTerms,
)
from meterline.core.contract.subscription import QuantityChange, SeatChange, Subscription
from meterline.core.decimals import ONE
from meterline.core.errors import Invalid, require
from meterline.core.ledger.grant import Grant, GrantSegment, GrantSpecifier
from meterline.core.period import is_hour


class _Identified(Protocol):
    @property
    def id(self) -> UUID: ...


Part = TypeVar("Part", bound=_Identified)


@dataclass(frozen=True, slots=True)
class SegmentEdit:
    """New values of a segment; None: as it is."""

    id: UUID
    amount: Decimal | None = None
    starting_at: datetime | None = None
    ending_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccessEdit:
    """What becomes of a grant's segments."""

    add: tuple[GrantSegment, ...] = ()
    update: tuple[SegmentEdit, ...] = ()
    remove: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class ItemEdit:
    """New values of a schedule item; None: as it is. A new amount takes the place of unit price and quantity."""

    id: UUID
    timestamp: datetime | None = None
    amount: Decimal | None = None
    unit_price: Decimal | None = None
    quantity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class InvoiceEdit:
    """What becomes of a schedule's items. `add`: with the ids they will have."""

    add: tuple[tuple[UUID, DatedAmount], ...] = ()
    update: tuple[ItemEdit, ...] = ()
    remove: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class CoverageEdit:
    """What a grant may pay for from now on: None is as it is, empty takes the restriction away.

    `specifiers` replace everything; the other two each their half, and specifiers of other forms altogether.
    """

    product_ids: tuple[UUID, ...] | None = None
    product_tags: tuple[str, ...] | None = None
    specifiers: tuple[GrantSpecifier, ...] | None = None


@dataclass(frozen=True, slots=True)
class GrantEdit:
    """An edit of a commit or credit; `changes`: new values of other fields of the Grant."""

    id: UUID
    access: AccessEdit | None = None
    invoice: InvoiceEdit | None = None
    coverage: CoverageEdit = CoverageEdit()
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AmountEdit:
    """New values of a recurring amount; None: as it is."""

    unit_price: Decimal | None = None
    quantity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class RecurringEdit:
    """An edit of a recurring commit or credit: it acts on the grants that are still to be made."""

    id: UUID
    access: AmountEdit | None = None
    invoice: AmountEdit | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChargeEdit:
    """An edit of a scheduled charge."""

    id: UUID
    schedule: InvoiceEdit | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionEdit:
    """An edit of a subscription: quantities and seats are added to its history."""

    id: UUID
    quantities: tuple[QuantityChange, ...] = ()
    seats: tuple[SeatChange, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)


def named(parts: Iterable[Part], identity: UUID, field_name: str, kind: str) -> Part:
    """Return the part of that id. Raises Invalid naming `field_name`."""
    for part in parts:
        if part.id == identity:
            return part
    raise Invalid(field_name, f"names no {kind} of the contract")


def replaced(parts: Sequence[Part], part: Part) -> tuple[Part, ...]:
    """Return `parts` with the one of `part`'s id replaced by it."""
    return tuple(part if one.id == part.id else one for one in parts)


def edited_grant(grant: Grant, edit: GrantEdit, place: str) -> Grant:
    """Return the grant after `edit`. Raises Invalid for items it does not have; `place`: where the edit was sent."""
    if grant.archived_at is not None:
        raise Invalid(f"{place}id", "is archived")
    covered = _edited_coverage(grant.specifiers, edit.coverage)
    changed = replace(grant, specifiers=covered, **edit.changes)
    if edit.access is not None:
        at = f"{place}access_schedule."
        changed = replace(changed, segments=_edited_segments(grant.segments, edit.access, at))
    if edit.invoice is not None:
        at = f"{place}invoice_schedule."
        if grant.invoice is None:
            raise Invalid(at[:-1], "cannot be edited: there is none")
        changed = replace(changed, invoice=edited_schedule(grant.invoice, edit.invoice, at))
    return changed


def edited_schedule(schedule: InvoiceSchedule, edit: InvoiceEdit, place: str) -> InvoiceSchedule:
    """Return the schedule after `edit`, items by date. Raises Invalid for items it does not have."""
    items = {item.id: item for item in schedule.items}
    _known(items, (one.id for one in edit.update), f"{place}update_schedule_items")
    _known(items, edit.remove, f"{place}remove_schedule_items")
    dated = {one.id: _edited_item(items[one.id], one) for one in edit.update}
    added = dict(edit.add)
    _check(dated.values(), f"{place}update_schedule_items")
    _check(added.values(), f"{place}add_schedule_items")
    for identity, one in (dated | added).items():
        items[identity] = _made(identity, one, schedule)
    kept = [item for identity, item in items.items() if identity not in edit.remove]
    return replace(schedule, items=tuple(sorted(kept, key=lambda item: item.timestamp)))


def edited_charge(charge: ScheduledCharge, edit: ChargeEdit, place: str) -> ScheduledCharge:
    """Return the charge after `edit`. Raises Invalid."""
    if charge.archived_at is not None:
        raise Invalid(f"{place}scheduled_charge_id", "is archived")
    if edit.schedule is None:
        return charge
    at = f"{place}invoice_schedule."
    return replace(charge, schedule=edited_schedule(charge.schedule, edit.schedule, at))


def edited_recurring(recurring: RecurringGrant, edit: RecurringEdit, place: str) -> RecurringGrant:
    """Return the recurring grant after `edit`. Raises Invalid."""
    changed = replace(recurring, **edit.changes)
    if edit.access is not None:
        changed = replace(changed, access=_edited_amount(recurring.access, edit.access))
    if edit.invoice is not None:
        if recurring.invoice is None:
            raise Invalid(f"{place}invoice_amount", "cannot be edited: there is none")
        changed = replace(changed, invoice=_edited_amount(recurring.invoice, edit.invoice))
    return changed


def edited_subscription(
    subscription: Subscription, edit: SubscriptionEdit, place: str
) -> Subscription:
    """Return the subscription after `edit`. Raises Invalid where seats and plain quantities are mixed up."""
    seat_based = subscription.seat_group_key is not None
    if edit.quantities and seat_based:
        raise Invalid(f"{place}quantity_updates", "must be left out: its quantity is its seats")
    if edit.seats and not seat_based:
        raise Invalid(f"{place}seat_updates", "must be left out: it is not SEAT_BASED")
    return replace(
        subscription,
        quantity_changes=(*subscription.quantity_changes, *edit.quantities),
        seat_changes=(*subscription.seat_changes, *edit.seats),
        **edit.changes,
    )


def _edited_segments(
    segments: Sequence[GrantSegment], edit: AccessEdit, place: str
) -> tuple[GrantSegment, ...]:
    kept = {segment.id: segment for segment in segments}
    _known(kept, (one.id for one in edit.update), f"{place}update_schedule_items")
    _known(kept, edit.remove, f"{place}remove_schedule_items")
    for one in edit.update:
        before = kept[one.id]
        kept[one.id] = replace(
            before,
            amount=before.amount if one.amount is None else one.amount,
            starting_at=one.starting_at or before.starting_at,
            ending_before=one.ending_before or before.ending_before,
        )
    for identity in edit.remove:
        kept.pop(identity, None)
    return tuple(sorted([*kept.values(), *edit.add], key=lambda segment: segment.starting_at))


def _edited_coverage(
    specifiers: tuple[GrantSpecifier, ...], edit: CoverageEdit
) -> tuple[GrantSpecifier, ...]:
    if edit.specifiers is not None:
        return edit.specifiers
    if edit.product_ids is None and edit.product_tags is None:
        return specifiers
    products = tuple(one for one in specifiers if one == GrantSpecifier(one.product_id))
    tags = tuple(one for one in specifiers if one == GrantSpecifier(None, one.product_tags))
    if edit.product_ids is not None:
        products = tuple(GrantSpecifier(one) for one in edit.product_ids)
    if edit.product_tags is not None:
        tags = (GrantSpecifier(None, edit.product_tags),) if edit.product_tags else ()
    return (*products, *tags)


def _known(items: Mapping[UUID, object], wanted: Iterable[UUID], place: str) -> None:
    for position, identity in enumerate(wanted):
        if identity not in items:
            raise Invalid(f"{place}[{position}].id", "names no item of the schedule")


def _check(dated: Iterable[DatedAmount], place: str) -> None:
    """Raise Invalid for the first thing wrong with items sent as the list `place`."""
    for position, one in enumerate(dated):
        at = f"{place}[{position}]"
        if not is_hour(one.timestamp):
            raise Invalid(f"{at}.timestamp", "must be on an hour boundary, in UTC")
        require(amount_issues(one, at))


def _edited_item(item: ScheduleItem, edit: ItemEdit) -> DatedAmount:
    before = _dated(item)
    if edit.amount is not None:
        after = DatedAmount(item.timestamp, edit.amount, edit.unit_price, edit.quantity)
    elif edit.unit_price is None and edit.quantity is None:
        after = before
    else:
        price = item.amount if before.unit_price is None else before.unit_price
        count = ONE if before.quantity is None else before.quantity
        after = DatedAmount(
            item.timestamp,
            None,
            price if edit.unit_price is None else edit.unit_price,
            count if edit.quantity is None else edit.quantity,
        )
    return replace(after, timestamp=edit.timestamp or item.timestamp)


def _dated(item: ScheduleItem) -> DatedAmount:
    if item.unit_price is None or item.quantity is None:
        return DatedAmount(item.timestamp, item.amount)
    return DatedAmount(item.timestamp, None, item.unit_price, item.quantity)


def _made(identity: UUID, dated: DatedAmount, schedule: InvoiceSchedule) -> ScheduleItem:
    terms = ScheduleTerms(schedule.credit_type, (dated,))
    (item,) = invoice_schedule(identity, terms).items
    return replace(item, id=identity)


def _edited_amount(amount: RecurringAmount, edit: AmountEdit) -> RecurringAmount:
    return replace(
        amount,
        unit_price=amount.unit_price if edit.unit_price is None else edit.unit_price,
        quantity=amount.quantity if edit.quantity is None else edit.quantity,
    )
