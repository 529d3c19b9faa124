"""Charges beside usage, statements, several contracts, renewals. In cents."""

from __future__ import annotations

from typing import Any

import pytest
from tests.scenarios.vendor import USD, Vendor, by_type, day, due, ledger, months

JAN, FEB, MAR, APR, MAY = months(1, 2, 3, 4, 5)
NEXT_YEAR = day(1, 1, year=2032)


def repeated(amount: float, frequency: str, distribution: str, **more: Any) -> dict[str, Any]:
    """A schedule through the year."""
    return {
        "credit_type_id": USD,
        "recurring_schedule": {
            "starting_at": JAN,
            "ending_before": NEXT_YEAR,
            "frequency": frequency,
            "amount_distribution": distribution,
            "amount": amount,
            **more,
        },
    }


def test_a_set_up_fee_less_a_discount_of_the_same_day(vendor: Vendor) -> None:
    """50 dollars less 10 on the 1st of January: one invoice of 40, at once; 5 dollars on the 1st of March later."""
    setup, rebate = vendor.product("Set-up"), vendor.product("Rebate")
    acme = vendor.customer()
    acme.sign(
        JAN,
        scheduled_charges=[{"product_id": setup, "schedule": due((5000, JAN), (500, MAR))}],
        discounts=[{"product_id": rebate, "schedule": due((1000, JAN))}],
    )
    assert acme.charges() == [("FINALIZED", 4000), ("DRAFT", 500)]
    vendor.go(MAR)
    assert acme.charges() == [("FINALIZED", 4000), ("FINALIZED", 500)]


@pytest.mark.parametrize(
    ("frequency", "distribution", "amounts"),
    [
        ("QUARTERLY", "DIVIDED", [2500] * 4),
        ("QUARTERLY", "EACH", [10_000] * 4),
        ("SEMI_ANNUAL", "DIVIDED", [5000] * 2),
        ("ANNUAL", "EACH", [10_000]),
    ],
)
def test_a_fee_through_the_year(
    vendor: Vendor, frequency: str, distribution: str, amounts: list[float]
) -> None:
    fee = vendor.product("Fee")
    acme = vendor.customer()
    acme.sign(
        JAN,
        NEXT_YEAR,
        scheduled_charges=[
            {"product_id": fee, "schedule": repeated(10_000, frequency, distribution)}
        ],
    )
    assert [total for _, total in acme.charges()] == amounts


def test_a_charge_that_is_kept_but_not_invoiced(vendor: Vendor) -> None:
    fee = vendor.product("Fee")
    acme = vendor.customer()
    acme.sign(
        JAN,
        scheduled_charges=[{"product_id": fee, "schedule": due((5000, JAN), do_not_invoice=True)}],
    )
    assert acme.charges() == []


def test_charges_join_the_usage_invoice_that_ends_on_their_date(vendor: Vendor) -> None:
    """A fee of 500 on the 1st of February stands on January's bill (which ends then), one of the 10th by itself."""
    calls, fee = vendor.usage_product("Calls", 10), vendor.product("Fee")
    acme = vendor.customer()
    acme.sign(
        JAN,
        scheduled_charges_on_usage_invoices="ALL",
        scheduled_charges=[{"product_id": fee, "schedule": due((500, FEB), (70, day(2, 10)))}],
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 3, day(1, 7))
    vendor.go(day(2, 12))
    assert acme.bills()[0] == ("FINALIZED", 530)
    assert acme.charges() == [("FINALIZED", 70)]


def test_weekly_statements(vendor: Vendor) -> None:
    """Weeks from the contract's start, a Wednesday: the 1st, the 8th, the 15th. Tiers begin anew with each.

    15 calls in the first week: 10 at 3, 5 at 1 = 35; 4 in the second = 12.
    """
    calls = vendor.usage_product("Calls")
    vendor.price(calls, tiers=[{"price": 3, "size": 10}, {"price": 1}])
    acme = vendor.customer()
    acme.sign(JAN, usage_statement_schedule={"frequency": "WEEKLY", "day": "CONTRACT_START"})
    vendor.go(day(1, 8, 12))
    acme.uses(calls, 15, day(1, 7, 23))
    acme.uses(calls, 4, day(1, 8))
    vendor.go(day(1, 16))
    assert acme.bills() == [("FINALIZED", 35), ("FINALIZED", 12), ("DRAFT", 0)]


def test_a_quarterly_statement(vendor: Vendor) -> None:
    calls = vendor.usage_product("Calls", 10)
    acme = vendor.customer()
    acme.sign(JAN, usage_statement_schedule={"frequency": "QUARTERLY", "day": "CONTRACT_START"})
    for month in (1, 2, 3):
        vendor.go(day(month, 20))
        acme.uses(calls, 5, day(month, 7))
    assert acme.bills() == [("DRAFT", 150)]
    vendor.go(day(4, 2))
    assert acme.bills() == [("FINALIZED", 150), ("DRAFT", 0)]


