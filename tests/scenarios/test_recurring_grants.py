"""Commits and credits that come again every period. In cents."""

from __future__ import annotations

from typing import Any

import pytest
from tests.scenarios.vendor import (
    USD,
    Vendor,
    day,
    ledger,
    months,
)

JAN, FEB, MAR, APR, MAY = months(1, 2, 3, 4, 5)
NEXT_YEAR = day(1, 1, year=2032)


def recurring(product: str, amount: float, start: Any, **terms: Any) -> dict[str, Any]:
    return {
        "product_id": product,
        "access_amount": {"credit_type_id": USD, "unit_price": amount, "quantity": 1},
        "commit_duration": {"value": 1, "unit": "PERIODS"},
        "priority": 1,
        "starting_at": start,
        **terms,
    }


def test_ten_dollars_a_month_use_it_or_lose_it(vendor: Vendor) -> None:
    """1,000 each month: January uses 600, so 400 are lost; February uses 1,500, so 500 are due."""
    calls, gift = vendor.usage_product("Calls", 100), vendor.product("Gift")
    acme = vendor.customer()
    acme.sign(JAN, recurring_credits=[recurring(gift, 1000, JAN, name="monthly")])
    vendor.go(day(1, 20))
    acme.uses(calls, 6, day(1, 7))
    assert acme.net_balance() == 400
    vendor.go(day(2, 20))
    acme.uses(calls, 15, day(2, 7))
    assert acme.bill(FEB).total == 500
    vendor.go(day(3, 5))
    assert acme.bills() == [("FINALIZED", 0), ("FINALIZED", 500), ("DRAFT", 0)]
    children = sorted(
        acme.grants().values(), key=lambda one: one.access_schedule.schedule_items[0].starting_at
    )
    assert [sorted((kind, amount) for kind, amount, _ in ledger(one)) for one in children] == [
        [("AUTOMATED_INVOICE_DEDUCTION", -600), ("EXPIRATION", -400), ("SEGMENT_START", 1000)],
        [("AUTOMATED_INVOICE_DEDUCTION", -1000), ("SEGMENT_START", 1000)],
        [("SEGMENT_START", 1000)],
    ]


def test_a_pack_bought_every_month(vendor: Vendor) -> None:
    """1,000 of balance for 800 each month, billed at its start."""
    calls, commitment = vendor.usage_product("Calls", 100), vendor.product("Pack")
    acme = vendor.customer()
    acme.sign(
        JAN,
        APR,
        recurring_commits=[
            recurring(
                commitment,
                1000,
                JAN,
                name="pack",
                invoice_amount={"credit_type_id": USD, "unit_price": 800, "quantity": 1},
            )
        ],
    )
    assert [one for one in acme.charges() if one[0] == "FINALIZED"] == [("FINALIZED", 800)]
    vendor.go(day(2, 20))
    acme.uses(calls, 12, day(2, 7))
    assert [one for one in acme.charges() if one[0] == "FINALIZED"] == [("FINALIZED", 800)] * 2
    assert acme.bill(FEB).total == 200


def test_a_monthly_credit_that_lives_for_two_months(vendor: Vendor) -> None:
    """1,000 each month, good for two. January uses 200; February 1,700: 800 of January's go first, then 900."""
    calls, gift = vendor.usage_product("Calls", 100), vendor.product("Gift")
    acme = vendor.customer()
    acme.sign(
        JAN,
        recurring_credits=[
            recurring(gift, 1000, JAN, commit_duration={"value": 2, "unit": "PERIODS"})
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 2, day(1, 7))
    vendor.go(day(2, 20))
    acme.uses(calls, 17, day(2, 7))
    assert acme.bill(FEB).total == 0
    assert acme.net_balance() == 100
    assert sorted(one.balance for one in acme.grants().values()) == [0, 100]


@pytest.mark.parametrize(("proration", "amount"), [(None, 500), ("NONE", 1000), ("LAST", 1000)])
def test_the_first_month_of_a_monthly_credit_is_cut(
    april: Vendor, proration: str | None, amount: float
) -> None:
    """Signed on the 16th of April, half of the month: half of the 1,000, unless agreed otherwise."""
    gift = april.product("Gift")
    acme = april.customer()
    april.go(day(4, 16))
    terms = {} if proration is None else {"proration": proration}
    acme.sign(day(4, 16), recurring_credits=[recurring(gift, 1000, day(4, 16), **terms)])
    assert acme.net_balance() == amount
    april.go(day(5, 2))
    assert acme.net_balance() == 1000
