"""What usage costs: list prices, tiers, negotiated prices. Prices and totals in cents."""

from __future__ import annotations

import pytest
from tests.scenarios.vendor import Vendor, by_type, day, lines, months

(JAN,) = months(1)


def test_pay_as_you_go(vendor: Vendor) -> None:
    """Acme pays two cents a call: 1,500 calls in January are 30 dollars."""
    calls = vendor.usage_product("API calls", 2)
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 20))
    acme.uses(calls, 1000, day(1, 3, 5))
    acme.uses(calls, 500, day(1, 19, 23))
    assert acme.bills() == [("DRAFT", 3000)]
    vendor.go(day(2, 2))
    january = acme.bill(JAN)
    assert (january.status, january.total) == ("FINALIZED", 3000)
    assert lines(january) == [("API calls", 1500, 2, 3000)]
    assert acme.bills() == [("FINALIZED", 3000), ("DRAFT", 0)]


@pytest.mark.parametrize(
    ("used", "total"),
    [
        (0, 0),
        (100, 0),  # the hundredth call is still free
        (100.5, 5),  # half a call at 10
        (1100, 10_000),  # 1,000 at 10
        (1101, 10_005),  # and one at 5
    ],
)
def test_free_tier_then_cheaper_by_volume(vendor: Vendor, used: float, total: float) -> None:
    """The first 100 calls of a month are free, the next 1,000 cost 10 cents, all further ones 5."""
    calls = vendor.usage_product("Calls")
    vendor.price(
        calls, tiers=[{"price": 0, "size": 100}, {"price": 10, "size": 1000}, {"price": 5}]
    )
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 20))
    acme.uses(calls, used, day(1, 10))
    assert acme.bill(JAN).total == total


def test_tiers_begin_anew_each_month_and_for_each_team(vendor: Vendor) -> None:
    """10 calls at 3 cents, then 1 cent, for each team.

    January: red 15 = 10 x 3 + 5 x 1 = 35, blue 4 = 12; together 47. February: red 10 = 30.
    """
    calls = vendor.usage_product("Calls", keys=["team"], presentation_group_key=["team"])
    vendor.price(calls, tiers=[{"price": 3, "size": 10}, {"price": 1}])
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(2, 1, 12))
    acme.uses(calls, 8, day(1, 12), team="red")
    acme.uses(calls, 7, day(1, 31, 23), team="red")
    acme.uses(calls, 4, day(1, 31, 23), team="blue")
    acme.uses(calls, 10, day(2, 1), team="red")
    assert acme.bills() == [("DRAFT", 47), ("DRAFT", 30)]
    assert sorted(lines(acme.bill(JAN))) == [
        ("Calls", 4, 3, 12),
        ("Calls", 5, 1, 5),
        ("Calls", 10, 3, 30),
    ]


def test_a_price_rise_in_mid_month(vendor: Vendor) -> None:
    """2 cents until the 16th, 3 from then on: 100 x 2 + 50 x 3 = 350."""
    calls = vendor.usage_product("Calls", 2)
    vendor.price(calls, price=3, since=day(1, 16))
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 31))
    acme.uses(calls, 100, day(1, 15, 23))
    acme.uses(calls, 50, day(1, 16))
    january = acme.bill(JAN)
    assert january.total == 350
    assert lines(january) == [("Calls", 100, 2, 200), ("Calls", 50, 3, 150)]


def test_tokens_with_cached_input(vendor: Vendor) -> None:
    """A million tokens: input 300, cached input 30, output 1,500 cents.

    2 M input = 600, 10 M cached = 300, 0.5 M output = 750: 1,650.
    """
    tokens = vendor.usage_product(
        "Tokens",
        keys=["kind"],
        pricing_group_key=["kind"],
        quantity_conversion={"conversion_factor": 1_000_000, "operation": "DIVIDE"},
    )
    for kind, price in (("input", 300), ("cached", 30), ("output", 1500)):
        vendor.price(tokens, price=price, pricing_group_values={"kind": kind})
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 20))
    acme.uses(tokens, 2_000_000, day(1, 2), kind="input")
    acme.uses(tokens, 10_000_000, day(1, 2), kind="cached")
    acme.uses(tokens, 500_000, day(1, 2), kind="output")
    assert acme.bill(JAN).total == 1650


def test_started_blocks_are_rounded_up(vendor: Vendor) -> None:
    """10 cents a started block of 100 messages: 250 messages are 3 blocks."""
    messages = vendor.usage_product(
        "Messages",
        10,
        quantity_conversion={"conversion_factor": 100, "operation": "DIVIDE"},
        quantity_rounding={"decimal_places": 0, "rounding_method": "ROUND_UP"},
    )
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 20))
    acme.uses(messages, 120, day(1, 2))
    acme.uses(messages, 130, day(1, 9))
    assert acme.bill(JAN).total == 30