def test_one_contract_for_each_workspace(vendor: Vendor) -> None:
    """East pays 10 a call, West 7; what no contract names is nobody's."""
    calls = vendor.usage_product("Calls", keys=["workspace"])
    vendor.price(calls, price=10)
    acme = vendor.customer()
    contracts = {
        workspace: acme.sign(
            JAN,
            usage_filter={
                "group_key": "workspace",
                "group_values": [workspace],
                "starting_at": JAN,
            },
            overrides=overrides,
        )
        for workspace, overrides in (
            ("east", []),
            ("west", [{"type": "MULTIPLIER", "multiplier": 0.7, "starting_at": JAN}]),
        )
    }
    vendor.go(day(1, 20))
    for workspace in ("east", "west", "north"):
        acme.uses(calls, 20, day(1, 7), workspace=workspace)
    assert acme.bill(JAN, contracts["east"]).total == 200
    assert acme.bill(JAN, contracts["west"]).total == 140
    assert len(acme.bills()) == 2


def test_a_workspace_that_moves_between_contracts(vendor: Vendor) -> None:
    """South is West's until the 16th and East's from then on. South: 10 calls before, 10 after, at 10."""
    calls = vendor.usage_product("Calls", keys=["workspace"])
    vendor.price(calls, price=10)
    acme = vendor.customer()
    east, west = (
        acme.sign(
            JAN,
            usage_filter={"group_key": "workspace", "group_values": values, "starting_at": JAN},
        )
        for values in (["east"], ["west", "south"])
    )
    for contract, values in ((east, ["east", "south"]), (west, ["west"])):
        vendor.sdk.v1.contracts.set_usage_filter(
            customer_id=acme.id,
            contract_id=contract,
            group_key="workspace",
            group_values=values,
            starting_at=day(1, 16),
        )
    vendor.go(day(1, 20))
    acme.uses(calls, 10, day(1, 15, 23), workspace="south")
    acme.uses(calls, 10, day(1, 16), workspace="south")
    acme.uses(calls, 1, day(1, 17), workspace="west")
    assert (acme.bill(JAN, east).total, acme.bill(JAN, west).total) == (100, 110)


def test_an_upgrade_in_mid_month(vendor: Vendor) -> None:
    """From the 16th a renewal at half the price: the old bill ends there and is final a day later.

    20 calls at 10 before = 200; 20 at 5 after = 100.
    """
    calls = vendor.usage_product("Calls", 10)
    acme = vendor.customer()
    old = acme.sign(JAN)
    vendor.go(day(1, 15, 12))
    acme.uses(calls, 20, day(1, 15, 11))
    new = acme.sign(
        day(1, 16),
        transition={"type": "RENEWAL", "from_contract_id": old},
        overrides=[{"type": "MULTIPLIER", "multiplier": 0.5, "starting_at": day(1, 16)}],
    )
    vendor.go(day(1, 17))
    acme.uses(calls, 20, day(1, 16, 5))
    assert (acme.bill(JAN, old).status, acme.bill(JAN, old).total) == ("FINALIZED", 200)
    assert acme.bill(JAN, old).end_timestamp == day(1, 16)
    assert (acme.bill(day(1, 16), new).status, acme.bill(day(1, 16), new).total) == ("DRAFT", 100)


def test_a_renewal_drops_the_old_contracts_future_charges(vendor: Vendor) -> None:
    fee = vendor.product("Fee")
    acme = vendor.customer()
    old = acme.sign(
        JAN,
        scheduled_charges=[
            {"product_id": fee, "schedule": due((100, JAN), (100, FEB), (100, MAR))}
        ],
    )
    vendor.go(day(2, 15))
    acme.sign(day(2, 15), transition={"type": "RENEWAL", "from_contract_id": old})
    vendor.go(day(3, 15))
    assert acme.charges() == [("FINALIZED", 100)] * 2


def test_support_is_a_tenth_of_what_is_spent(vendor: Vendor) -> None:
    """A composite of 10 % on calls and storage (1,000 + 500): 150; a seat's 3,000 do not count."""
    calls, storage = vendor.usage_product("Calls", 100), vendor.usage_product("Storage", 50)
    support = vendor.product("Support", "COMPOSITE", composite_product_ids=[calls, storage])
    vendor.price(support, rate_type="PERCENTAGE", price=0.1)
    acme = vendor.customer()
    acme.sign(JAN)
    vendor.go(day(1, 20))
    acme.uses(calls, 10, day(1, 7))
    acme.uses(storage, 10, day(1, 7))
    assert acme.bill(JAN).total == 1650


