"""What each seat has left of its own credits, by the unmodified SDK."""

from __future__ import annotations

import metronome
import pytest
from metronome import Metronome
from tests.integration.api.conftest import Unique
from tests.support.contract_shop import START, USD, Shop, open_shop
from tests.support.running_api import utc


@pytest.fixture
def shop(sdk: Metronome, unique: Unique) -> Shop:
    return open_shop(sdk, unique)


def test_each_seat_has_its_own(shop: Shop) -> None:
    sdk, customer = shop.sdk, shop.customer()
    contract = shop.contract(
        customer,
        ending_before=None,
        subscriptions=[
            {
                "temporary_id": "seats",
                "collection_schedule": "ADVANCE",
                "proration": {},
                "subscription_rate": {"billing_frequency": "MONTHLY", "product_id": shop.seat},
                "quantity_management_mode": "SEAT_BASED",
                "seat_config": {
                    "seat_group_key": "region",
                    "initial_seat_ids": ["ann", "bob", "eve"],
                },
            }
        ],
        recurring_credits=[
            {
                "product_id": shop.fixed,
                "priority": 1,
                "starting_at": START,
                "access_amount": {"unit_price": 10, "credit_type_id": USD},
                "commit_duration": {"value": 1},
                "recurrence_frequency": "ANNUAL",
                "subscription_config": {
                    "subscription_id": "seats",
                    "allocation": "INDIVIDUAL",
                    "apply_seat_increase_config": {"is_prorated": False},
                },
            }
        ],
    )
    shown = sdk.v2.contracts.retrieve(customer_id=customer, contract_id=contract).data
    subscription = (shown.subscriptions or [])[0].id
    assert subscription is not None
    seats = sdk.v1.contracts.list_seat_balances(
        customer_id=customer,
        contract_id=contract,
        subscription_ids=[subscription],
        covering_date=utc(2026, 6, 1),
        include_credits_and_commits=True,
        include_ledgers=True,
    )
    assert [one.seat_id for one in seats.data] == ["ann", "bob", "eve"]
    for seat in seats.data:
        assert [(one.balance, one.starting_balance) for one in seat.balances] == [(10, 10)]
        (credit,) = seat.credits or []
        assert (credit.balance, credit.credit_type_id, seat.commits) == (10, USD, [])
        assert [entry.amount for entry in credit.ledger_entries or []] == [10]
    credit_id = (seats.data[1].credits or [])[0].id
    (credit,) = [one for one in shown.credits or [] if one.id == credit_id]
    assert credit.access_schedule is not None
    sdk.v1.contracts.add_manual_balance_entry(
        customer_id=customer,
        id=credit_id,
        segment_id=credit.access_schedule.schedule_items[0].id,
        amount=-4,
        reason="used elsewhere",
    )
    first = sdk.v1.contracts.list_seat_balances(customer_id=customer, contract_id=contract, limit=2)
    assert [(one.seat_id, one.balances[0].balance) for one in first.data] == [
        ("ann", 10),
        ("bob", 6),
    ]
    assert first.data[0].credits is None
    assert (first.pagination.seats_included, first.pagination.seats_available_for_next_page) == (
        2,
        1,
    )
    assert first.pagination.next_page is not None
    last = sdk.v1.contracts.list_seat_balances(
        customer_id=customer, contract_id=contract, limit=2, cursor=first.pagination.next_page
    )
    assert [one.seat_id for one in last.data] == ["eve"]
    assert last.pagination.next_page is None
    named = sdk.v1.contracts.list_seat_balances(
        customer_id=customer,
        contract_id=contract,
        seat_ids=["eve", "kim"],
        skip_missing_seat_ids=True,
        starting_at=START,
        effective_before=utc(2027, 1, 1),
    )
    assert [one.seat_id for one in named.data] == ["eve"]
    with pytest.raises(metronome.BadRequestError, match=r"seat_ids\[1\]"):
        sdk.v1.contracts.list_seat_balances(
            customer_id=customer, contract_id=contract, seat_ids=["eve", "kim"]
        )
    with pytest.raises(metronome.BadRequestError, match="covering_date"):
        sdk.v1.contracts.list_seat_balances(
            customer_id=customer, contract_id=contract, covering_date=START, starting_at=START
        )


def test_a_contract_without_seats(shop: Shop) -> None:
    customer = shop.customer()
    contract = shop.contract(customer, credits=[shop.credit()])
    seats = shop.sdk.v1.contracts.list_seat_balances(customer_id=customer, contract_id=contract)
    assert (seats.data, seats.pagination.seats_included) == ([], 0)
    with pytest.raises(metronome.NotFoundError):
        shop.sdk.v1.contracts.list_seat_balances(customer_id=customer, contract_id=customer)
