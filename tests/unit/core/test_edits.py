"""Edits of terms: what they change, what they keep, and what they cannot name."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from tests.support.running_api import utc

from meterline.core.contract.recurring import RecurringAmount, RecurringGrant
from meterline.core.contract.schedule import (
    DatedAmount,
    InvoiceSchedule,
    ScheduledCharge,
    ScheduleItem,
)
from meterline.core.contract.subscription import (
    CollectionSchedule,
    QuantityChange,
    SeatChange,
    Subscription,
)
from meterline.core.edits import (
    AccessEdit,
    AmountEdit,
    ChargeEdit,
    CoverageEdit,
    GrantEdit,
    InvoiceEdit,
    ItemEdit,
    RecurringEdit,
    SegmentEdit,
    SubscriptionEdit,
    edited_charge,
    edited_grant,
    edited_recurring,
    edited_schedule,
    edited_subscription,
    named,
    replaced,
)
from meterline.core.errors import Invalid
from meterline.core.ledger.grant import Grant, GrantKind, GrantSegment, GrantSpecifier
from meterline.core.money import USD_CENTS
from meterline.core.period import Frequency

JANUARY, FEBRUARY, MARCH, APRIL = (utc(2026, month, 1) for month in (1, 2, 3, 4))
PRODUCT = UUID(int=7)


def number(text: str | int) -> Decimal:
    return Decimal(text)


def segment(identity: int, amount: int, start=JANUARY, end=FEBRUARY) -> GrantSegment:  # type: ignore[no-untyped-def]
    return GrantSegment(UUID(int=identity), number(amount), start, end)


def schedule(*items: ScheduleItem) -> InvoiceSchedule:
    return InvoiceSchedule(USD_CENTS, items)


def grant(**more: object) -> Grant:
    made = Grant(
        id=UUID(int=1),
        customer_id=UUID(int=2),
        kind=GrantKind.PREPAID,
        product_id=PRODUCT,
        credit_type=USD_CENTS,
        segments=(segment(10, 100), segment(11, 200, FEBRUARY, MARCH)),
        created_at=JANUARY,
        invoice=schedule(ScheduleItem(UUID(int=20), JANUARY, number(300))),
    )
    return replace(made, **more)  # type: ignore[arg-type]


SUBSCRIPTION = Subscription(
    id=UUID(int=3),
    product_id=PRODUCT,
    billing_frequency=Frequency.MONTHLY,
    collection_schedule=CollectionSchedule.ADVANCE,
    starting_at=JANUARY,
    ending_before=None,
    quantity_changes=(QuantityChange(JANUARY, quantity=number(1)),),
)


def test_what_an_edit_does_not_name_stays() -> None:
    before = grant()
    assert edited_grant(before, GrantEdit(before.id), "") == before
    after = edited_grant(before, GrantEdit(before.id, changes={"name": "new"}), "")
    assert after == replace(before, name="new")


def test_segments_by_id() -> None:
    access = AccessEdit(
        add=(segment(12, 50, MARCH, APRIL),),
        update=(SegmentEdit(UUID(int=11), amount=number(0)),),
        remove=(UUID(int=10),),
    )
    after = edited_grant(grant(), GrantEdit(UUID(int=1), access=access), "")
    assert after.segments == (segment(11, 0, FEBRUARY, MARCH), segment(12, 50, MARCH, APRIL))


def test_segments_are_in_order_of_time() -> None:
    access = AccessEdit(update=(SegmentEdit(UUID(int=10), None, MARCH, APRIL),))
    after = edited_grant(grant(), GrantEdit(UUID(int=1), access=access), "")
    assert [one.id.int for one in after.segments] == [11, 10]


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (
            GrantEdit(UUID(int=1), access=AccessEdit(remove=(UUID(int=99),))),
            "at.access_schedule.remove_schedule_items[0].id",
        ),
        (
            GrantEdit(UUID(int=1), access=AccessEdit(update=(SegmentEdit(UUID(int=99)),))),
            "at.access_schedule.update_schedule_items[0].id",
        ),
        (
            GrantEdit(UUID(int=1), invoice=InvoiceEdit(remove=(UUID(int=99),))),
            "at.invoice_schedule.remove_schedule_items[0].id",
        ),
        (
            GrantEdit(
                UUID(int=1),
                invoice=InvoiceEdit(update=(ItemEdit(UUID(int=20), amount=number(-1)),)),
            ),
            "at.invoice_schedule.update_schedule_items[0].amount",
        ),
        (
            GrantEdit(
                UUID(int=1),
                invoice=InvoiceEdit(
                    add=((UUID(int=21), DatedAmount(utc(2026, 1, 1, 0, 30), number(1))),)
                ),
            ),
            "at.invoice_schedule.add_schedule_items[0].timestamp",
        ),
    ],
)
def test_what_it_cannot_name_or_set_is_refused(edit: GrantEdit, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        edited_grant(grant(), edit, "at.")
    assert caught.value.field == field


def test_an_archived_grant_and_one_that_is_not_invoiced() -> None:
    with pytest.raises(Invalid, match="archived"):
        edited_grant(grant(archived_at=MARCH), GrantEdit(UUID(int=1)), "")
    with pytest.raises(Invalid, match="there is none"):
        edited_grant(grant(invoice=None), GrantEdit(UUID(int=1), invoice=InvoiceEdit()), "")


@pytest.mark.parametrize(
    ("edit", "amount", "unit_price", "quantity"),
    [
        (ItemEdit(UUID(int=20), quantity=number(4)), 40, 10, 4),
        (ItemEdit(UUID(int=20), unit_price=number(7)), 21, 7, 3),
        (ItemEdit(UUID(int=20), unit_price=number(7), quantity=number(2)), 14, 7, 2),
        (ItemEdit(UUID(int=20), amount=number(5)), 5, 5, 1),
        (ItemEdit(UUID(int=20), timestamp=MARCH), 30, 10, 3),
    ],
)
def test_amounts_of_items(edit: ItemEdit, amount: int, unit_price: int, quantity: int) -> None:
    before = schedule(ScheduleItem(UUID(int=20), JANUARY, number(30), number(10), number(3)))
    (after,) = edited_schedule(before, InvoiceEdit(update=(edit,)), "").items
    assert after.id == UUID(int=20)
    assert after.timestamp == (edit.timestamp or JANUARY)
    assert (after.amount, after.unit_price, after.quantity) == (amount, unit_price, quantity)


def test_a_quantity_of_an_item_that_had_an_amount() -> None:
    before = schedule(ScheduleItem(UUID(int=20), JANUARY, number(30)))
    edit = InvoiceEdit(update=(ItemEdit(UUID(int=20), quantity=number(3)),))
    (after,) = edited_schedule(before, edit, "").items
    assert (after.amount, after.unit_price, after.quantity) == (90, 30, 3)


def test_removing_wins_and_items_are_in_order_of_date() -> None:
    before = schedule(
        ScheduleItem(UUID(int=20), JANUARY, number(1)), ScheduleItem(UUID(int=21), MARCH, number(2))
    )
    edit = InvoiceEdit(
        add=((UUID(int=22), DatedAmount(FEBRUARY, number(3))),),
        update=(ItemEdit(UUID(int=20), amount=number(9)),),
        remove=(UUID(int=20),),
    )
    after = edited_schedule(before, edit, "")
    assert [(one.id.int, one.amount) for one in after.items] == [(22, 3), (21, 2)]


PRODUCTS = (GrantSpecifier(UUID(int=30)), GrantSpecifier(UUID(int=31)))
TAGS = (GrantSpecifier(product_tags=("a", "b")),)
MIXED = (GrantSpecifier(UUID(int=30), product_tags=("a",)),)


@pytest.mark.parametrize(
    ("before", "edit", "after"),
    [
        (PRODUCTS, CoverageEdit(), PRODUCTS),
        (PRODUCTS, CoverageEdit(product_ids=()), ()),
        (PRODUCTS + TAGS, CoverageEdit(product_ids=(UUID(int=30),)), (PRODUCTS[0], *TAGS)),
        (PRODUCTS + TAGS, CoverageEdit(product_tags=()), PRODUCTS),
        (PRODUCTS, CoverageEdit(product_tags=("a", "b")), PRODUCTS + TAGS),
        (MIXED, CoverageEdit(product_tags=("a", "b")), TAGS),
        (PRODUCTS + TAGS, CoverageEdit(specifiers=MIXED), MIXED),
        (MIXED, CoverageEdit(specifiers=()), ()),
    ],
)
def test_what_a_grant_may_pay_for(
    before: tuple[GrantSpecifier, ...], edit: CoverageEdit, after: tuple[GrantSpecifier, ...]
) -> None:
    changed = edited_grant(grant(specifiers=before), GrantEdit(UUID(int=1), coverage=edit), "")
    assert changed.specifiers == after


def test_charges() -> None:
    charge = ScheduledCharge(
        UUID(int=40), PRODUCT, schedule(ScheduleItem(UUID(int=20), JANUARY, number(1)))
    )
    assert edited_charge(charge, ChargeEdit(charge.id), "") == charge
    edit = ChargeEdit(charge.id, InvoiceEdit(update=(ItemEdit(UUID(int=20), amount=number(5)),)))
    assert edited_charge(charge, edit, "").schedule.items[0].amount == 5
    with pytest.raises(Invalid, match="archived"):
        edited_charge(replace(charge, archived_at=MARCH), edit, "")


def test_recurring_grants() -> None:
    recurring = RecurringGrant(
        id=UUID(int=50),
        kind=GrantKind.PREPAID,
        product_id=PRODUCT,
        priority=number(1),
        access=RecurringAmount(USD_CENTS, number(10), number(2)),
        duration_periods=1,
        starting_at=JANUARY,
    )
    edit = RecurringEdit(
        recurring.id, access=AmountEdit(unit_price=number(11)), changes={"ending_before": MARCH}
    )
    after = edited_recurring(recurring, edit, "")
    assert (after.access.unit_price, after.access.quantity) == (11, 2)
    assert after.ending_before == MARCH
    with pytest.raises(Invalid, match=r"at\.invoice_amount"):
        edited_recurring(recurring, RecurringEdit(recurring.id, invoice=AmountEdit()), "at.")


def test_subscriptions() -> None:
    more = QuantityChange(FEBRUARY, quantity_delta=number(2))
    after = edited_subscription(SUBSCRIPTION, SubscriptionEdit(SUBSCRIPTION.id, (more,)), "")
    assert after.quantity_changes == (*SUBSCRIPTION.quantity_changes, more)
    seats = SeatChange(FEBRUARY, add_seat_ids=("ann",))
    with pytest.raises(Invalid, match="seat_updates"):
        edited_subscription(SUBSCRIPTION, SubscriptionEdit(SUBSCRIPTION.id, seats=(seats,)), "")
    of_seats = replace(SUBSCRIPTION, quantity_changes=(), seat_group_key="seat")
    after = edited_subscription(of_seats, SubscriptionEdit(SUBSCRIPTION.id, seats=(seats,)), "")
    assert after.seat_changes == (seats,)
    with pytest.raises(Invalid, match="quantity_updates"):
        edited_subscription(of_seats, SubscriptionEdit(SUBSCRIPTION.id, (more,)), "")


def test_parts_by_id() -> None:
    other = replace(SUBSCRIPTION, id=UUID(int=4))
    parts = (SUBSCRIPTION, other)
    assert named(parts, other.id, "x", "subscription") is other
    renamed = replace(other, name="renamed")
    assert replaced(parts, renamed) == (SUBSCRIPTION, renamed)
    with pytest.raises(Invalid, match="x: names no subscription"):
        named(parts, UUID(int=5), "x", "subscription")