def test_a_discount_agreed_later_counts_for_the_whole_month(vendor: Vendor) -> None:
    """On the 10th of February: 50 % off since January. The draft of February follows at once, January is final."""
    calls = vendor.usage_product("Calls", 10)
    acme = vendor.customer()
    contract = acme.sign(JAN)
    vendor.go(day(1, 20))
    acme.uses(calls, 20, day(1, 7))
    vendor.go(day(2, 10))
    acme.uses(calls, 40, day(2, 3))
    assert acme.bills() == [("FINALIZED", 200), ("DRAFT", 400)]
    acme.edit(
        contract,
        add_overrides=[{"type": "MULTIPLIER", "multiplier": 0.5, "starting_at": JAN}],
    )
    assert acme.bills() == [("FINALIZED", 200), ("DRAFT", 200)]


def test_a_contract_signed_late_bills_what_is_past(vendor: Vendor) -> None:
    """Signed on the 20th of March from January on: January and February stay open for a day, then are final.

    The fee of the 1st of February is invoiced at once.
    """
    calls, fee = vendor.usage_product("Calls", 10), vendor.product("Fee")
    acme = vendor.customer()
    vendor.go(day(1, 20))
    acme.uses(calls, 20, day(1, 7))
    vendor.go(day(3, 20))
    acme.sign(JAN, scheduled_charges=[{"product_id": fee, "schedule": due((500, FEB))}])
    assert acme.charges() == [("FINALIZED", 500)]
    assert acme.bills() == [("DRAFT", 200), ("DRAFT", 0), ("DRAFT", 0)]
    vendor.go(day(3, 21))
    assert acme.bills() == [("FINALIZED", 200), ("FINALIZED", 0), ("DRAFT", 0)]


def test_archiving_voids_everything(vendor: Vendor) -> None:
    """A contract that should never have been: its bills are void and no more come."""
    calls, fee = vendor.usage_product("Calls", 10), vendor.product("Fee")
    acme = vendor.customer()
    contract = acme.sign(JAN, scheduled_charges=[{"product_id": fee, "schedule": due((500, JAN))}])
    vendor.go(day(1, 20))
    acme.uses(calls, 20, day(1, 7))
    vendor.go(day(2, 10))
    vendor.sdk.v1.contracts.archive(customer_id=acme.id, contract_id=contract, void_invoices=True)
    vendor.go(day(4, 5))
    assert {one.status for one in acme.invoices()} == {"VOID"}


def test_a_composite_with_a_credit(vendor: Vendor) -> None:
    """Calls 1,000 and support of a tenth, 100; a credit of 1,050 pays for calls first, then for half of support."""
    calls, gift = vendor.usage_product("Calls", 100), vendor.product("Gift")
    support = vendor.product("Support", "COMPOSITE", composite_product_ids=[calls])
    vendor.price(support, rate_type="PERCENTAGE", price=0.1)
    acme = vendor.customer()
    acme.sign(JAN)
    acme.credit(gift, 1050, JAN, APR, name="gift")
    vendor.go(day(1, 20))
    acme.uses(calls, 10, day(1, 7))
    january = acme.bill(JAN)
    assert january.total == 50
    assert by_type(january)["applied_commit_or_credit"] == -1050


def test_an_ended_contract_gives_no_more_credits(vendor: Vendor) -> None:
    """500 a month until the renewal in mid-February, which brings none: the second is cut there, and no third comes."""
    gift = vendor.product("Gift")
    acme = vendor.customer()
    old = acme.sign(
        JAN,
        recurring_credits=[
            {
                "product_id": gift,
                "name": "monthly",
                "access_amount": {"credit_type_id": USD, "unit_price": 500, "quantity": 1},
                "commit_duration": {"value": 1, "unit": "PERIODS"},
                "priority": 1,
                "starting_at": JAN,
            }
        ],
    )
    vendor.go(day(2, 10))
    acme.sign(day(2, 15), transition={"type": "RENEWAL", "from_contract_id": old})
    assert acme.net_balance() == 500
    vendor.go(day(2, 15))
    assert acme.net_balance() == 0
    vendor.go(day(4, 5))
    assert len(acme.grants()) == 2
    assert sum(amount for one in acme.grants().values() for _, amount, _ in ledger(one)) == 0


def test_usage_that_costs_nothing_is_left_out_of_support(vendor: Vendor) -> None:
    """Support is a tenth of calls and storage, without what is free: storage is free under this contract."""
    calls, storage = vendor.usage_product("Calls", 100), vendor.usage_product("Storage", 50)
    support = vendor.product(
        "Support",
        "COMPOSITE",
        composite_product_ids=[calls, storage],
        exclude_free_usage=True,
    )
    vendor.price(support, rate_type="PERCENTAGE", price=0.1)
    acme = vendor.customer()
    acme.sign(
        JAN,
        overrides=[
            {"type": "MULTIPLIER", "multiplier": 0, "product_id": storage, "starting_at": JAN}
        ],
    )
    vendor.go(day(1, 20))
    acme.uses(calls, 10, day(1, 7))
    acme.uses(storage, 10, day(1, 7))
    assert acme.bill(JAN).total == 1100
