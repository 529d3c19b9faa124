"""Commits and credits: what was prepaid or promised, what it pays, what is left. In cents."""

from __future__ import annotations

from tests.scenarios.vendor import (
    USD,
    Vendor,
    access,
    by_type,
    day,
    due,
    ledger,
    lines,
    months,
    postpaid,
    prepaid,
    ramp,
)

JAN, FEB, MAR, APR, MAY = months(1, 2, 3, 4, 5)
NEXT_YEAR = day(1, 1, year=2032)


def test_ten_thousand_dollars_prepaid(vendor: Vendor) -> None:
    """Acme prepays 10,000 dollars for the year, at once. Calls cost 2 cents.

    January: 200,000 calls = 400,000, all prepaid. February: 400,000 calls = 800,000; 600,000 are left, which pay for
    300,000 calls; 100,000 calls = 200,000 are due. At the list price, as nothing else was agreed.
    """
    calls, commitment = vendor.usage_product("Calls", 2), vendor.product("Prepayment")
    acme = vendor.customer()
    acme.sign(
        JAN,
        NEXT_YEAR,
        commits=[
            prepaid(
                commitment,
                access(1_000_000, JAN, NEXT_YEAR),
                name="prepaid",
                invoice_schedule=due((1_000_000, JAN)),
            )
        ],
    )
    (purchase,) = acme.invoices(type="SCHEDULED")
    assert (purchase.status, purchase.total) == ("FINALIZED", 1_000_000)
    assert by_type(purchase) == {"commit_purchase": 1_000_000}
    vendor.go(day(1, 20))
    acme.uses(calls, 200_000, day(1, 7))
    assert acme.bills() == [("DRAFT", 0)]
    assert acme.balances() == {"prepaid": 600_000}
    assert acme.net_balance() == 600_000
    assert acme.net_balance(invoice_inclusion_mode="FINALIZED") == 1_000_000
    vendor.go(day(2, 20))
    acme.uses(calls, 400_000, day(2, 7))
    february = acme.bill(FEB)
    assert lines(february) == [
        ("Calls", 300_000, 2, 600_000),
        ("Calls", 100_000, 2, 200_000),
    ]
    assert by_type(february) == {"usage": 800_000, "applied_commit_or_credit": -600_000}
    vendor.go(day(3, 2))
    assert acme.bills() == [("FINALIZED", 0), ("FINALIZED", 200_000), ("DRAFT", 0)]
    assert ledger(acme.grant("prepaid")) == [
        ("SEGMENT_START", 1_000_000, JAN),
        ("AUTOMATED_INVOICE_DEDUCTION", -400_000, FEB),
        ("AUTOMATED_INVOICE_DEDUCTION", -600_000, MAR),
    ]
    assert acme.net_balance() == 0


def test_commit_rate_while_it_lasts_list_price_after(vendor: Vendor) -> None:
    """Calls cost 10; 8 while a commit pays for them. 8,000 pay for 1,000 of 1,500 calls; 500 x 10 = 5,000 due."""
    calls, commitment = vendor.usage_product("Calls"), vendor.product("Commitment")
    vendor.price(calls, price=10, commit_rate={"rate_type": "FLAT", "price": 8})
    acme = vendor.customer()
    acme.sign(JAN, commits=[prepaid(commitment, access(8000, JAN, APR), rate_type="COMMIT_RATE")])
    vendor.go(day(1, 20))
    acme.uses(calls, 1500, day(1, 7))
    january = acme.bill(JAN)
    assert january.total == 5000
    assert lines(january) == [("Calls", 1000, 8, 8000), ("Calls", 500, 10, 5000)]


