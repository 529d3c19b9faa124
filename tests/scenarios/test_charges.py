"""Percentages of spend, promises of a year, schedules that do not divide, seats in odd rhythms. In cents."""

from __future__ import annotations

from typing import Any

from tests.scenarios.vendor import USD, Customer, Vendor, by_type, day, due, lines, months

JAN, FEB, MAR, APR = months(1, 2, 3, 4)
NEXT_YEAR = day(1, 1, year=2032)


def support(vendor: Vendor, *, name: str = "Support", price: float = 0.1, **terms: Any) -> str:
    """A composite product at a percentage, a tenth unless told otherwise."""
    product = vendor.product(name, "COMPOSITE", **terms)
    vendor.price(product, rate_type="PERCENTAGE", price=price)
    return product


def finals(customer: Customer) -> list[float]:
    """The totals of the final invoices of dates."""
    return [total for status, total in customer.charges() if status == "FINALIZED"]


def test_support_that_becomes_dearer_in_mid_month(vendor: Vendor) -> None:
    """A tenth of what is spent until the 16th, a fifth from then on: 100 of 1,000 and 100 of 500."""
    calls = vendor.usage_product("Calls", 100)
    fee = support(vendor, composite_product_ids=[calls])
    vendor.price(fee, rate_type="PERCENTAGE", price=0.2, since=day(1, 16))
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 25))
    acme.uses(calls, 10, day(1, 7))
    acme.uses(calls, 5, day(1, 20))
    of_support = [line for line in lines(acme.bill(JAN)) if line[0] == "Support"]
    assert of_support == [("Support", 1000, 0.1, 100), ("Support", 500, 0.2, 100)]
    assert acme.bill(JAN).total == 1700


def test_support_by_tiers_of_spend(vendor: Vendor) -> None:
    """10 % of the first 1,000 and 5 % of the rest: of 1,600, that is 130."""
    calls = vendor.usage_product("Calls", 100)
    fee = vendor.product("Support", "COMPOSITE", composite_product_ids=[calls])
    tiers = [{"price": 0.1, "size": 1000}, {"price": 0.05}]
    vendor.price(fee, rate_type="TIERED_PERCENTAGE", tiers=tiers)
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 25))
    acme.uses(calls, 16, day(1, 7))
    of_support = [line for line in lines(acme.bill(JAN)) if line[0] == "Support"]
    assert of_support == [("Support", 1000, 0.1, 100), ("Support", 600, 0.05, 30)]


def test_support_counts_seats_on_the_same_invoice_and_what_grants_paid(vendor: Vendor) -> None:
    """A tenth of 1,000 of calls, paid by a gift, and of a seat of 3,000 in arrears: 400."""
    calls, seat = vendor.usage_product("Calls", 100), vendor.seat(3000)
    gift = vendor.product("Gift")
    support(vendor, composite_product_ids=[calls, seat])
    acme = vendor.customer()
    subscription = {
        "subscription_rate": {"product_id": seat, "billing_frequency": "MONTHLY"},
        "collection_schedule": "ARREARS",
        "initial_quantity": 1,
        "proration": {"is_prorated": True},
    }
    acme.sign(JAN, subscriptions=[subscription])
    acme.credit(gift, 1000, JAN, APR, applicable_product_ids=[calls])
    vendor.go(day(1, 25))
    acme.uses(calls, 10, day(1, 7))
    bill = acme.bill(JAN)
    assert by_type(bill) == {
        "usage": 1400,
        "subscription": 3000,
        "applied_commit_or_credit": -1000,
    }


def test_a_fee_on_everything_with_support(vendor: Vendor) -> None:
    """Support is a tenth of 1,000; the platform fee half of that and of the calls: 550."""
    calls = vendor.usage_product("Calls", 100)
    support(vendor, composite_product_ids=[calls])
    support(vendor, name="Platform", price=0.5, include_composite_spend=True)
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 25))
    acme.uses(calls, 10, day(1, 7))
    assert acme.bill(JAN).total == 1650


def test_a_promise_of_a_year(vendor: Vendor) -> None:
    """10,000 dollars promised for 2031, 7,400 used: twelve bills of 7,400 and, when the last is final, 2,600."""
    calls, minimum = vendor.usage_product("Calls", 100), vendor.product("Minimum")
    acme = vendor.customer()
    item = {"amount": 1_000_000, "starting_at": JAN, "ending_before": NEXT_YEAR}
    acme.sign(
        JAN,
        NEXT_YEAR,
        commits=[
            {
                "type": "POSTPAID",
                "product_id": minimum,
                "priority": 1,
                "access_schedule": {"credit_type_id": USD, "schedule_items": [item]},
                "invoice_schedule": due((1_000_000, NEXT_YEAR)),
            }
        ],
    )
    for month in range(1, 13):
        vendor.go(day(month, 20))
        acme.uses(calls, 800 if month == 12 else 600, day(month, 7))
    vendor.go(day(1, 2, year=2032))
    assert [total for _, total in acme.bills()] == [60_000] * 11 + [80_000]
    assert finals(acme) == [260_000]


