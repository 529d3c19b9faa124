"""Recurring credits by seat: one balance for all, or one for each."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tests.unit.core.builders import uid, utc
from tests.unit.core.lifecycle.test_dates import with_seats
from tests.unit.core.lifecycle.world import FEBRUARY, FIXED, JANUARY, Books

from meterline.core.contract.recurring import RecurringAmount, RecurringGrant, SeatAllocation
from meterline.core.contract.subscription import QuantityChange, SeatChange
from meterline.core.ledger.grant import GrantKind
from meterline.core.money import USD_CENTS


def by_seat(allocation: SeatAllocation, **terms: object) -> RecurringGrant:
    """A credit of 31 a seat each month."""
    return RecurringGrant(
        uid(450),
        GrantKind.CREDIT,
        FIXED,
        Decimal(1),
        RecurringAmount(USD_CENTS, Decimal(31)),
        1,
        JANUARY,
        subscription_id=uid(900),
        allocation=allocation,
        **terms,  # type: ignore[arg-type]
    )


def crediting(books: Books, recurring: RecurringGrant, **terms: object) -> None:
    (contract,) = books.account.contracts
    (seats,) = contract.subscriptions
    changed = replace(seats, **terms)  # type: ignore[arg-type]
    books.change(
        contracts=(replace(contract, recurring_grants=(recurring,), subscriptions=(changed,)),)
    )


def entries(books: Books) -> list[tuple[str, str, str]]:
    return [
        (entry.type.value, str(entry.amount), f"{entry.timestamp:%m-%d}")
        for entry in books.account.entries
    ]


def test_seats_that_come_in_mid_period_add_to_the_balance_they_share() -> None:
    books = with_seats()
    pooled = by_seat(SeatAllocation.POOLED)
    crediting(books, pooled)
    books.move(utc(2027, 1, 11))
    more = QuantityChange(utc(2027, 1, 11), Decimal(7))
    fewer = QuantityChange(utc(2027, 1, 15), Decimal(6))
    first = QuantityChange(JANUARY, Decimal(5))
    crediting(books, pooled, quantity_changes=(first, more, fewer))
    books.move(FEBRUARY)
    assert entries(books) == [
        ("SEGMENT_START", "155", "01-01"),
        ("SEAT_BASED_ADJUSTMENT", "62", "01-11"),
        ("SEGMENT_START", "186", "02-01"),
    ]


def test_seats_that_come_late_may_be_prorated() -> None:
    books = with_seats()
    pooled = by_seat(SeatAllocation.POOLED, prorates_seat_increases=True)
    changes = (QuantityChange(JANUARY, Decimal(5)), QuantityChange(utc(2027, 1, 11), Decimal(7)))
    crediting(books, pooled, quantity_changes=changes)
    books.move(utc(2027, 1, 20))
    # Two seats for 21 of January's 31 days.
    assert entries(books)[1:] == [("SEAT_BASED_ADJUSTMENT", "42", "01-11")]


def test_each_seat_has_a_balance_of_its_own() -> None:
    books = with_seats(quantity_changes=())
    seats = (
        SeatChange(JANUARY, add_seat_ids=("ann", "bob")),
        SeatChange(utc(2027, 1, 11), add_seat_ids=("cid",), remove_seat_ids=("bob",)),
    )
    crediting(
        books,
        by_seat(SeatAllocation.INDIVIDUAL),
        seat_group_key="user",
        seat_changes=seats,
    )
    assert [grant.seat_id for grant in books.account.grants] == ["ann", "bob"]
    books.move(FEBRUARY)
    assert sorted(
        (grant.seat_id or "", f"{grant.segments[0].starting_at:%m-%d}")
        for grant in books.account.grants
    ) == [
        ("ann", "01-01"),
        ("ann", "02-01"),
        ("bob", "01-01"),
        ("cid", "01-11"),
        ("cid", "02-01"),
    ]
    assert {grant.seat_group_key for grant in books.account.grants} == {"user"}