def test_no_overage_ever(vendor: Vendor) -> None:
    """List price 0, commit rate 5: 1,000 pay for 200 calls, and 100 more cost nothing."""
    calls, commitment = vendor.usage_product("Calls"), vendor.product("Commitment")
    vendor.price(calls, price=0, commit_rate={"rate_type": "FLAT", "price": 5})
    acme = vendor.customer()
    acme.sign(
        JAN,
        commits=[
            prepaid(commitment, access(1000, JAN, APR), rate_type="COMMIT_RATE", name="commit")
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 300, day(1, 7))
    assert acme.bill(JAN).total == 0
    assert acme.balances() == {"commit": 0}


def test_a_price_for_what_one_commit_pays(vendor: Vendor) -> None:
    """List price 10; whatever the commit of tag gold pays for costs 6. 600 pay for 100 of 150 calls, 50 x 10 due."""
    calls, commitment = vendor.usage_product("Calls", 10), vendor.product("Commitment")
    acme = vendor.customer()
    contract = acme.sign(
        JAN,
        commits=[prepaid(commitment, access(600, JAN, APR), rate_type="LIST_RATE", name="gold")],
    )
    gold = acme.grant("gold").id
    acme.edit(
        contract,
        add_overrides=[
            {
                "type": "OVERWRITE",
                "starting_at": JAN,
                "is_commit_specific": True,
                "override_specifiers": [{"product_id": calls, "commit_ids": [gold]}],
                "overwrite_rate": {"rate_type": "FLAT", "price": 6},
            }
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 150, day(1, 7))
    january = acme.bill(JAN)
    assert lines(january) == [("Calls", 100, 6, 600), ("Calls", 50, 10, 500)]
    assert january.total == 500


def test_a_credit_that_expires_in_mid_month(vendor: Vendor) -> None:
    """100 dollars to be spent until the 16th. 60 before, 80 after: 80 are due, 40 expire."""
    calls, gift = vendor.usage_product("Calls", 100), vendor.product("Gift")
    acme = vendor.customer()
    acme.sign(
        JAN,
        credits=[
            {
                "product_id": gift,
                "name": "gift",
                "access_schedule": access(10_000, JAN, day(1, 16)),
            }
        ],
    )
    vendor.go(day(1, 12))
    acme.uses(calls, 60, day(1, 10))
    assert acme.net_balance() == 4000
    vendor.go(day(1, 25))
    acme.uses(calls, 80, day(1, 20))
    assert acme.bill(JAN).total == 8000
    assert acme.net_balance() == 0
    vendor.go(day(2, 2))
    assert acme.bills()[0] == ("FINALIZED", 8000)
    assert ledger(acme.grant("gift")) == [
        ("SEGMENT_START", 10_000, JAN),
        ("EXPIRATION", -4000, day(1, 16)),
        ("AUTOMATED_INVOICE_DEDUCTION", -6000, FEB),
    ]


def test_a_promise_that_was_not_kept_is_trued_up(vendor: Vendor) -> None:
    """Acme promises 1,000 dollars in a quarter and uses 300, 200 and 100: the missing 400 are billed.

    Each month's bill is due in full, for nothing was paid ahead. The true-up waits until March's bill is final.
    """
    calls, promise = vendor.usage_product("Calls", 100), vendor.product("Promise")
    acme = vendor.customer()
    acme.sign(JAN, APR, commits=[postpaid(promise, 100_000, JAN, APR, name="promise")])
    for month, n in ((1, 300), (2, 200), (3, 100)):
        vendor.go(day(month, 20))
        acme.uses(calls, n, day(month, 7))
    vendor.go(APR)
    assert not [one for one in acme.charges() if one[0] == "FINALIZED"]
    vendor.go(day(4, 2))
    assert acme.bills() == [("FINALIZED", 30_000), ("FINALIZED", 20_000), ("FINALIZED", 10_000)]
    assert acme.charges() == [("FINALIZED", 40_000)]
    january = acme.bill(JAN)
    assert by_type(january)["applied_commit_or_credit"] == -30_000  # shown, and not taken off
    entries = ledger(acme.grant("promise"))
    assert [(kind, amount) for kind, amount, _ in entries if kind != "TRUEUP"] == [
        ("INITIAL_BALANCE", 100_000),
        ("AUTOMATED_INVOICE_DEDUCTION", -30_000),
        ("AUTOMATED_INVOICE_DEDUCTION", -20_000),
        ("AUTOMATED_INVOICE_DEDUCTION", -10_000),
    ]
    assert [amount for kind, amount, _ in entries if kind == "TRUEUP"] == [-40_000]


def test_a_promise_that_was_kept_costs_nothing_more(vendor: Vendor) -> None:
    """500 dollars promised, 300 and 300 used: two bills of 300, and no true-up."""
    calls, promise = vendor.usage_product("Calls", 100), vendor.product("Promise")
    acme = vendor.customer()
    acme.sign(JAN, MAR, commits=[postpaid(promise, 50_000, JAN, MAR, name="promise")])
    for month in (1, 2):
        vendor.go(day(month, 20))
        acme.uses(calls, 300, day(month, 7))
    vendor.go(day(3, 5))
    assert acme.bills() == [("FINALIZED", 30_000), ("FINALIZED", 30_000)]
    assert [total for _, total in acme.charges() if total] == []
    assert sum(amount for _, amount, _ in ledger(acme.grant("promise"))) == 0


def test_half_of_what_is_left_rolls_over_at_renewal(vendor: Vendor) -> None:
    """100,000 for the quarter, 30,000 used. Of the 70,000 left, half of the 100,000 rolls over: 50,000; 20,000 expire.

    45,000 of April's usage are paid from it; 5,000 are left.
    """
    calls, commitment = vendor.usage_product("Calls", 100), vendor.product("Commitment")
    acme = vendor.customer()
    old = acme.sign(
        JAN,
        APR,
        commits=[
            prepaid(commitment, access(100_000, JAN, APR), name="commit", rollover_fraction=0.5)
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 300, day(1, 7))
    vendor.go(day(3, 20))
    new = acme.sign(APR, NEXT_YEAR, transition={"type": "RENEWAL", "from_contract_id": old})
    vendor.go(day(4, 2))
    (rolled,) = [one for one in acme.grants().values() if one.contract and one.contract.id == new]
    assert rolled.balance == 50_000
    assert rolled.rolled_over_from.contract_id == old
    (expired,) = [one for one in acme.grants().values() if one.contract.id == old]
    assert sorted((kind, amount) for kind, amount, _ in ledger(expired)) == [
        ("AUTOMATED_INVOICE_DEDUCTION", -30_000),
        ("EXPIRATION", -20_000),
        ("ROLLOVER", -50_000),
        ("SEGMENT_START", 100_000),
    ]
    vendor.go(day(4, 20))
    acme.uses(calls, 450, day(4, 7))
    assert acme.bill(APR).total == 0
    assert acme.net_balance() == 5000


def test_a_ramped_commitment(vendor: Vendor) -> None:
    """10,000 for January, 20,000 for February; 15,000 are used in each.

    January: 5,000 over. February: 5,000 expire.
    """
    calls, commitment = vendor.usage_product("Calls", 100), vendor.product("Commitment")
    acme = vendor.customer()
    acme.sign(
        JAN,
        MAR,
        commits=[prepaid(commitment, ramp((10_000, JAN, FEB), (20_000, FEB, MAR)), name="ramp")],
    )
    assert acme.balances() == {"ramp": 10_000}
    for month in (1, 2):
        vendor.go(day(month, 20))
        acme.uses(calls, 150, day(month, 7))
    assert acme.balances() == {"ramp": 5000}
    vendor.go(day(3, 5))
    assert acme.bills() == [("FINALIZED", 5000), ("FINALIZED", 0)]
    assert sorted(ledger(acme.grant("ramp"))) == [
        ("AUTOMATED_INVOICE_DEDUCTION", -15_000, MAR),
        ("AUTOMATED_INVOICE_DEDUCTION", -10_000, FEB),
        ("EXPIRATION", -5000, MAR),
        ("SEGMENT_START", 10_000, JAN),
        ("SEGMENT_START", 20_000, FEB),
    ]


def test_a_year_paid_in_quarters(vendor: Vendor) -> None:
    """120,000 to spend at once, billed in four: 30,000 in January, April, July and October."""
    commitment = vendor.product("Commitment")
    acme = vendor.customer()
    acme.sign(
        JAN,
        NEXT_YEAR,
        commits=[
            prepaid(
                commitment,
                access(120_000, JAN, NEXT_YEAR),
                name="year",
                invoice_schedule={
                    "credit_type_id": USD,
                    "recurring_schedule": {
                        "starting_at": JAN,
                        "ending_before": NEXT_YEAR,
                        "frequency": "QUARTERLY",
                        "amount_distribution": "DIVIDED",
                        "amount": 120_000,
                    },
                },
            )
        ],
    )
    assert acme.balances() == {"year": 120_000}
    assert acme.charges() == [("FINALIZED", 30_000)] + [("DRAFT", 30_000)] * 3
    vendor.go(day(7, 1))
    assert acme.charges() == [("FINALIZED", 30_000)] * 3 + [("DRAFT", 30_000)]


def test_credits_of_a_custom_unit_come_before_dollars(vendor: Vendor) -> None:
    """A query costs 3 credits, a credit 10 cents. 50 queries = 150 credits; 100 were given; 50 x 10 = 500 due."""
    unit, queries = _priced_in_credits(vendor)
    gift = vendor.product("Gift")
    acme = vendor.customer()
    acme.sign(
        JAN,
        credits=[
            {
                "product_id": gift,
                "name": "gift",
                "access_schedule": access(100, JAN, APR, credit_type_id=unit),
            }
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(queries, 50, day(1, 7))
    assert acme.bill(JAN).total == 500
    assert acme.net_balance(credit_type_id=unit) == 0


def test_credits_of_a_custom_unit_bought_for_dollars(vendor: Vendor) -> None:
    """100 credits for 9 dollars. 20 queries = 60 credits: 900 cents were billed, 40 credits are left."""
    unit, queries = _priced_in_credits(vendor)
    commitment = vendor.product("Pack")
    acme = vendor.customer()
    acme.sign(
        JAN,
        commits=[
            prepaid(
                commitment,
                access(100, JAN, APR, credit_type_id=unit),
                name="pack",
                invoice_schedule=due((900, JAN)),
            )
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(queries, 20, day(1, 7))
    assert acme.charges() == [("FINALIZED", 900)]
    assert acme.bill(JAN).total == 0
    assert acme.net_balance(credit_type_id=unit) == 40
    assert acme.net_balance() == 0


def _priced_in_credits(vendor: Vendor) -> tuple[str, str]:
    unit = vendor.sdk.v1.pricing_units.create(name="Credits").data.id
    vendor.card = vendor.sdk.v1.contracts.rate_cards.create(
        name="Credits",
        credit_type_conversions=[{"custom_credit_type_id": unit, "fiat_per_custom_credit": 10}],
    ).data.id
    queries = vendor.usage_product("Queries")
    vendor.price(queries, price=3, credit_type_id=unit)
    return unit, queries


def test_a_thousand_free_calls(vendor: Vendor) -> None:
    """Access by quantity: 1,000 of 1,500 calls are paid for, 500 x 2 = 1,000 due."""
    calls, gift = vendor.usage_product("Calls", 2), vendor.product("Gift")
    acme = vendor.customer()
    acme.sign(
        JAN,
        credits=[
            {
                "product_id": gift,
                "name": "calls",
                "access_schedule": {**access(1000, JAN, APR), "access_type": "QUANTITY"},
                "applicable_product_ids": [calls],
            }
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 1500, day(1, 7))
    assert acme.bill(JAN).total == 1000
    assert acme.balances() == {"calls": 0}


def test_a_correction_by_hand(vendor: Vendor) -> None:
    """1,000 given, 500 added by hand, 300 taken: 1,200 pay for 15 calls at 100, 300 are due."""
    calls, gift = vendor.usage_product("Calls", 100), vendor.product("Gift")
    acme = vendor.customer()
    contract = acme.sign(
        JAN,
        credits=[{"product_id": gift, "name": "gift", "access_schedule": access(1000, JAN, APR)}],
    )
    credit = acme.grant("gift")
    segment = credit.access_schedule.schedule_items[0].id
    for amount in (500, -300):
        vendor.sdk.v1.contracts.add_manual_balance_entry(
            id=credit.id,
            customer_id=acme.id,
            contract_id=contract,
            segment_id=segment,
            amount=amount,
            reason="goodwill",
        )
    assert acme.net_balance() == 1200
    vendor.go(day(1, 20))
    acme.uses(calls, 15, day(1, 7))
    assert acme.bill(JAN).total == 300
    vendor.go(day(2, 2))
    assert sorted((kind, amount) for kind, amount, _ in ledger(acme.grant("gift"))) == [
        ("AUTOMATED_INVOICE_DEDUCTION", -1200),
        ("MANUAL", -300),
        ("MANUAL", 500),
        ("SEGMENT_START", 1000),
    ]


def test_a_commitment_that_is_raised_later(vendor: Vendor) -> None:
    """1,000 for January and February, raised to 2,500 on the 10th of January: a correcting entry of 1,500."""
    commitment = vendor.product("Commitment")
    acme = vendor.customer()
    contract = acme.sign(JAN, commits=[prepaid(commitment, access(1000, JAN, MAR), name="commit")])
    vendor.go(day(1, 10))
    commit = acme.grant("commit")
    acme.edit(
        contract,
        update_commits=[
            {
                "commit_id": commit.id,
                "access_schedule": {
                    "update_schedule_items": [
                        {"id": commit.access_schedule.schedule_items[0].id, "amount": 2500}
                    ]
                },
            }
        ],
    )
    assert acme.net_balance() == 2500
    assert sum(amount for _, amount, _ in ledger(acme.grant("commit"))) == 2500
    assert [amount for _, amount, _ in ledger(acme.grant("commit"))] == [1000, 1500]


def test_ending_early_the_rest_of_a_prepayment_expires(vendor: Vendor) -> None:
    """10,000 until April; the contract ends in February with 3,000 used: 7,000 expire at its end."""
    calls, commitment = vendor.usage_product("Calls", 100), vendor.product("Commitment")
    acme = vendor.customer()
    contract = acme.sign(
        JAN, APR, commits=[prepaid(commitment, access(10_000, JAN, APR), name="commit")]
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 30, day(1, 7))
    vendor.sdk.v1.contracts.update_end_date(
        customer_id=acme.id, contract_id=contract, ending_before=FEB
    )
    vendor.go(day(2, 5))
    assert sorted(ledger(acme.grant("commit"))) == [
        ("AUTOMATED_INVOICE_DEDUCTION", -3000, FEB),
        ("EXPIRATION", -7000, FEB),
        ("SEGMENT_START", 10_000, JAN),
    ]
    assert acme.net_balance() == 0


def test_nothing_can_be_spent_after_the_contract(vendor: Vendor) -> None:
    """10,000 until April, 3,000 used; the contract ends in February, and its last bill stays open for a day.

    7,000 are on the ledger until then, but nothing of it can be spent any more.
    """
    calls, commitment = vendor.usage_product("Calls", 100), vendor.product("Commitment")
    acme = vendor.customer()
    contract = acme.sign(
        JAN, commits=[prepaid(commitment, access(10_000, JAN, APR), name="commit")]
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 30, day(1, 7))
    vendor.sdk.v1.contracts.update_end_date(
        customer_id=acme.id, contract_id=contract, ending_before=FEB
    )
    assert acme.balances() == {"commit": 7000}
    vendor.go(day(2, 1, 12))
    assert acme.balances() == {"commit": 0}
    assert acme.net_balance() == 0


def test_ending_early_does_not_undo_a_promise(vendor: Vendor) -> None:
    """10,000 promised until April; the contract ends in February with 3,000 used: 7,000 are still trued up."""
    calls, promise = vendor.usage_product("Calls", 100), vendor.product("Promise")
    acme = vendor.customer()
    contract = acme.sign(JAN, APR, commits=[postpaid(promise, 10_000, JAN, APR, name="promise")])
    vendor.go(day(1, 20))
    acme.uses(calls, 30, day(1, 7))
    vendor.sdk.v1.contracts.update_end_date(
        customer_id=acme.id, contract_id=contract, ending_before=FEB
    )
    vendor.go(day(4, 5))
    assert acme.bills() == [("FINALIZED", 3000)]
    assert acme.charges() == [("FINALIZED", 7000)]


def test_a_pack_bought_in_mid_month(vendor: Vendor) -> None:
    """On the 10th of January 2,000 are bought by an edit, for at once: billed at once, and pay for usage from then on.

    500 were used before, 600 after: 500 due.
    """
    calls, commitment = vendor.usage_product("Calls", 100), vendor.product("Pack")
    acme = vendor.customer()
    contract = acme.sign(JAN)
    vendor.go(day(1, 10))
    acme.uses(calls, 5, day(1, 9, 23))
    acme.edit(
        contract,
        add_commits=[
            prepaid(
                commitment,
                access(2000, day(1, 10), APR),
                name="pack",
                invoice_schedule=due((1800, day(1, 10))),
            )
        ],
    )
    assert acme.charges() == [("FINALIZED", 1800)]
    vendor.go(day(1, 20))
    acme.uses(calls, 6, day(1, 10))
    assert acme.bill(JAN).total == 500
    assert acme.balances() == {"pack": 1400}


def test_a_credit_given_afterwards_pays_for_the_whole_draft(vendor: Vendor) -> None:
    """Given on the 20th, from the 1st on: what is not final yet is paid, 700 of 700."""
    calls, present = vendor.usage_product("Calls", 100), vendor.product("Gift")
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 20))
    acme.uses(calls, 7, day(1, 3))
    assert acme.bill(JAN).total == 700
    acme.credit(present, 1000, JAN, FEB, name="gift")
    assert acme.bill(JAN).total == 0
    assert acme.balances() == {"gift": 300}


def test_a_customers_commit_is_billed_through_a_contract(vendor: Vendor) -> None:
    """The customer's own commit of 5,000, bought for 4,500 through his contract."""
    commitment = vendor.product("Commitment")
    acme = vendor.customer()
    contract = acme.sign(JAN)
    vendor.sdk.v1.customers.commits.create(
        customer_id=acme.id,
        product_id=commitment,
        type="PREPAID",
        name="commit",
        priority=1,
        access_schedule=access(5000, JAN, APR),
        invoice_schedule=due((4500, JAN)),
        invoice_contract_id=contract,
    )
    (purchase,) = acme.invoices(type="SCHEDULED")
    assert (purchase.contract_id, purchase.status, purchase.total) == (contract, "FINALIZED", 4500)
    assert acme.balances() == {"commit": 5000}


def test_live_balances_and_the_end_of_segments(vendor: Vendor) -> None:
    """Balances count what can be spent now: not what is to come, not what is over."""
    gift = vendor.product("Gift")
    acme = vendor.customer()
    acme.sign(
        JAN,
        credits=[
            {
                "product_id": gift,
                "name": "gift",
                "access_schedule": ramp((100, JAN, day(1, 10)), (200, day(1, 20), FEB)),
            }
        ],
    )
    assert acme.net_balance() == 100
    vendor.go(day(1, 10))
    assert acme.net_balance() == 0
    vendor.go(day(1, 19, 23))
    assert acme.net_balance() == 0
    vendor.go(day(1, 20))
    assert acme.net_balance() == 200
    vendor.go(FEB)
    assert acme.net_balance() == 0
