"""Who pays first: several commits and credits that could pay for the same usage. In cents."""

from __future__ import annotations

from tests.scenarios.vendor import (
    Vendor,
    access,
    day,
    due,
    months,
    paid_by,
    postpaid,
    prepaid,
)

JAN, FEB, MAR, APR, MAY = months(1, 2, 3, 4, 5)
NEXT_YEAR = day(1, 1, year=2032)


def test_two_commits_by_priority(vendor: Vendor) -> None:
    """5,000 of priority 10, 3,000 of priority 5; 6,000 are used: the 3,000 go first."""
    calls, commitment = vendor.usage_product("Calls", 100), vendor.product("Commitment")
    acme = vendor.customer()
    acme.sign(
        JAN,
        commits=[
            prepaid(commitment, access(5000, JAN, APR), name="later", priority=10),
            prepaid(commitment, access(3000, JAN, APR), name="first", priority=5),
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 60, day(1, 7))
    assert acme.bill(JAN).total == 0
    assert acme.balances() == {"later": 2000, "first": 0}
    assert sorted(paid_by(acme.bill(JAN)).values()) == [3000, 3000]


def test_of_equal_priority_what_was_free_goes_first(vendor: Vendor) -> None:
    """A gift that ends later, and a purchase: the gift pays first, as it cost nothing."""
    calls, commitment = vendor.usage_product("Calls", 100), vendor.product("Commitment")
    acme = vendor.customer()
    acme.sign(
        JAN,
        commits=[
            prepaid(
                commitment,
                access(5000, JAN, APR),
                name="bought",
                priority=1,
                invoice_schedule=due((4000, JAN)),
            )
        ],
        credits=[
            {
                "product_id": commitment,
                "name": "gift",
                "priority": 1,
                "access_schedule": access(2000, JAN, MAY),
            }
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 30, day(1, 7))
    assert acme.balances() == {"bought": 4000, "gift": 0}


def test_of_equal_priority_the_narrower_goes_first(vendor: Vendor) -> None:
    """3,000 for calls only, 3,000 for anything; calls 4,000, storage 2,000: nothing is due.

    The other way round calls would eat what storage needs.
    """
    calls, storage = vendor.usage_product("Calls", 100), vendor.usage_product("Storage", 50)
    gift = vendor.product("Gift")
    acme = vendor.customer()
    acme.sign(
        JAN,
        credits=[
            {
                "product_id": gift,
                "name": "anything",
                "priority": 1,
                "access_schedule": access(3000, JAN, APR),
            },
            {
                "product_id": gift,
                "name": "calls only",
                "priority": 1,
                "access_schedule": access(3000, JAN, APR),
                "applicable_product_ids": [calls],
            },
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 40, day(1, 7))
    acme.uses(storage, 40, day(1, 7))
    assert acme.bill(JAN).total == 0
    assert acme.balances() == {"anything": 0, "calls only": 0}


def test_of_equal_priority_what_ends_earlier_goes_first(vendor: Vendor) -> None:
    calls, gift = vendor.usage_product("Calls", 100), vendor.product("Gift")
    acme = vendor.customer()
    acme.sign(
        JAN,
        credits=[
            {
                "product_id": gift,
                "name": name,
                "priority": 1,
                "access_schedule": access(2000, JAN, end),
            }
            for name, end in (("until March", MAR), ("until February", FEB))
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 25, day(1, 7))
    assert acme.balances() == {"until March": 1500, "until February": 0}


def test_a_credit_for_one_region_only(vendor: Vendor) -> None:
    """2,000 for the EU: of 1,500 in the EU and 1,000 in the US the US is due, and 500 are left."""
    calls = vendor.usage_product("Calls", keys=["region"], pricing_group_key=["region"])
    for region in ("eu", "us"):
        vendor.price(calls, price=100, pricing_group_values={"region": region})
    gift = vendor.product("Gift")
    acme = vendor.customer()
    acme.sign(
        JAN,
        credits=[
            {
                "product_id": gift,
                "name": "eu",
                "access_schedule": access(2000, JAN, APR),
                "specifiers": [{"product_id": calls, "pricing_group_values": {"region": "eu"}}],
            }
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 15, day(1, 7), region="eu")
    acme.uses(calls, 10, day(1, 7), region="us")
    assert acme.bill(JAN).total == 1000
    assert acme.balances() == {"eu": 500}


def test_prepaid_goes_before_promised(vendor: Vendor) -> None:
    """A credit of low priority still goes before a postpaid commit: 5,000 used, 2,000 given, 3,000 due and counted."""
    calls, promise = vendor.usage_product("Calls", 100), vendor.product("Promise")
    acme = vendor.customer()
    acme.sign(
        JAN,
        APR,
        commits=[postpaid(promise, 10_000, JAN, APR, name="promise", priority=1)],
        credits=[
            {
                "product_id": promise,
                "name": "gift",
                "priority": 99,
                "access_schedule": access(2000, JAN, APR),
            }
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 50, day(1, 7))
    assert acme.bill(JAN).total == 3000
    assert acme.balances() == {"promise": 7000, "gift": 0}


def test_what_rolled_over_goes_first_whatever_its_priority(vendor: Vendor) -> None:
    """1,000 left over of an old commit, 1,000 of a new one of better priority: 1,500 used take all the old first."""
    calls, commitment = vendor.usage_product("Calls", 100), vendor.product("Commitment")
    acme = vendor.customer()
    old = acme.sign(
        JAN,
        FEB,
        commits=[
            prepaid(
                commitment, access(1000, JAN, FEB), name="old", priority=50, rollover_fraction=1
            )
        ],
    )
    vendor.go(day(1, 20))
    new = acme.sign(
        FEB,
        APR,
        transition={"type": "RENEWAL", "from_contract_id": old},
        commits=[prepaid(commitment, access(1000, FEB, APR), name="new", priority=1)],
    )
    vendor.go(day(2, 2))
    acme.uses(calls, 15, day(2, 1, 5))
    assert acme.bill(FEB, new).total == 0
    left = {one.name: one.balance for one in acme.grants().values() if one.contract.id == new}
    assert left == {"old": 0, "new": 500}


def test_a_customers_credit_pays_for_both_of_his_contracts(vendor: Vendor) -> None:
    """3,000 of the customer, two contracts that each use 2,000: the one that starts first is paid first."""
    calls, gift = vendor.usage_product("Calls", keys=["team"]), vendor.product("Gift")
    vendor.price(calls, price=100)
    acme = vendor.customer()
    red, blue = (
        acme.sign(
            JAN if team == "red" else day(1, 2),
            usage_filter={"group_key": "team", "group_values": [team], "starting_at": JAN},
        )
        for team in ("red", "blue")
    )
    acme.credit(gift, 3000, JAN, APR, name="gift")
    vendor.go(day(1, 20))
    for team in ("red", "blue"):
        acme.uses(calls, 20, day(1, 7), team=team)
    assert acme.bill(JAN, red).total == 0
    assert acme.bill(day(1, 2), blue).total == 1000
    assert acme.balances() == {"gift": 0}


def test_a_customers_credit_for_one_contract_only(vendor: Vendor) -> None:
    calls, gift = vendor.usage_product("Calls", keys=["team"]), vendor.product("Gift")
    vendor.price(calls, price=100)
    acme = vendor.customer()
    red, blue = (
        acme.sign(
            JAN, usage_filter={"group_key": "team", "group_values": [team], "starting_at": JAN}
        )
        for team in ("red", "blue")
    )
    acme.credit(gift, 3000, JAN, APR, name="gift", applicable_contract_ids=[blue])
    vendor.go(day(1, 20))
    for team in ("red", "blue"):
        acme.uses(calls, 20, day(1, 7), team=team)
    assert (acme.bill(JAN, red).total, acme.bill(JAN, blue).total) == (2000, 0)
    assert acme.balances() == {"gift": 1000}
