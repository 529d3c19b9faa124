"""Seats and fixed fees: in advance and in arrears, more and fewer in mid-month. April has thirty days; in cents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.scenarios.vendor import USD, Vendor, access, by_type, day, due, lines, months

APR, MAY, JUN, JUL = months(4, 5, 6, 7)


def subscription(product: str, quantity: float | None, **terms: Any) -> dict[str, Any]:
    """A monthly one in advance, prorated and billed at once, unless told otherwise."""
    return {
        "subscription_rate": {"product_id": product, "billing_frequency": "MONTHLY"},
        "collection_schedule": "ADVANCE",
        **({} if quantity is None else {"initial_quantity": quantity}),
        "proration": {"is_prorated": True, "invoice_behavior": "BILL_IMMEDIATELY"},
        **terms,
    }


def change(contract: Any, *, at: datetime, **quantity: float) -> dict[str, Any]:
    """An edit of the contract's only subscription."""
    (one,) = contract.subscriptions
    updates = [{"starting_at": at, **quantity}]
    return {"update_subscriptions": [{"subscription_id": one.id, "quantity_updates": updates}]}


def final_charges(customer: Any) -> list[float]:
    return [total for status, total in customer.charges() if status == "FINALIZED"]


def test_ten_seats_in_advance(april: Vendor) -> None:
    """10 seats at 30 dollars: April's are billed at once, May's with April's usage, which ends as May begins."""
    seat, calls = april.seat(3000), april.usage_product("Calls", 100)
    acme = april.customer()
    acme.sign(APR, subscriptions=[subscription(seat, 10)])
    assert final_charges(acme) == [30_000]
    april.go(day(4, 20))
    acme.uses(calls, 7, day(4, 7))
    bill = acme.bill(APR)
    assert by_type(bill) == {"usage": 700, "subscription": 30_000}
    (line,) = lines(bill, "subscription")
    assert line == ("Seat", 10, 3000, 30_000)
    april.go(day(5, 2))
    assert acme.bills()[0] == ("FINALIZED", 30_700)
    assert final_charges(acme) == [30_000]


def test_two_more_seats_in_mid_month_billed_at_once(april: Vendor) -> None:
    """From the 16th of April 12 seats: 2 x 30 dollars x 15/30 days = 30 dollars now, and 12 seats for May."""
    seat = april.seat(3000)
    acme = april.customer()
    contract = acme.sign(APR, subscriptions=[subscription(seat, 10)])
    april.go(day(4, 16))
    acme.edit(contract, **change(acme.contract(contract), at=day(4, 16), quantity_delta=2))
    assert final_charges(acme) == [30_000, 3000]
    assert acme.bill(APR).total == 36_000


def test_two_more_seats_in_mid_month_billed_with_the_next(april: Vendor) -> None:
    """The same, on the next collection date: 30 dollars beside the 360 for May."""
    seat = april.seat(3000)
    acme = april.customer()
    contract = acme.sign(
        APR,
        subscriptions=[
            subscription(
                seat,
                10,
                proration={"is_prorated": True, "invoice_behavior": "BILL_ON_NEXT_COLLECTION_DATE"},
            )
        ],
    )
    april.go(day(4, 16))
    acme.edit(contract, **change(acme.contract(contract), at=day(4, 16), quantity=12))
    assert final_charges(acme) == [30_000]
    assert acme.bill(APR).total == 39_000
    assert sorted(total for *_, total in lines(acme.bill(APR), "subscription")) == [3000, 36_000]


def test_more_seats_that_are_not_prorated(april: Vendor) -> None:
    """Not prorated, two more seats in mid-month cost a whole month: 60 dollars."""
    seat = april.seat(3000)
    acme = april.customer()
    contract = acme.sign(
        APR,
        subscriptions=[
            subscription(
                seat, 10, proration={"is_prorated": False, "invoice_behavior": "BILL_IMMEDIATELY"}
            )
        ],
    )
    april.go(day(4, 16))
    acme.edit(contract, **change(acme.contract(contract), at=day(4, 16), quantity=12))
    assert final_charges(acme) == [30_000, 6000]