def test_a_fee_that_does_not_divide(vendor: Vendor) -> None:
    """100 dollars in three, in whole cents: 33.33, 33.33 and 33.34."""
    fee = vendor.product("Fee")
    acme = vendor.customer()
    schedule = {
        "credit_type_id": USD,
        "recurring_schedule": {
            "starting_at": JAN,
            "ending_before": APR,
            "frequency": "MONTHLY",
            "amount_distribution": "DIVIDED_ROUNDED",
            "amount": 10_000,
        },
    }
    acme.sign(JAN, APR, scheduled_charges=[{"product_id": fee, "schedule": schedule}])
    vendor.go(MAR)
    assert finals(acme) == [3333, 3333, 3334]


def test_a_fee_on_the_last_day_of_each_month(vendor: Vendor) -> None:
    fee = vendor.product("Fee")
    acme = vendor.customer()
    schedule = {
        "credit_type_id": USD,
        "recurring_schedule": {
            "starting_at": day(1, 31),
            "ending_before": APR,
            "frequency": "MONTHLY",
            "amount_distribution": "EACH",
            "amount": 100,
        },
    }
    acme.sign(JAN, APR, scheduled_charges=[{"product_id": fee, "schedule": schedule}])
    dates = [one.start_timestamp for one in acme.invoices(type="SCHEDULED", sort="date_asc")]
    assert dates == [day(1, 31), day(2, 28), day(3, 31)]


def test_weeks_in_arrears_on_a_monthly_bill(vendor: Vendor) -> None:
    """Weeks from the 1st of January: four end in January, on the 8th, 15th, 22nd and 29th."""
    desk = vendor.seat(700, name="Desk", frequency="WEEKLY")
    acme = vendor.customer()
    subscription = {
        "subscription_rate": {"product_id": desk, "billing_frequency": "WEEKLY"},
        "collection_schedule": "ARREARS",
        "initial_quantity": 2,
        "proration": {"is_prorated": True},
    }
    acme.sign(JAN, subscriptions=[subscription])
    vendor.go(day(2, 2))
    assert acme.bills()[0] == ("FINALIZED", 5600)


def test_seats_that_come_twice_within_an_hour(vendor: Vendor) -> None:
    """Two seats for the 16th, and when they are billed one more for the same hour: both are paid, none twice."""
    seat = vendor.seat(3100)
    acme = vendor.customer()
    subscription = {
        "subscription_rate": {"product_id": seat, "billing_frequency": "MONTHLY"},
        "collection_schedule": "ADVANCE",
        "initial_quantity": 10,
        "proration": {"is_prorated": True, "invoice_behavior": "BILL_IMMEDIATELY"},
    }
    contract = acme.sign(JAN, subscriptions=[subscription])
    (one,) = acme.contract(contract).subscriptions
    vendor.go(day(1, 16))
    for more in (2, 1):
        update = {"starting_at": day(1, 16), "quantity_delta": more}
        edit = {"subscription_id": one.id, "quantity_updates": [update]}
        acme.edit(contract, update_subscriptions=[edit])
    # 16 of 31 days are left: 1,600 a seat.
    assert sorted(finals(acme)) == [1600, 3200, 31_000]
    assert acme.bill(JAN).total == 13 * 3100


def test_work_is_billed_as_it_is_done(vendor: Vendor) -> None:
    """Consulting up to 10 hours at 150 dollars: 4 in January; the 6 of March are a draft until then."""
    work = vendor.product("Consulting", "PROFESSIONAL_SERVICE")
    acme = vendor.customer()
    terms = {"product_id": work, "max_amount": 150_000, "unit_price": 15_000, "quantity": 10}
    contract = acme.sign(JAN, professional_services=[terms])
    (service,) = acme.contract(contract).professional_services
    for hours, at in ((4, JAN), (6, MAR)):
        vendor.sdk.v1.contracts.schedule_pro_services_invoice(
            contract_id=contract,
            customer_id=acme.id,
            issued_at=at,
            line_items=[{"professional_service_id": service.id, "quantity": hours}],
        )
    assert acme.charges() == [("FINALIZED", 60_000), ("DRAFT", 90_000)]
    vendor.go(MAR)
    assert finals(acme) == [60_000, 90_000]