def test_a_discount_on_everything(vendor: Vendor) -> None:
    """20 % off all list prices: 100 x 10 and 10 x 50 are 1,500; Acme pays 1,200."""
    calls, storage = vendor.usage_product("Calls", 10), vendor.usage_product("Storage", 50)
    acme = vendor.customer()
    acme.sign(JAN, overrides=[{"type": "MULTIPLIER", "multiplier": 0.8, "starting_at": JAN}])
    vendor.go(day(1, 20))
    acme.uses(calls, 100, day(1, 2))
    acme.uses(storage, 10, day(1, 2))
    assert acme.bill(JAN).total == 1200


def test_a_negotiated_price_ignores_the_next_list_price_a_discount_follows_it(
    vendor: Vendor,
) -> None:
    """List: 10, from the 16th 20. Fixed Ltd. has agreed on 8, Half Ltd. on half of the list price.

    100 calls before and 100 after: Fixed 800 + 800 = 1,600; Half 500 + 1,000 = 1,500.
    """
    calls = vendor.usage_product("Calls", 10)
    vendor.price(calls, price=20, since=day(1, 16))
    terms = {
        "Fixed Ltd.": {"type": "OVERWRITE", "overwrite_rate": {"rate_type": "FLAT", "price": 8}},
        "Half Ltd.": {"type": "MULTIPLIER", "multiplier": 0.5},
    }
    totals = {}
    vendor_customers = {name: vendor.customer(name) for name in terms}
    for name, customer in vendor_customers.items():
        customer.sign(JAN, overrides=[{"product_id": calls, "starting_at": JAN, **terms[name]}])
    vendor.go(day(1, 31))
    for customer in vendor_customers.values():
        customer.uses(calls, 100, day(1, 10))
        customer.uses(calls, 100, day(1, 20))
    for name, customer in vendor_customers.items():
        totals[name] = customer.bill(JAN).total
    assert totals == {"Fixed Ltd.": 1600, "Half Ltd.": 1500}


def test_discounts_do_not_stack_the_lowest_counts(vendor: Vendor) -> None:
    """10 % off everything and 30 % off calls: calls cost 70 %, not 63 %. 100 x 10 x 0.7 = 700."""
    calls = vendor.usage_product("Calls", 10, tags=["api"])
    acme = vendor.customer()
    acme.sign(
        JAN,
        overrides=[
            {"type": "MULTIPLIER", "multiplier": 0.9, "starting_at": JAN},
            {
                "type": "MULTIPLIER",
                "multiplier": 0.7,
                "starting_at": JAN,
                "applicable_product_tags": ["api"],
            },
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 100, day(1, 2))
    assert acme.bill(JAN).total == 700


def test_priorities_may_decide_instead(vendor: Vendor) -> None:
    """Under EXPLICIT the discount of priority 1 acts though the other is larger: 100 x 10 x 0.9 = 900."""
    calls = vendor.usage_product("Calls", 10)
    acme = vendor.customer()
    acme.sign(
        JAN,
        multiplier_override_prioritization="EXPLICIT",
        overrides=[
            {"type": "MULTIPLIER", "multiplier": 0.7, "priority": 2, "starting_at": JAN},
            {"type": "MULTIPLIER", "multiplier": 0.9, "priority": 1, "starting_at": JAN},
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 100, day(1, 2))
    assert acme.bill(JAN).total == 900


def test_a_discount_by_volume(vendor: Vendor) -> None:
    """The first 100 at list price 10, further ones at half of it: 100 x 10 + 200 x 5 = 2,000."""
    calls = vendor.usage_product("Calls", 10)
    acme = vendor.customer()
    acme.sign(
        JAN,
        multiplier_override_prioritization="EXPLICIT",
        overrides=[
            {
                "type": "TIERED",
                "priority": 1,
                "starting_at": JAN,
                "override_specifiers": [{"product_id": calls}],
                "tiers": [{"multiplier": 1, "size": 100}, {"multiplier": 0.5}],
            }
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 300, day(1, 2))
    assert acme.bill(JAN).total == 2000


def test_a_free_trial_of_two_weeks(vendor: Vendor) -> None:
    """Everything is free until the 15th: of 100 + 30 calls at 10, 30 are paid: 300."""
    calls = vendor.usage_product("Calls", 10)
    acme = vendor.customer()
    acme.sign(
        JAN,
        overrides=[
            {"type": "MULTIPLIER", "multiplier": 0, "starting_at": JAN, "ending_before": day(1, 15)}
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 100, day(1, 14, 23))
    acme.uses(calls, 30, day(1, 15))
    assert acme.bill(JAN).total == 300


def test_a_product_that_is_sold_to_one_customer_only(vendor: Vendor) -> None:
    """On the card but not sold, until a contract says so: 50 x 7 = 350 for Beta, nothing for Acme."""
    secret = vendor.usage_product("Secret model")
    vendor.price(secret, price=7, entitled=False)
    acme, beta = vendor.customer("Acme"), vendor.customer("Beta")
    acme.sign(JAN)
    beta.sign(
        JAN,
        overrides=[
            {"type": "OVERWRITE", "product_id": secret, "entitled": True, "starting_at": JAN}
        ],
    )
    vendor.go(day(1, 20))
    for customer in (acme, beta):
        customer.uses(secret, 50, day(1, 2))
    assert (acme.bill(JAN).total, beta.bill(JAN).total) == (0, 350)


def test_volume_prices(vendor: Vendor) -> None:
    """All units at the price of the bracket reached: up to 100 at 10, more at 8. 100 cost 1,000, 150 cost 1,200."""
    calls = vendor.usage_product("Calls")
    vendor.price(
        calls,
        rate_type="CUSTOM",
        custom_rate={"model": "VOLUME", "tiers": [{"price": 10, "size": 100}, {"price": 8}]},
    )
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 20))
    acme.uses(calls, 100, day(1, 2))
    assert acme.bill(JAN).total == 1000
    acme.uses(calls, 50, day(1, 3))
    assert acme.bill(JAN).total == 1200


def test_packages(vendor: Vendor) -> None:
    """A started package of 1,000 messages costs 90: 2,001 messages are 3 packages, 270."""
    messages = vendor.usage_product("Messages")
    vendor.price(
        messages,
        rate_type="CUSTOM",
        custom_rate={"model": "PACKAGE", "price": 90, "package_size": 1000},
    )
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 20))
    acme.uses(messages, 2000, day(1, 2))
    assert acme.bill(JAN).total == 180
    acme.uses(messages, 1, day(1, 3))
    assert acme.bill(JAN).total == 270