def test_prorated_prices_are_rounded_as_agreed(april: Vendor) -> None:
    """A seat at 10.99 from the 20th: 1099 x 11/30 = 402.96..; to whole dollars, down: 400. Three seats: 1,200."""
    seat = april.seat(1099)
    acme = april.customer()
    contract = acme.sign(
        APR,
        subscriptions=[
            subscription(
                seat,
                1,
                proration={
                    "is_prorated": True,
                    "invoice_behavior": "BILL_IMMEDIATELY",
                    "rounding": {"decimal_places": -2, "rounding_method": "FLOOR"},
                },
            )
        ],
    )
    april.go(day(4, 20))
    acme.edit(contract, **change(acme.contract(contract), at=day(4, 20), quantity_delta=3))
    assert final_charges(acme) == [1099, 1200]


def test_fewer_seats_are_not_refunded(april: Vendor) -> None:
    """From 10 to 6 on the 16th: nothing for April, 6 seats for May."""
    seat = april.seat(3000)
    acme = april.customer()
    contract = acme.sign(APR, subscriptions=[subscription(seat, 10)])
    april.go(day(4, 16))
    acme.edit(contract, **change(acme.contract(contract), at=day(4, 16), quantity=6))
    assert final_charges(acme) == [30_000]
    assert acme.bill(APR).total == 18_000


def test_seats_in_arrears(april: Vendor) -> None:
    """4 seats at 30 dollars are billed with April's usage, after April."""
    seat = april.seat(3000)
    acme = april.customer()
    acme.sign(APR, subscriptions=[subscription(seat, 4, collection_schedule="ARREARS")])
    assert acme.charges() == []
    april.go(day(5, 2))
    assert acme.bills() == [("FINALIZED", 12_000), ("DRAFT", 12_000)]


def test_seats_added_in_arrears(april: Vendor) -> None:
    """4 seats, 6 from the 16th: 4 x 3,000 + 2 x 1,500 = 15,000 for April."""
    seat = april.seat(3000)
    acme = april.customer()
    contract = acme.sign(
        APR,
        subscriptions=[
            subscription(
                seat,
                4,
                collection_schedule="ARREARS",
                proration={"is_prorated": True, "invoice_behavior": "BILL_ON_NEXT_COLLECTION_DATE"},
            )
        ],
    )
    april.go(day(4, 16))
    acme.edit(contract, **change(acme.contract(contract), at=day(4, 16), quantity=6))
    assert acme.bill(APR).total == 15_000


def test_a_first_month_that_is_half(april: Vendor) -> None:
    """Signed on the 16th of April, billed by the calendar month: half of 10 x 3,000 now, the whole for May."""
    seat = april.seat(3000)
    acme = april.customer()
    april.go(day(4, 16))
    acme.sign(day(4, 16), subscriptions=[subscription(seat, 10)])
    assert final_charges(acme) == [15_000]
    assert acme.bill(day(4, 16)).total == 30_000


def test_a_yearly_fee(april: Vendor) -> None:
    """1,200 dollars a year in advance: once in April, and not again with any month of the year."""
    fee = april.product("Platform", "SUBSCRIPTION")
    april.price(fee, price=120_000, billing_frequency="ANNUAL")
    acme = april.customer()
    acme.sign(
        APR,
        usage_statement_schedule={"frequency": "MONTHLY", "day": "CONTRACT_START"},
        subscriptions=[
            subscription(
                fee, 1, subscription_rate={"product_id": fee, "billing_frequency": "ANNUAL"}
            )
        ],
    )
    assert final_charges(acme) == [120_000]
    april.go(day(7, 2))
    assert final_charges(acme) == [120_000]
    assert acme.bills() == [("FINALIZED", 0)] * 3 + [("DRAFT", 0)]


