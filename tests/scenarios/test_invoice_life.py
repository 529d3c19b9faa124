"""Drafts, finals, late usage, void and regenerate, and the clock. In cents."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import metronome
import pytest
from tests.scenarios.conftest import NewVendor
from tests.scenarios.vendor import Customer, Vendor, access, by_type, day, due, ledger, months

JAN, FEB, MAR, APR = months(1, 2, 3, 4)


def gift(product: str, amount: float, start: datetime, end: datetime) -> dict[str, Any]:
    return {"product_id": product, "name": "gift", "access_schedule": access(amount, start, end)}


def test_a_day_of_grace(vendor: Vendor) -> None:
    """January's bill keeps its id, is a draft through the 1st of February, and final as the 2nd begins."""
    calls = vendor.usage_product("Calls", 10)
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 20))
    acme.uses(calls, 5, day(1, 7))
    draft = acme.bill(JAN)
    assert (draft.status, draft.total) == ("DRAFT", 50)
    vendor.go(day(2, 1, 23))
    assert acme.bill(JAN).status == "DRAFT"
    vendor.go(day(2, 2))
    final = acme.bill(JAN)
    assert (final.id, final.status, final.total) == (draft.id, "FINALIZED", 50)
    assert final.issued_at == day(2, 2)


def test_late_usage(vendor: Vendor) -> None:
    """What comes in the day of grace still counts; what comes later changes no final bill, until it is made anew."""
    calls = vendor.usage_product("Calls", 10)
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(2, 1, 12))
    acme.uses(calls, 5, day(1, 31, 23))
    assert acme.bill(JAN).total == 50
    vendor.go(day(2, 5))
    acme.uses(calls, 3, day(1, 31, 22))
    january = acme.bill(JAN)
    assert (january.status, january.total) == ("FINALIZED", 50)
    vendor.sdk.v1.invoices.void(id=january.id)
    again = vendor.sdk.v1.invoices.regenerate(id=january.id).data.id
    assert again != january.id
    anew = acme.bill(JAN)
    assert (anew.id, anew.status, anew.total) == (again, "FINALIZED", 80)
    old = vendor.sdk.v1.customers.invoices.retrieve(customer_id=acme.id, invoice_id=january.id).data
    assert (old.status, old.total) == ("VOID", 50)


def test_a_void_bill_gives_back_what_credits_paid(vendor: Vendor) -> None:
    """2,000 until April; January's bill took 500. Void: 500 come back. Made anew at 20 a call: 1,000 go."""
    calls, present = vendor.usage_product("Calls", 10), vendor.product("Gift")
    acme = vendor.customer()
    contract = acme.sign(JAN, credits=[gift(present, 2000, JAN, APR)])
    vendor.go(day(1, 20))
    acme.uses(calls, 50, day(1, 7))
    vendor.go(day(2, 10))
    assert acme.net_balance() == 1500
    january = acme.bill(JAN)
    vendor.sdk.v1.invoices.void(id=january.id)
    assert acme.net_balance() == 2000
    acme.edit(
        contract,
        add_overrides=[
            {
                "type": "OVERWRITE",
                "product_id": calls,
                "starting_at": JAN,
                "overwrite_rate": {"rate_type": "FLAT", "price": 20},
            }
        ],
    )
    vendor.sdk.v1.invoices.regenerate(id=january.id)
    assert by_type(acme.bill(JAN)) == {"usage": 1000, "applied_commit_or_credit": -1000}
    assert acme.net_balance() == 1000
    assert sorted((kind, amount) for kind, amount, _ in ledger(acme.grant("gift"))) == [
        ("AUTOMATED_INVOICE_DEDUCTION", -1000),
        ("AUTOMATED_INVOICE_DEDUCTION", -500),
        ("CREDITED", 500),
        ("SEGMENT_START", 2000),
    ]


def test_a_bill_made_anew_takes_from_a_credit_that_had_expired(vendor: Vendor) -> None:
    """1,000 for January only, 600 used, 400 expired. 300 come late: made anew, the bill takes 900, 100 expire."""
    calls, present = vendor.usage_product("Calls", 10), vendor.product("Gift")
    acme = vendor.customer()
    acme.sign(JAN, credits=[gift(present, 1000, JAN, FEB)])
    vendor.go(day(1, 20))
    acme.uses(calls, 60, day(1, 7))
    vendor.go(day(2, 10))
    acme.uses(calls, 30, day(1, 31))
    january = acme.bill(JAN)
    assert ("EXPIRATION", -400, FEB) in ledger(acme.grant("gift"))
    vendor.sdk.v1.invoices.void(id=january.id)
    vendor.sdk.v1.invoices.regenerate(id=january.id)
    assert by_type(acme.bill(JAN)) == {"usage": 900, "applied_commit_or_credit": -900}
    entries = ledger(acme.grant("gift"))
    assert sum(amount for _, amount, _ in entries) == 0
    assert sum(amount for kind, amount, _ in entries if kind == "EXPIRATION") == -100