def test_usage_in_custom_units_is_billed_in_dollars(vendor: Vendor) -> None:
    """A query costs 3 credits, a credit 10 cents: 50 queries are 150 credits, 1,500 cents."""
    unit = vendor.sdk.v1.pricing_units.create(name="Credits").data.id
    vendor.card = vendor.sdk.v1.contracts.rate_cards.create(
        name="Credits",
        credit_type_conversions=[{"custom_credit_type_id": unit, "fiat_per_custom_credit": 10}],
    ).data.id
    queries = vendor.usage_product("Queries")
    vendor.price(queries, price=3, credit_type_id=unit)
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 20))
    acme.uses(queries, 50, day(1, 2))
    january = acme.bill(JAN)
    assert january.total == 1500
    assert by_type(january) == {"usage": 150, "cpu_conversion": -150 + 1500}


def test_seats_in_use_by_their_greatest_number_and_by_different_names(vendor: Vendor) -> None:
    """The peak of the month at 100 and its different users at 10: peak 7 = 700, three users = 30."""
    peak = vendor.usage_product("Peak", 100, metric_aggregation_type="MAX")
    users = vendor.usage_product("Users", 10, metric_aggregation_type="UNIQUE")
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 20))
    for at, n in ((day(1, 2), 5), (day(1, 7), 7), (day(1, 9), 6), (day(1, 11), 7)):
        acme.uses(peak, n, at)
        acme.uses(users, n, at)
    assert acme.bill(JAN).total == 730


def test_what_is_used_after_the_contract_is_not_billed(vendor: Vendor) -> None:
    """The contract ends on the 16th: 10 calls at 10 before, 90 after; 100 due, and no bill for February."""
    calls = vendor.usage_product("Calls", 10)
    acme = vendor.customer()
    acme.sign(JAN, day(1, 16))
    vendor.go(day(1, 16, 12))
    acme.uses(calls, 10, day(1, 15, 23))
    acme.uses(calls, 90, day(1, 16))
    vendor.go(day(3, 5))
    assert acme.bills() == [("FINALIZED", 100)]


def test_a_least_and_a_most_for_a_product(vendor: Vendor) -> None:
    """Calls at 10, at least 500 a month; storage at 10, at most 300.

    20 calls are 200, and 300 more to the minimum; 50 of storage are 500, capped at 300. Together 800.
    """
    calls, storage = vendor.usage_product("Calls"), vendor.usage_product("Storage")
    for product, limit in ((calls, {"minimum_spend": 500}), (storage, {"maximum_spend": 300})):
        vendor.price(
            product, rate_type="CUSTOM", custom_rate={"model": "FLAT", "price": 10, **limit}
        )
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 20))
    acme.uses(calls, 20, day(1, 2))
    acme.uses(storage, 50, day(1, 2))
    assert acme.bill(JAN).total == 800


def test_payments_by_bracket(vendor: Vendor) -> None:
    """2 % of the first 1,000.00 paid through the platform in a month, 1 % of the rest: 1,500.00 are 20.00 + 5.00."""
    payments = vendor.usage_product("Payments")
    vendor.price(
        payments,
        rate_type="CUSTOM",
        custom_rate={
            "model": "GRADUATED_PERCENTAGE",
            "tiers": [{"price": 0.02, "size": 100_000}, {"price": 0.01}],
        },
    )
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 20))
    acme.uses(payments, 90_000, day(1, 2))
    acme.uses(payments, 60_000, day(1, 3))
    assert acme.bill(JAN).total == 2500
