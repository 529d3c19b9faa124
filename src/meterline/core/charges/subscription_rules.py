"""What is wrong with subscriptions and changes of them; fields are named as callers send them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from meterline.core.catalogue import Product, ProductType
from meterline.core.charges.cycles import Life, life
from meterline.core.charges.rules import product_type_issues
from meterline.core.charges.subscriptions import last_billed_cycle
from meterline.core.contract import Contract
from meterline.core.contract.subscription import (
    CollectionSchedule,
    QuantityChange,
    SeatChange,
    Subscription,
)
from meterline.core.decimals import EXACT, decimal_issues
from meterline.core.errors import Issue
from meterline.core.period import is_hour

DECIMAL_PLACES_BOUND = 5


def subscription_issues(
    subscription: Subscription, contract: Contract, product: Product | None
) -> list[Issue]:
    """Return what is wrong with a new subscription of `contract`; fields are relative to it.

    `product`: the one it names. Whether the rate card sells it at this frequency is for the caller to ask.
    """
    issues = product_type_issues(product, ProductType.SUBSCRIPTION, "subscription_rate.product_id")
    issues += _life_issues(subscription, contract)
    issues += _collection_issues(subscription)
    if issues:
        return issues
    if subscription.seat_group_key is None:
        if not subscription.quantity_changes:
            return [Issue("initial_quantity", "is required for QUANTITY_ONLY")]
        initial, *updates = subscription.quantity_changes
        assert initial.quantity is not None, "the initial quantity is absolute"
        return decimal_issues("initial_quantity", initial.quantity) + quantity_issues(
            subscription, contract, updates
        )
    if not subscription.seat_group_key:
        return [Issue("seat_config.seat_group_key", "must not be empty")]
    if not subscription.seat_changes:
        return [Issue("seat_config", "is required for SEAT_BASED")]
    return seat_issues(subscription, contract, subscription.seat_changes)


def _life_issues(subscription: Subscription, contract: Contract) -> list[Issue]:
    start, end = subscription.starting_at, subscription.ending_before
    issues = []
    if not is_hour(start):
        issues.append(Issue("starting_at", "must be on an hour boundary, in UTC"))
    if start < contract.starting_at:
        issues.append(Issue("starting_at", "must not be before the contract starts"))
    if contract.ending_before is not None and start >= contract.ending_before:
        issues.append(Issue("starting_at", "must be before the contract ends"))
    if end is None:
        return issues
    if not is_hour(end):
        issues.append(Issue("ending_before", "must be on an hour boundary, in UTC"))
    if end <= start:
        issues.append(Issue("ending_before", "must be after starting_at"))
    if contract.ending_before is not None and end > contract.ending_before:
        issues.append(Issue("ending_before", "must not be after the contract ends"))
    return issues


def _collection_issues(subscription: Subscription) -> list[Issue]:
    issues = []
    in_arrears = subscription.collection_schedule is CollectionSchedule.ARREARS
    if in_arrears and subscription.anchor_date is not None:
        issues.append(Issue("billing_cycle_config.anchor_date", "is for ADVANCE only"))
    if subscription.anchor_date is not None and subscription.anchor_date > subscription.starting_at:
        issues.append(
            Issue("billing_cycle_config.anchor_date", "must not be after the subscription starts")
        )
    rounding = subscription.rounding
    if rounding is not None and abs(rounding.decimal_places) > DECIMAL_PLACES_BOUND:
        issues.append(
            Issue(
                "proration.rounding.decimal_places",
                f"must be between -{DECIMAL_PLACES_BOUND} and {DECIMAL_PLACES_BOUND}",
            )
        )
    return issues


def extension_issues(
    subscription: Subscription,
    contract: Contract,
    ending_before: datetime | None,
    billed: Collection[UUID],
) -> list[Issue]:
    """Return what is wrong with putting off the end of `subscription`, as it was, to `ending_before`.

    A last cycle in advance that was billed for a part has been billed: what an extension adds to it never would be.
    `billed`: ids of charges on final invoices.
    """
    end = subscription.ending_before
    if end is None or (ending_before is not None and ending_before <= end):
        return []
    last = last_billed_cycle(subscription, contract, billed)
    if last is None or last.period.end == last.whole.end:
        return []
    message = "cannot be put off: the last cycle is billed up to it; add a subscription from there"
    return [Issue("ending_before", message)]


def quantity_issues(
    subscription: Subscription, contract: Contract, updates: Sequence[QuantityChange]
) -> list[Issue]:
    """Return what is wrong with `updates`, the last of the `quantity_changes` of `subscription`.

    A quantity that would fall below zero is only seen where all are in order of time.
    """
    if updates and subscription.seat_changes:
        return [Issue("quantity_updates", "are for QUANTITY_ONLY; this one counts seats")]
    lived = life(subscription, contract)
    issues = []
    for position, update in enumerate(updates):
        at = f"quantity_updates[{position}]"
        issues += _date_issues(update.starting_at, at, lived)
        if (update.quantity is None) == (update.quantity_delta is None):
            issues.append(Issue(at, "must have quantity or quantity_delta, one of them"))
        elif update.quantity is not None:
            issues += decimal_issues(f"{at}.quantity", update.quantity)
        elif update.quantity_delta is not None:
            wrong = decimal_issues(f"{at}.quantity_delta", update.quantity_delta, negative=True)
            if not wrong and not update.quantity_delta:
                wrong = [Issue(f"{at}.quantity_delta", "must not be zero")]
            issues += wrong
    return issues or _negative_issues(subscription, updates)


def _negative_issues(subscription: Subscription, updates: Sequence[QuantityChange]) -> list[Issue]:
    """A delta that takes more than there is."""
    quantity = Decimal(0)
    changes = sorted(subscription.quantity_changes, key=lambda change: change.starting_at)
    for change in changes:
        if change.quantity is not None:
            quantity = change.quantity
            continue
        assert change.quantity_delta is not None, "checked before"
        quantity = EXACT.add(quantity, change.quantity_delta)
        if quantity < 0:
            place = next((index for index, update in enumerate(updates) if update is change), None)
            field = "quantity_updates" if place is None else f"quantity_updates[{place}]"
            return [Issue(f"{field}.quantity_delta", "must not make the quantity negative")]
    return []


def seat_issues(
    subscription: Subscription, contract: Contract, updates: Sequence[SeatChange]
) -> list[Issue]:
    """Return what is wrong with `updates` of the seats of `subscription`.

    Removing what is not there is no fault: it changes nothing.
    """
    if subscription.seat_group_key is None:
        return [Issue("seat_updates", "are for SEAT_BASED; this one has a quantity")]
    lived = life(subscription, contract)
    issues = []
    for update in updates:
        issues += _date_issues(update.starting_at, "seat_updates", lived)
        for field, ids in (
            ("add_seat_ids", update.add_seat_ids),
            ("remove_seat_ids", update.remove_seat_ids),
        ):
            if not all(ids):
                issues.append(Issue(f"seat_updates.{field}", "must not have an empty id"))
        for field, count in (
            ("add_unassigned_seats", update.add_unassigned_seats),
            ("remove_unassigned_seats", update.remove_unassigned_seats),
        ):
            if count < 0:
                issues.append(Issue(f"seat_updates.{field}", "must not be negative"))
    return issues


def _date_issues(date: datetime, at: str, lived: Life | None) -> list[Issue]:
    if not is_hour(date):
        return [Issue(f"{at}.starting_at", "must be on an hour boundary, in UTC")]
    if lived is not None and date not in lived:
        return [Issue(f"{at}.starting_at", "must be while the subscription is in force")]
    return []
