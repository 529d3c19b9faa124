"""Every field of every part of a contract with wrong values: a 4xx that says what, or accepted, but never a 500."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from metronome import Metronome
from tests.support.contract_shop import START, Shop, every_part, open_shop

PARTS = (
    "subscriptions",
    "commits",
    "credits",
    "recurring_commits",
    "recurring_credits",
    "overrides",
    "scheduled_charges",
    "discounts",
    "professional_services",
)
WRONG: list[Any] = [
    None,
    True,
    "",
    "x",
    -1,
    0,
    10**40,
    0.000_000_000_000_000_000_1,
    [],
    {},
    [None],
    "1999-12-31T23:59:59.5-14:00",
    "2199-12-31T00:00:00Z",
    "2714e483-4ff1-48e4-9e25-ac732e8f24f2",
]
# What a part names by temporary ids must be in the same request.
NAMED_BY = {
    "overrides": ("commits", "recurring_commits"),
    "recurring_credits": ("subscriptions",),
}
Place = tuple[str | int, ...]


@pytest.fixture(scope="module")
def shop(sdk: Metronome) -> Shop:
    return open_shop(sdk, lambda stem: f"{stem}-{uuid4().hex}")


@pytest.mark.parametrize("part", PARTS)
def test_wrong_values_anywhere_are_no_bug_of_ours(
    shop: Shop, http: httpx.Client, part: str
) -> None:
    """Each value of a part in turn, in a contract and in an edit of one."""
    every = json.loads(json.dumps(every_part(shop), default=datetime.isoformat))
    parts = {name: every[name] for name in (*NAMED_BY.get(part, ()), part)}
    customer, contract = shop.customer(), ""
    wanted = [
        (place, value)
        for number, place in enumerate(_places(parts[part]))
        for value in WRONG[number % 4 :: 4]
    ]
    refused = 0
    for number, (place, value) in enumerate(wanted):
        if number % 25 == 0:  # what is accepted is kept, and makes the next edit slower
            contract = shop.contract(customer, multiplier_override_prioritization="EXPLICIT")
        changed = _with(parts, (part, *place), value)
        edit = {f"add_{name}": given for name, given in changed.items()}
        body = {"customer_id": customer, "contract_id": contract, **edit}
        reply = http.post("/v2/contracts/edit", json=body)
        assert reply.status_code in (200, 400, 404), (place, value, reply.text)
        if reply.status_code != 200:
            refused += 1
            assert reply.json()["message"], (place, value)
    assert refused > len(wanted) / 3
    for place in list(_places(parts[part]))[:5]:
        made = {
            "customer_id": customer,
            "rate_card_id": shop.card,
            "starting_at": START.isoformat(),
            "multiplier_override_prioritization": "EXPLICIT",
            **_with(parts, (part, *place), "x"),
        }
        reply = http.post("/v1/contracts/create", json=made)
        assert reply.status_code in (200, 400, 404), (place, reply.text)


def test_wrong_values_in_updates_are_no_bug_of_ours(shop: Shop, http: httpx.Client) -> None:
    customer = shop.customer()
    contract = shop.contract(
        customer, multiplier_override_prioritization="EXPLICIT", **every_part(shop)
    )
    ids = {"customer_id": customer, "contract_id": contract}
    shown = http.post("/v2/contracts/get", json=ids).json()["data"]
    updates = _updates(shown)
    refused = 0
    for number, place in enumerate(_places(updates)):
        for value in WRONG[number % 5 :: 5]:
            reply = http.post("/v2/contracts/edit", json={**ids, **_with(updates, place, value)})
            assert reply.status_code in (200, 400, 404), (place, value, reply.text)
            refused += reply.status_code != 200
    assert refused


def _updates(shown: dict[str, Any]) -> dict[str, Any]:
    """An edit with every verb that changes a part and can be repeated."""
    charge, commit, credit = (
        shown[name][0] for name in ("scheduled_charges", "commits", "credits")
    )
    seats, fixed = shown["subscriptions"]
    later = "2026-12-01T00:00:00Z"
    amount = {"quantity": 2, "unit_price": 3}
    rounding = {"decimal_places": 1, "rounding_method": "FLOOR"}
    seat_ids = [{"seat_ids": ["eve"], "starting_at": later}]
    unassigned = [{"quantity": 1, "starting_at": later}]
    segment = commit["access_schedule"]["schedule_items"][0]["id"]
    return {
        "update_commits": [
            {
                "commit_id": commit["id"],
                "access_schedule": {
                    "update_schedule_items": [{"id": segment, "amount": 5, "ending_before": later}],
                    "add_schedule_items": [
                        {
                            "amount": 1,
                            "starting_at": later,
                            "ending_before": "2026-12-02T00:00:00Z",
                        }
                    ],
                },
                "invoice_schedule": {"add_schedule_items": [{"timestamp": later, "amount": 5}]},
                "applicable_product_tags": ["api"],
                "priority": 1,
                "rollover_fraction": 0.5,
                "rate_type": "LIST_RATE",
                "name": "n",
            }
        ],
        "update_credits": [{"credit_id": credit["id"], "specifiers": [{"product_tags": ["api"]}]}],
        "update_scheduled_charges": [
            {
                "scheduled_charge_id": charge["id"],
                "invoice_schedule": {"add_schedule_items": [{"timestamp": later, **amount}]},
            }
        ],
        "update_subscriptions": [
            {
                "subscription_id": seats["id"],
                "proration_rounding": rounding,
                "seat_updates": {
                    "add_seat_ids": seat_ids,
                    "remove_seat_ids": seat_ids,
                    "add_unassigned_seats": unassigned,
                    "remove_unassigned_seats": unassigned,
                },
            },
            {
                "subscription_id": fixed["id"],
                "ending_before": "2026-12-31T00:00:00Z",
                "quantity_updates": [{"starting_at": later, "quantity": 3}],
            },
        ],
        "update_recurring_commits": [
            {
                "recurring_commit_id": shown["recurring_commits"][0]["id"],
                "access_amount": amount,
                "invoice_amount": amount,
                "ending_before": later,
                "proration_rounding": {"access": rounding, "invoice": rounding},
            }
        ],
        "update_recurring_credits": [
            {
                "recurring_credit_id": shown["recurring_credits"][0]["id"],
                "access_amount": {"unit_price": 1},
                "proration_rounding": {"access": rounding},
            }
        ],
        "update_contract_name": "n",
        "update_contract_end_date": "2027-01-01T00:00:00Z",
        "update_net_payment_terms_days": 3,
    }


def _places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Where in a body there is a value, whole parts included."""
    if at:
        yield at
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _places(inner, (*at, name))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _places(inner, (*at, position))


def _with(body: Any, place: Place, value: Any) -> Any:
    changed = copy.deepcopy(body)
    inner = changed
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return changed