def test_the_first_month_is_free(april: Vendor) -> None:
    """A trial: the price is 0 for April. May costs 10 x 30 dollars."""
    seat = april.seat(3000)
    acme = april.customer()
    acme.sign(
        APR,
        subscriptions=[subscription(seat, 10)],
        overrides=[
            {
                "type": "OVERWRITE",
                "starting_at": APR,
                "ending_before": MAY,
                "override_specifiers": [{"product_id": seat, "billing_frequency": "MONTHLY"}],
                "overwrite_rate": {"rate_type": "FLAT", "price": 0},
            }
        ],
    )
    assert sum(final_charges(acme)) == 0
    assert acme.bill(APR).total == 30_000


def test_a_dearer_seat_bites_with_the_next_month(april: Vendor) -> None:
    """30 dollars, 40 from the 16th of April: April stays at 30, also for a seat added on the 21st (10 of 30 days);
    May is at 40.
    """
    seat = april.seat(3000)
    april.price(seat, price=4000, since=day(4, 16), billing_frequency="MONTHLY")
    acme = april.customer()
    contract = acme.sign(APR, subscriptions=[subscription(seat, 1)])
    april.go(day(4, 21))
    acme.edit(contract, **change(acme.contract(contract), at=day(4, 21), quantity=2))
    assert final_charges(acme) == [3000, 1000]
    assert acme.bill(APR).total == 8000


def test_a_credit_pays_for_seats_too(april: Vendor) -> None:
    """5,000 given without restriction, one seat in arrears at 3,000: nothing due, 2,000 left."""
    seat, gift = april.seat(3000), april.product("Gift")
    acme = april.customer()
    acme.sign(
        APR,
        subscriptions=[subscription(seat, 1, collection_schedule="ARREARS")],
        credits=[{"product_id": gift, "name": "gift", "access_schedule": access(5000, APR, JUL)}],
    )
    april.go(day(5, 2))
    assert acme.bills()[0] == ("FINALIZED", 0)
    assert by_type(acme.bill(APR)) == {"subscription": 3000, "applied_commit_or_credit": -3000}


def test_a_credit_for_calls_does_not_pay_for_seats(april: Vendor) -> None:
    seat, gift = april.seat(3000), april.product("Gift")
    calls = april.usage_product("Calls", 100)
    acme = april.customer()
    acme.sign(
        APR,
        subscriptions=[subscription(seat, 1, collection_schedule="ARREARS")],
        credits=[
            {
                "product_id": gift,
                "name": "gift",
                "access_schedule": access(5000, APR, JUL),
                "applicable_product_ids": [calls],
            }
        ],
    )
    april.go(day(4, 20))
    acme.uses(calls, 10, day(4, 7))
    assert acme.bill(APR).total == 3000
    assert acme.balances() == {"gift": 4000}


def test_credits_come_with_seats(april: Vendor) -> None:
    """Each of 5 seats brings 2 dollars a month into one pot: 1,000. 1,300 are used, 300 due."""
    seat, gift = april.seat(3000), april.product("Gift")
    calls = april.usage_product("Calls", 100)
    acme = april.customer()
    acme.sign(
        APR,
        subscriptions=[subscription(seat, 5, temporary_id="seats")],
        recurring_credits=[
            {
                "product_id": gift,
                "access_amount": {"credit_type_id": USD, "unit_price": 200},
                "commit_duration": {"value": 1, "unit": "PERIODS"},
                "priority": 1,
                "starting_at": APR,
                "applicable_product_ids": [calls],
                "subscription_config": {
                    "subscription_id": "seats",
                    "allocation": "POOLED",
                    "apply_seat_increase_config": {"is_prorated": True},
                },
            }
        ],
    )
    assert acme.net_balance() == 1000
    april.go(day(4, 20))
    acme.uses(calls, 13, day(4, 7))
    assert by_type(acme.bill(APR)) == {
        "usage": 1300,
        "applied_commit_or_credit": -1000,
        "subscription": 15_000,
    }