@pytest.mark.parametrize("status", ["DRAFT", "VOID"])
def test_only_a_final_bill_can_be_voided(vendor: Vendor, status: str) -> None:
    acme = vendor.customer()
    acme.sign(JAN)
    if status == "VOID":
        vendor.go(day(2, 10))
        vendor.sdk.v1.invoices.void(id=acme.bill(JAN).id)
        (one,) = [one for one in acme.invoices() if one.status == "VOID"]
    else:
        one = acme.bill(JAN)
    with pytest.raises(metronome.APIStatusError) as refused:
        vendor.sdk.v1.invoices.void(id=one.id)
    assert refused.value.status_code in {400, 404, 409}


def test_a_void_bill_is_made_anew_once(vendor: Vendor) -> None:
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(2, 10))
    january = acme.bill(JAN).id
    with pytest.raises(metronome.APIStatusError):
        vendor.sdk.v1.invoices.regenerate(id=january)
    vendor.sdk.v1.invoices.void(id=january)
    vendor.sdk.v1.invoices.regenerate(id=january)
    with pytest.raises(metronome.APIStatusError):
        vendor.sdk.v1.invoices.regenerate(id=january)
    assert [one.status for one in acme.invoices() if one.start_timestamp == JAN].count(
        "FINALIZED"
    ) == 1


def test_days_add_up_to_the_bill(vendor: Vendor) -> None:
    """10 a day at 3, 1 from the twenty-first on: 20 x 3 + 15 x 1 = 75 by the bill and by its days."""
    calls = vendor.usage_product("Calls")
    vendor.price(calls, tiers=[{"price": 3, "size": 20}, {"price": 1}])
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 20))
    for number, n in ((3, 10), (5, 15), (9, 10)):
        acme.uses(calls, n, day(1, number, 7))
    rows = list(
        acme.sdk.v1.customers.invoices.list_breakdowns(
            customer_id=acme.id, starting_on=JAN, ending_before=day(1, 20), window_size="DAY"
        )
    )
    assert acme.bill(JAN).total == 75
    totals = {row.breakdown_start_timestamp: row.total for row in rows if row.total}
    assert totals == {day(1, 3): 30, day(1, 5): 35, day(1, 9): 10}


def agreed(vendor: Vendor) -> tuple[Customer, str]:
    """Everything at once: usage, a credit that expires, a promise, monthly credits, seats and a fee."""
    calls, present = vendor.usage_product("Calls", 100), vendor.product("Gift")
    seat, fee = vendor.seat(3000), vendor.product("Fee")
    acme = vendor.customer()
    acme.sign(
        JAN,
        APR,
        commits=[
            {
                "type": "POSTPAID",
                "name": "promise",
                "product_id": present,
                "access_schedule": access(50_000, JAN, APR),
                "invoice_schedule": due((50_000, APR)),
                "applicable_product_ids": [calls],
            }
        ],
        credits=[gift(present, 1000, JAN, day(2, 16))],
        recurring_credits=[
            {
                "product_id": present,
                "name": "monthly",
                "access_amount": {
                    "credit_type_id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2",
                    "unit_price": 500,
                    "quantity": 1,
                },
                "commit_duration": {"value": 1, "unit": "PERIODS"},
                "priority": 1,
                "starting_at": JAN,
            }
        ],
        scheduled_charges=[{"product_id": fee, "schedule": due((700, FEB), (700, MAR))}],
        subscriptions=[
            {
                "subscription_rate": {"product_id": seat, "billing_frequency": "MONTHLY"},
                "collection_schedule": "ADVANCE",
                "initial_quantity": 2,
                "proration": {"is_prorated": True, "invoice_behavior": "BILL_IMMEDIATELY"},
            }
        ],
    )
    vendor.go(day(1, 10))
    acme.uses(calls, 40, day(1, 7))
    vendor.send()
    return acme, calls


def books(customer: Customer) -> Any:
    """Everything a customer sees, without ids."""
    invoices = [
        (
            one.type,
            one.status,
            one.start_timestamp,
            one.end_timestamp,
            one.issued_at,
            one.total,
            [(line.type, line.name, line.quantity, line.total) for line in one.line_items],
        )
        for one in customer.invoices(sort="date_asc")
    ]
    grants = sorted(
        (one.name, one.balance, sorted(ledger(one))) for one in customer.grants().values()
    )
    return sorted(invoices, key=repr), grants


