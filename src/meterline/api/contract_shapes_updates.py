"""Updates of single parts on the wire, and the edits of terms they stand for.

null takes a restriction, a text or a priority away; what is left out stays as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from msgspec import UNSET, UnsetType

from meterline.api.contract_shapes_context import Anything, Making, says_nothing, whole
from meterline.api.contract_shapes_grants import (
    AccessItemBody,
    SpecifierBody,
    rate_choice,
    segment_of,
    specifiers,
)
from meterline.api.contract_shapes_recurring import ProrationRoundingBody
from meterline.api.contract_shapes_schedules import DatedAmountBody, dated_amount
from meterline.api.contract_shapes_subscriptions import RoundingBody, rounding_of
from meterline.api.requests import Body, Instant, instant, optional_instant
from meterline.core.contract.subscription import QuantityChange, SeatChange
from meterline.core.edits import (
    AccessEdit,
    AmountEdit,
    CoverageEdit,
    GrantEdit,
    InvoiceEdit,
    ItemEdit,
    SegmentEdit,
    SubscriptionEdit,
)
from meterline.core.errors import Invalid

Item = TypeVar("Item")


class IdBody(Body):
    id: UUID


class UpdateSegmentBody(IdBody, kw_only=True):
    amount: Decimal | None = None
    starting_at: Instant | None = None
    ending_before: Instant | None = None


class UpdateAccessBody(Body):
    add_schedule_items: list[AccessItemBody] | None = None
    update_schedule_items: list[UpdateSegmentBody] | None = None
    remove_schedule_items: list[IdBody] | None = None


class UpdateItemBody(IdBody, kw_only=True):
    timestamp: Instant | None = None
    amount: Decimal | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None


class UpdateInvoiceBody(Body):
    add_schedule_items: list[DatedAmountBody] | None = None
    update_schedule_items: list[UpdateItemBody] | None = None
    remove_schedule_items: list[IdBody] | None = None


class UpdateGrantBody(Body):
    """null takes a restriction, a text or a priority away; what is left out stays."""

    access_schedule: UpdateAccessBody | None = None
    applicable_product_ids: list[UUID] | UnsetType | None = UNSET
    applicable_product_tags: list[str] | UnsetType | None = UNSET
    specifiers: list[SpecifierBody] | UnsetType | None = UNSET
    description: str | None = None
    hierarchy_configuration: Anything = UNSET
    name: str | None = None
    netsuite_sales_order_id: str | UnsetType | None = UNSET
    priority: Decimal | UnsetType | None = UNSET
    product_id: UUID | None = None
    rate_type: str | None = None
    rollover_fraction: Decimal | UnsetType | None = UNSET


class UpdateCommitBody(UpdateGrantBody, kw_only=True):
    commit_id: UUID
    invoice_schedule: UpdateInvoiceBody | None = None


class UpdateCreditBody(UpdateGrantBody, kw_only=True):
    credit_id: UUID


class EditCommit(UpdateCommitBody, kw_only=True):
    customer_id: UUID
    applicable_contract_ids: list[UUID] | UnsetType | None = UNSET
    invoice_contract_id: UUID | None = None


class EditCredit(UpdateCreditBody, kw_only=True):
    customer_id: UUID
    applicable_contract_ids: list[UUID] | UnsetType | None = UNSET


class UpdateAmountBody(Body):
    quantity: Decimal | None = None
    unit_price: Decimal | None = None


class UpdateRecurringBody(Body):
    access_amount: UpdateAmountBody | None = None
    ending_before: Instant | UnsetType | None = UNSET
    proration_rounding: ProrationRoundingBody | UnsetType | None = UNSET
    rate_type: str | None = None


class UpdateRecurringCommitBody(UpdateRecurringBody, kw_only=True):
    recurring_commit_id: UUID
    invoice_amount: UpdateAmountBody | None = None


class UpdateRecurringCreditBody(UpdateRecurringBody, kw_only=True):
    recurring_credit_id: UUID


class UpdateChargeBody(Body):
    scheduled_charge_id: UUID
    invoice_schedule: UpdateInvoiceBody | None = None
    netsuite_sales_order_id: str | UnsetType | None = UNSET


class QuantityUpdateBody(Body):
    starting_at: Instant
    quantity: Decimal | None = None
    quantity_delta: Decimal | None = None


class SeatIdsBody(Body):
    seat_ids: list[str]
    starting_at: Instant


class UnassignedSeatsBody(Body):
    quantity: Decimal
    starting_at: Instant


class SeatUpdatesBody(Body):
    add_seat_ids: list[SeatIdsBody] | None = None
    remove_seat_ids: list[SeatIdsBody] | None = None
    add_unassigned_seats: list[UnassignedSeatsBody] | None = None
    remove_unassigned_seats: list[UnassignedSeatsBody] | None = None


class UpdateSubscriptionBody(Body):
    subscription_id: UUID
    ending_before: Instant | UnsetType | None = UNSET
    name: str | None = None
    proration_rounding: RoundingBody | UnsetType | None = UNSET
    quantity_management_mode_update: Anything = UNSET
    quantity_updates: list[QuantityUpdateBody] | None = None
    seat_updates: SeatUpdatesBody | None = None


def grant_edit(place: str, identity: UUID, body: UpdateGrantBody, making: Making) -> GrantEdit:
    """An edit of a commit or credit as asked for. Raises Invalid."""
    if not says_nothing(body.hierarchy_configuration):
        raise Invalid(
            f"{place}hierarchy_configuration", "hierarchies of contracts are not supported"
        )
    changes: dict[str, Any] = {}
    if body.product_id is not None:
        changes["product_id"] = making.product(f"{place}product_id", body.product_id)
    if body.name is not None:
        changes["name"] = body.name
    if body.rate_type is not None:
        changes["rate_type"] = rate_choice(f"{place}rate_type", body.rate_type)
    if body.priority is not UNSET:
        changes["priority"] = body.priority or Decimal(0)
    if body.rollover_fraction is not UNSET:
        changes["rollover_fraction"] = body.rollover_fraction
    if isinstance(body, EditCommit | EditCredit):
        changes |= _links(body)
    invoice = body.invoice_schedule if isinstance(body, UpdateCommitBody) else None
    return GrantEdit(
        identity,
        access=_access_edit(place, body.access_schedule, making),
        invoice=invoice_edit(place, invoice, making),
        coverage=_coverage_edit(place, body, making),
        changes=changes,
    )


def grant_shown(body: UpdateGrantBody) -> dict[str, Any]:
    """What is only shown of a commit or credit, where the edit changes it."""
    shown = texts(body, "netsuite_sales_order_id")
    if body.description is not None:
        shown["description"] = body.description
    if body.specifiers is not UNSET:
        shown["by_specifiers"] = True if body.specifiers else None
    elif body.applicable_product_ids is not UNSET or body.applicable_product_tags is not UNSET:
        shown["by_specifiers"] = None
    return shown


def invoice_edit(place: str, body: UpdateInvoiceBody | None, making: Making) -> InvoiceEdit | None:
    """An edit of an invoice schedule as asked for."""
    if body is None:
        return None
    at = f"{place}invoice_schedule."
    return InvoiceEdit(
        add=tuple(
            (making.new_id(), dated_amount(where, one))
            for where, one in placed(f"{at}add_schedule_items", body.add_schedule_items)
        ),
        update=tuple(
            ItemEdit(
                one.id,
                optional_instant(f"{where}timestamp", one.timestamp),
                one.amount,
                one.unit_price,
                one.quantity,
            )
            for where, one in placed(f"{at}update_schedule_items", body.update_schedule_items)
        ),
        remove=tuple(one.id for one in body.remove_schedule_items or ()),
    )


def _access_edit(place: str, body: UpdateAccessBody | None, making: Making) -> AccessEdit | None:
    if body is None:
        return None
    at = f"{place}access_schedule."
    return AccessEdit(
        add=tuple(
            segment_of(where, one, making)
            for where, one in placed(f"{at}add_schedule_items", body.add_schedule_items)
        ),
        update=tuple(
            SegmentEdit(
                one.id,
                one.amount,
                optional_instant(f"{where}starting_at", one.starting_at),
                optional_instant(f"{where}ending_before", one.ending_before),
            )
            for where, one in placed(f"{at}update_schedule_items", body.update_schedule_items)
        ),
        remove=tuple(one.id for one in body.remove_schedule_items or ()),
    )


def _coverage_edit(place: str, body: UpdateGrantBody, making: Making) -> CoverageEdit:
    ids = _items(body.applicable_product_ids)
    tags = _items(body.applicable_product_tags)
    given = _items(body.specifiers)
    if given and (ids or tags):
        raise Invalid(
            f"{place}specifiers",
            "must be left out beside applicable_product_ids and applicable_product_tags",
        )
    for position, one in enumerate(ids or ()):
        making.product(f"{place}applicable_product_ids[{position}]", one)
    made = None
    if given or (given is not None and not ids and not tags):
        made = specifiers(f"{place}specifiers", given, making)
    return CoverageEdit(ids, tags, made)


def _items(given: list[Item] | UnsetType | None) -> tuple[Item, ...] | None:
    """A list as an edit means it: None where it is left out, empty where it is null."""
    return None if isinstance(given, UnsetType) else tuple(given or ())


def _links(body: EditCommit | EditCredit) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if not isinstance(body.applicable_contract_ids, UnsetType):
        given = body.applicable_contract_ids
        changes["applicable_contract_ids"] = tuple(dict.fromkeys(given)) if given else None
    if isinstance(body, EditCommit) and body.invoice_contract_id is not None:
        changes["invoice_contract_id"] = body.invoice_contract_id
    return changes


def recurring_changes(place: str, body: UpdateRecurringBody) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if not isinstance(body.ending_before, UnsetType):
        changes["ending_before"] = optional_instant(f"{place}ending_before", body.ending_before)
    if not isinstance(body.proration_rounding, UnsetType):
        at = f"{place}proration_rounding."
        given = body.proration_rounding or ProrationRoundingBody()
        changes["access_rounding"] = rounding_of(f"{at}access.", given.access)
        changes["invoice_rounding"] = rounding_of(f"{at}invoice.", given.invoice)
    if body.rate_type is not None:
        changes["rate_type"] = rate_choice(f"{place}rate_type", body.rate_type)
    return changes


def amount_edit(body: UpdateAmountBody | None) -> AmountEdit | None:
    return None if body is None else AmountEdit(body.unit_price, body.quantity)


def subscription_edit(place: str, body: UpdateSubscriptionBody) -> SubscriptionEdit:
    if not says_nothing(body.quantity_management_mode_update):
        raise Invalid(
            f"{place}quantity_management_mode_update",
            "is not supported: end the subscription and add another",
        )
    changes: dict[str, Any] = {}
    if not isinstance(body.ending_before, UnsetType):
        changes["ending_before"] = optional_instant(f"{place}ending_before", body.ending_before)
    if body.name is not None:
        changes["name"] = body.name
    if not isinstance(body.proration_rounding, UnsetType):
        at = f"{place}proration_rounding."
        changes["rounding"] = rounding_of(at, body.proration_rounding)
    return SubscriptionEdit(
        body.subscription_id,
        quantities=tuple(
            QuantityChange(
                instant(f"{where}starting_at", one.starting_at), one.quantity, one.quantity_delta
            )
            for where, one in placed(f"{place}quantity_updates", body.quantity_updates)
        ),
        seats=_seat_changes(f"{place}seat_updates.", body.seat_updates),
        changes=changes,
    )


def _seat_changes(place: str, body: SeatUpdatesBody | None) -> tuple[SeatChange, ...]:
    """Changes of seats, those of one instant together, by time."""
    if body is None:
        return ()
    changes: dict[datetime, dict[str, Any]] = defaultdict(dict)
    for name in ("add_seat_ids", "remove_seat_ids"):
        for where, one in placed(f"{place}{name}", getattr(body, name)):
            of_time = changes[instant(f"{where}starting_at", one.starting_at)]
            of_time[name] = (*of_time.get(name, ()), *one.seat_ids)
    for name in ("add_unassigned_seats", "remove_unassigned_seats"):
        for where, each in placed(f"{place}{name}", getattr(body, name)):
            of_time = changes[instant(f"{where}starting_at", each.starting_at)]
            of_time[name] = of_time.get(name, 0) + whole(f"{where}quantity", each.quantity)
    return tuple(SeatChange(at, **changes[at]) for at in sorted(changes))


def texts(body: Body, *names: str) -> dict[str, Any]:
    """The texts an edit sets, or takes away by null."""
    return {name: given for name in names if (given := getattr(body, name)) is not UNSET}


def placed(name: str, given: Sequence[Item] | None) -> Iterator[tuple[str, Item]]:
    """Each item of a list with where it was sent."""
    for position, one in enumerate(given or ()):
        yield f"{name}[{position}].", one