def test_named_seats(april: Vendor) -> None:
    """Ann and Bob have seats, one more is unassigned; Cem takes it, Dot gets a new one: 3 seats, then 4.

    On the 16th of April one more seat costs 3,000 x 15/30 = 1,500.
    """
    seat = april.seat(3000)
    acme = april.customer()
    contract = acme.sign(
        APR,
        subscriptions=[
            subscription(
                seat,
                None,
                quantity_management_mode="SEAT_BASED",
                seat_config={
                    "seat_group_key": "user",
                    "initial_seat_ids": ["ann", "bob"],
                    "initial_unassigned_seats": 1,
                },
            )
        ],
    )
    assert final_charges(acme) == [9000]
    april.go(day(4, 16))
    (one,) = acme.contract(contract).subscriptions
    acme.edit(
        contract,
        update_subscriptions=[
            {
                "subscription_id": one.id,
                "seat_updates": {
                    "add_seat_ids": [{"seat_ids": ["cem", "dot"], "starting_at": day(4, 16)}]
                },
            }
        ],
    )
    assert final_charges(acme) == [9000, 1500]
    assert acme.bill(APR).total == 12_000


def test_a_subscription_that_ends(april: Vendor) -> None:
    """In advance, ending with May: April now, May on April's bill, and nothing on May's."""
    seat = april.seat(3000)
    acme = april.customer()
    acme.sign(APR, subscriptions=[subscription(seat, 1, ending_before=JUN)])
    april.go(day(6, 5))
    assert acme.bills() == [("FINALIZED", 3000), ("FINALIZED", 0), ("DRAFT", 0)]
    assert final_charges(acme) == [3000]


def test_a_fee_on_an_invoice_of_its_own(april: Vendor) -> None:
    """Placed on scheduled invoices: one on the first of each month, together with a charge of the same date."""
    seat, setup = april.seat(3000), april.product("Set-up")
    acme = april.customer()
    acme.sign(
        APR,
        subscriptions=[
            subscription(
                seat, 1, billing_cycle_config={"invoice_placement": "ON_SCHEDULED_INVOICE"}
            )
        ],
        scheduled_charges=[{"product_id": setup, "schedule": due((500, MAY))}],
    )
    assert final_charges(acme) == [3000]
    april.go(day(5, 2))
    assert final_charges(acme) == [3000, 3500]
    assert acme.bills()[0] == ("FINALIZED", 0)


def test_monthly_seats_on_weekly_statements(april: Vendor) -> None:
    """Weeks from the first of April end on the 8th, 15th, 22nd, 29th: none ends as May begins, so May has its own."""
    seat = april.seat(3000)
    acme = april.customer()
    acme.sign(
        APR,
        usage_statement_schedule={"frequency": "WEEKLY", "day": "CONTRACT_START"},
        subscriptions=[subscription(seat, 1)],
    )
    april.go(day(5, 2))
    assert final_charges(acme) == [3000, 3000]
    assert [total for _, total in acme.bills()] == [0] * 5


def test_seats_go_down_and_up_again_within_a_month(april: Vendor) -> None:
    """10, then 6 on the 6th, 9 on the 11th, 12 on the 16th: only the two above 10 are charged, for half a month."""
    seat = april.seat(3000)
    acme = april.customer()
    contract = acme.sign(APR, subscriptions=[subscription(seat, 10)])
    for number, quantity in ((6, 6), (11, 9), (16, 12)):
        april.go(day(4, number))
        acme.edit(contract, **change(acme.contract(contract), at=day(4, number), quantity=quantity))
    assert final_charges(acme) == [30_000, 3000]
    assert acme.bill(APR).total == 36_000


def test_seats_that_are_to_come_are_not_charged_before(april: Vendor) -> None:
    """On the 10th two more are agreed for the 16th: charged on the 16th."""
    seat = april.seat(3000)
    acme = april.customer()
    contract = acme.sign(APR, subscriptions=[subscription(seat, 10)])
    april.go(day(4, 10))
    acme.edit(contract, **change(acme.contract(contract), at=day(4, 16), quantity_delta=2))
    april.go(day(4, 15, 23))
    assert final_charges(acme) == [30_000]
    april.go(day(4, 16))
    assert final_charges(acme) == [30_000, 3000]