def test_one_step_or_many(new_vendor: NewVendor) -> None:
    """Moved to the 10th of April at once, day by day around month ends, or in odd steps: the same books."""
    end = day(4, 10)
    paths = [
        [],
        [JAN + timedelta(days=number) for number in (31, 32, 46, 59, 60, 90, 91, 92)],
        [JAN + timedelta(hours=371 * number) for number in range(1, 7)],
    ]
    results = []
    for path in paths:
        vendor = new_vendor(JAN)
        acme, _ = agreed(vendor)
        for to in [one for one in path if one > day(1, 10)]:
            vendor.go(to)
        vendor.go(end)
        results.append(books(acme))
    assert results[0] == results[1] == results[2]
    invoices, grants = results[0]
    assert {one[1] for one in invoices} == {"FINALIZED"}
    assert {sum(amount for _, amount, _ in entries) for _, _, entries in grants} == {0}


def test_what_is_not_due_does_nothing(vendor: Vendor) -> None:
    """Moving the clock to where it stands, and reading, change nothing."""
    acme, _ = agreed(vendor)
    vendor.go(day(2, 3))
    before = books(acme)
    vendor.go(day(2, 3))
    assert books(acme) == before


def test_days_and_hours_of_a_bill_with_everything(vendor: Vendor) -> None:
    """40 calls at 100, a credit of 1,000 and 500 of the month, two seats in advance: days add up to the bill.

    4,000 for calls, 1,500 paid; 6,000 for February's seats, of which February's 500 pay a part: 8,000.
    """
    acme, _ = agreed(vendor)
    vendor.go(day(2, 5))
    january = acme.bill(JAN)
    assert january.total == 8000
    breakdowns = acme.sdk.v1.customers.invoices.list_breakdowns
    days = list(breakdowns(customer_id=acme.id, starting_on=JAN, ending_before=FEB, limit=100))
    mine = [row for row in days if row.id == january.id]
    assert sum(row.total for row in mine) == 8000
    by_day = {row.breakdown_start_timestamp: by_type(row) for row in mine if row.line_items}
    assert by_day[day(1, 7)]["usage"] == 4000
    assert (
        sum(one.get("applied_commit_or_credit", 0) for one in by_day.values())
        == by_type(january)["applied_commit_or_credit"]
    )
    hours = list(
        breakdowns(
            customer_id=acme.id,
            starting_on=day(1, 7),
            ending_before=day(1, 8),
            window_size="HOUR",
            limit=100,
        )
    )
    assert sum(by_type(row).get("usage", 0) for row in hours if row.id == january.id) == 4000


def test_a_fee_voided_and_billed_again(vendor: Vendor) -> None:
    """A void fee is not billed by itself again; made anew it has another id and the same amount."""
    fee = vendor.product("Fee")
    acme = vendor.customer()
    acme.sign(JAN, scheduled_charges=[{"product_id": fee, "schedule": due((700, JAN))}])
    (first,) = acme.invoices(type="SCHEDULED")
    vendor.sdk.v1.invoices.void(id=first.id)
    vendor.go(day(2, 5))
    assert acme.charges() == [("VOID", 700)]
    again = vendor.sdk.v1.invoices.regenerate(id=first.id).data.id
    assert again != first.id
    assert sorted(acme.charges()) == [("FINALIZED", 700), ("VOID", 700)]


def test_a_credit_that_was_edited_after_the_bill_pays_when_it_is_made_anew(vendor: Vendor) -> None:
    """2,000 of usage, a credit of 500. Raised to 1,500 after the bill was final, and the bill made anew: 500 due."""
    calls, present = vendor.usage_product("Calls", 100), vendor.product("Gift")
    acme = vendor.customer()
    contract = acme.sign(JAN, credits=[gift(present, 500, JAN, APR)])
    vendor.go(day(1, 20))
    acme.uses(calls, 20, day(1, 7))
    vendor.go(day(2, 10))
    january = acme.bill(JAN)
    assert january.total == 1500
    credit = acme.grant("gift")
    segment = credit.access_schedule.schedule_items[0].id
    acme.edit(
        contract,
        update_credits=[
            {
                "credit_id": credit.id,
                "access_schedule": {"update_schedule_items": [{"id": segment, "amount": 1500}]},
            }
        ],
    )
    assert acme.bill(JAN).total == 1500
    assert acme.net_balance() == 1000
    vendor.sdk.v1.invoices.void(id=january.id)
    vendor.sdk.v1.invoices.regenerate(id=january.id)
    assert acme.bill(JAN).total == 500
    assert acme.net_balance() == 0
