"""Edits of contracts, commits and credits by the unmodified SDK: what they change, what they keep, what they refuse."""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta
from typing import Any

import httpx
import metronome
import pytest
from metronome import Metronome
from metronome.types.shared import ContractV2
from tests.integration.api.conftest import Service, Unique
from tests.support.contract_shop import END, START, Shop, access, every_part, open_shop
from tests.support.running_api import utc

FUTURE = utc(2026, 12, 1)


@pytest.fixture
def shop(sdk: Metronome, unique: Unique) -> Shop:
    return open_shop(sdk, unique)


def shown(shop: Shop, customer: str, contract: str) -> ContractV2:
    return shop.sdk.v2.contracts.retrieve(
        customer_id=customer, contract_id=contract, include_ledgers=True, include_balance=True
    ).data


def test_everything_can_be_added(shop: Shop, unique: Unique) -> None:
    customer = shop.customer()
    contract = shop.contract(customer, multiplier_override_prioritization="EXPLICIT")
    added = {f"add_{name}": parts for name, parts in every_part(shop).items()}
    key = unique("edit")
    edited = shop.sdk.v2.contracts.edit(
        customer_id=customer, contract_id=contract, uniqueness_key=key, **added
    ).data
    assert edited.edit is not None
    assert edited.edit.uniqueness_key == key
    after = shown(shop, customer, contract)
    assert [one.id for one in edited.edit.add_commits or []] == [
        one.id for one in after.commits if one.recurring_commit_id is None
    ]
    assert [one.id for one in edited.edit.add_overrides or []] == [
        one.id for one in after.overrides
    ]
    assert [one.id for one in edited.edit.add_subscriptions or []] == [
        one.id for one in after.subscriptions or []
    ]
    for name in ("add_credits", "add_recurring_commits", "add_recurring_credits"):
        assert getattr(edited.edit, name)
    for name in ("add_scheduled_charges", "add_discounts", "add_pro_services"):
        assert getattr(edited.edit, name)
    history = shop.sdk.v2.contracts.get_edit_history(
        customer_id=customer, contract_id=contract
    ).data
    assert [one.id for one in history] == [edited.id]
    assert history[0].add_commits == edited.edit.add_commits or len(
        history[0].add_commits or []
    ) == len(edited.edit.add_commits or [])
    with pytest.raises(metronome.ConflictError) as caught:
        shop.sdk.v2.contracts.edit(
            customer_id=customer, contract_id=contract, uniqueness_key=key, **added
        )
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(shown(shop, customer, contract).overrides) == 3


def test_commits_and_credits_are_updated_item_by_item(shop: Shop) -> None:
    customer = shop.customer()
    later = {"schedule_items": [{"timestamp": FUTURE, "unit_price": 10, "quantity": 3}]}
    contract = shop.contract(
        customer,
        commits=[shop.commit(100, invoice_schedule=later)],
        credits=[shop.credit(50, access_schedule=access(50, FUTURE))],
    )
    before = shown(shop, customer, contract)
    (commit,), (credit,) = before.commits, before.credits or []
    assert commit.invoice_schedule is not None
    assert commit.invoice_schedule.schedule_items is not None
    assert credit.access_schedule is not None
    item = commit.invoice_schedule.schedule_items[0].id
    segment = credit.access_schedule.schedule_items[0].id
    edited = shop.sdk.v2.contracts.edit(
        customer_id=customer,
        contract_id=contract,
        update_commits=[
            {
                "commit_id": commit.id,
                "invoice_schedule": {
                    "update_schedule_items": [{"id": item, "quantity": 4}],
                    "add_schedule_items": [{"timestamp": FUTURE, "amount": 5}],
                },
                "applicable_product_ids": [shop.usage],
                "name": "Renamed",
                "description": "changed",
                "netsuite_sales_order_id": "so-9",
                "priority": 3,
                "rate_type": "commit_rate",
                "rollover_fraction": 0.25,
                "product_id": shop.fixed,
            }
        ],
        update_credits=[
            {
                "credit_id": credit.id,
                "access_schedule": {
                    "remove_schedule_items": [{"id": segment}],
                    "add_schedule_items": [
                        {"amount": 60, "starting_at": FUTURE, "ending_before": END}
                    ],
                },
                "applicable_product_tags": ["api"],
            }
        ],
    ).data
    assert edited.edit is not None
    assert [one.id for one in edited.edit.update_commits or []] == [commit.id]
    assert (edited.edit.update_commits or [])[0].priority == 3
    after = shown(shop, customer, contract)
    (commit,), (credit,) = after.commits, after.credits or []
    assert commit.invoice_schedule is not None
    items = commit.invoice_schedule.schedule_items or []
    assert sorted(one.amount for one in items) == [5, 40]
    assert commit.applicable_product_ids == [shop.usage]
    assert (commit.name, commit.description, commit.priority) == ("Renamed", "changed", 3)
    assert (commit.rate_type, commit.rollover_fraction) == ("COMMIT_RATE", 0.25)
    assert commit.netsuite_sales_order_id == "so-9"
    assert credit.access_schedule is not None
    assert [one.amount for one in credit.access_schedule.schedule_items] == [60]
    assert credit.applicable_product_tags == ["api"]
    shop.sdk.v2.contracts.edit(
        customer_id=customer,
        contract_id=contract,
        update_commits=[
            {
                "commit_id": commit.id,
                "applicable_product_ids": None,
                "priority": None,
                "netsuite_sales_order_id": None,
                "rollover_fraction": None,
            }
        ],
    )
    (commit,) = shown(shop, customer, contract).commits
    assert commit.applicable_product_ids is None
    assert (commit.priority, commit.netsuite_sales_order_id, commit.rollover_fraction) == (
        0,
        None,
        None,
    )


def test_an_amount_that_has_begun_is_corrected_in_the_ledger(shop: Shop) -> None:
    customer = shop.customer()
    contract = shop.contract(customer, credits=[shop.credit(500)])
    (credit,) = shown(shop, customer, contract).credits or []
    assert credit.access_schedule is not None
    segment = credit.access_schedule.schedule_items[0].id
    shop.sdk.v2.contracts.edit(
        customer_id=customer,
        contract_id=contract,
        update_credits=[
            {
                "credit_id": credit.id,
                "access_schedule": {"update_schedule_items": [{"id": segment, "amount": 700}]},
            }
        ],
    )
    (credit,) = shown(shop, customer, contract).credits or []
    assert [one.amount for one in credit.ledger or [] if "START" in one.type] == [500, 200]
    assert credit.balance == 700


def test_charges_subscriptions_recurring_and_terms(shop: Shop) -> None:
    customer = shop.customer()
    parts = every_part(shop)
    parts["scheduled_charges"][0]["schedule"] = {
        "schedule_items": [{"timestamp": FUTURE, "amount": 150}]
    }
    contract = shop.contract(customer, multiplier_override_prioritization="EXPLICIT", **parts)
    before = shown(shop, customer, contract)
    charge = before.scheduled_charges[0]
    assert charge.schedule.schedule_items is not None
    seats, fixed = before.subscriptions or []
    assert seats.id is not None
    assert fixed.id is not None
    monthly, pooled = (before.recurring_commits or [])[0], (before.recurring_credits or [])[0]
    edited = shop.sdk.v2.contracts.edit(
        customer_id=customer,
        contract_id=contract,
        update_scheduled_charges=[
            {
                "scheduled_charge_id": charge.id,
                "netsuite_sales_order_id": "so-5",
                "invoice_schedule": {
                    "update_schedule_items": [
                        {"id": charge.schedule.schedule_items[0].id, "amount": 160}
                    ]
                },
            }
        ],
        update_subscriptions=[
            {
                "subscription_id": seats.id,
                "name": "More seats",
                "proration_rounding": {"decimal_places": 0, "rounding_method": "FLOOR"},
                "seat_updates": {
                    "add_seat_ids": [{"seat_ids": ["eve", "kim"], "starting_at": FUTURE}],
                    "remove_seat_ids": [{"seat_ids": ["ann"], "starting_at": FUTURE}],
                    "add_unassigned_seats": [{"quantity": 2, "starting_at": FUTURE}],
                    "remove_unassigned_seats": [{"quantity": 1, "starting_at": FUTURE}],
                },
            },
            {
                "subscription_id": fixed.id,
                "ending_before": END,
                "quantity_updates": [
                    {"starting_at": FUTURE, "quantity": 9},
                    {"starting_at": FUTURE, "quantity_delta": -2},
                ],
            },
        ],
        update_recurring_commits=[
            {
                "recurring_commit_id": monthly.id,
                "access_amount": {"unit_price": 120, "quantity": 2},
                "invoice_amount": {"unit_price": 100, "quantity": 2},
                "ending_before": FUTURE,
                "rate_type": "COMMIT_RATE",
                "proration_rounding": None,
            }
        ],
        update_recurring_credits=[
            {
                "recurring_credit_id": pooled.id,
                "access_amount": {"unit_price": 11},
                "proration_rounding": {
                    "access": {"decimal_places": 1, "rounding_method": "HALF_UP"}
                },
            }
        ],
        remove_overrides=[{"id": before.overrides[2].id}],
        update_contract_name="Renamed",
        update_net_payment_terms_days=14,
    ).data
    assert edited.edit is not None
    assert edited.edit.update_contract_name == "Renamed"
    after = shown(shop, customer, contract)
    assert (after.name, after.net_payment_terms_days) == ("Renamed", 14)
    items = after.scheduled_charges[0].schedule.schedule_items or []
    assert [one.amount for one in items] == [160]
    assert after.scheduled_charges[0].netsuite_sales_order_id == "so-5"
    seats, fixed = after.subscriptions or []
    assert seats.name == "More seats"
    assert seats.quantity_schedule[-1].starting_at == FUTURE
    assert fixed.quantity_schedule[-1].quantity == 7
    assert fixed.ending_before == END
    (monthly,), (pooled,) = after.recurring_commits or [], after.recurring_credits or []
    assert (monthly.access_amount.unit_price, monthly.access_amount.quantity) == (120, 2)
    assert monthly.ending_before == FUTURE
    assert (monthly.rate_type, monthly.proration_rounding) == ("COMMIT_RATE", None)
    assert pooled.access_amount.unit_price == 11
    assert [one.id for one in after.overrides] == [one.id for one in before.overrides[:2]]
    initial = shop.sdk.v1.contracts.retrieve(customer_id=customer, contract_id=contract).data
    assert initial.initial.name is None
    assert len(initial.initial.overrides) == 3
    assert initial.current.name == "Renamed"


def test_archived_parts_cannot_be_edited(shop: Shop) -> None:
    customer = shop.customer()
    later = {"schedule_items": [{"timestamp": FUTURE, "amount": 10}]}
    contract = shop.contract(
        customer,
        commits=[shop.commit(invoice_schedule=later)],
        credits=[shop.credit()],
        scheduled_charges=[{"product_id": shop.fixed, "schedule": later}],
    )
    before = shown(shop, customer, contract)
    (commit,), (credit,) = before.commits, before.credits or []
    (charge,) = before.scheduled_charges
    archive = {
        "archive_commits": [{"id": commit.id}],
        "archive_credits": [{"id": credit.id}],
        "archive_scheduled_charges": [{"id": charge.id}],
    }
    edit = shop.sdk.v2.contracts.edit
    edit(customer_id=customer, contract_id=contract, **archive)  # type: ignore[arg-type]
    after = shown(shop, customer, contract)
    assert after.commits[0].archived_at is not None
    assert (after.credits or [])[0].balance == 0
    assert after.scheduled_charges[0].archived_at is not None
    again = {
        **{name: {name: parts} for name, parts in archive.items()},
        "update_commits": {"update_commits": [{"commit_id": commit.id, "name": "x"}]},
        "update_credits": {"update_credits": [{"credit_id": credit.id, "name": "x"}]},
        "update_scheduled_charges": {
            "update_scheduled_charges": [
                {
                    "scheduled_charge_id": charge.id,
                    "invoice_schedule": {"add_schedule_items": [{"timestamp": END, "amount": 1}]},
                }
            ]
        },
    }
    for name, body in again.items():
        with pytest.raises(metronome.BadRequestError, match=rf"{name}\[0\].*archived"):
            edit(customer_id=customer, contract_id=contract, **body)  # type: ignore[arg-type]
    assert (
        len(shop.sdk.v2.contracts.get_edit_history(customer_id=customer, contract_id=contract).data)
        == 1
    )


def test_history_has_ends_and_filters_and_edits_of_commits(shop: Shop) -> None:
    sdk, customer = shop.sdk, shop.customer()
    contract = shop.contract(customer, commits=[shop.commit()], credits=[shop.credit()])
    before = shown(shop, customer, contract)
    sdk.v1.contracts.update_end_date(
        customer_id=customer,
        contract_id=contract,
        ending_before=utc(2026, 12, 15),
        allow_ending_before_finalized_invoice=True,
    )
    sdk.v1.contracts.set_usage_filter(
        customer_id=customer,
        contract_id=contract,
        group_key="region",
        group_values=["eu"],
        starting_at=FUTURE,
    )
    commit = sdk.v2.contracts.edit_commit(
        customer_id=customer, commit_id=before.commits[0].id, name="By itself", priority=4
    )
    assert commit.data.id == before.commits[0].id
    credit = sdk.v2.contracts.edit_credit(
        customer_id=customer,
        credit_id=(before.credits or [])[0].id,
        specifiers=[{"product_id": shop.usage}],
        description="by itself",
    )
    assert credit.data.id == (before.credits or [])[0].id
    history = sdk.v2.contracts.get_edit_history(customer_id=customer, contract_id=contract).data
    ended, filtered, commit_edit, credit_edit = history
    assert ended.update_contract_end_date == utc(2026, 12, 15)
    assert filtered.add_usage_filters is not None
    assert filtered.add_usage_filters[0].group_values == ["eu"]
    assert (commit_edit.update_commits or [])[0].name == "By itself"
    assert (credit_edit.update_credits or [])[0].description == "by itself"
    after = shown(shop, customer, contract)
    assert (after.commits[0].name, after.commits[0].priority) == ("By itself", 4)
    assert (after.credits or [])[0].specifiers is not None
    sdk.v2.contracts.edit(customer_id=customer, contract_id=contract, update_contract_end_date=None)
    assert shown(shop, customer, contract).ending_before is None
    with pytest.raises(metronome.BadRequestError, match="applicable_contract_ids"):
        sdk.v2.contracts.edit_commit(
            customer_id=customer,
            commit_id=before.commits[0].id,
            applicable_contract_ids=[contract],
        )


def test_a_contract_as_of_a_date(shop: Shop) -> None:
    sdk, customer = shop.sdk, shop.customer()
    contract = shop.contract(customer, commits=[shop.commit(100)], name="first")
    (commit,) = shown(shop, customer, contract).commits

    def edit(**body: object) -> datetime:
        edited = sdk.v2.contracts.edit(customer_id=customer, contract_id=contract, **body)  # type: ignore[arg-type]
        assert edited.data.edit is not None
        assert edited.data.edit.timestamp is not None
        return edited.data.edit.timestamp

    second = edit(
        update_contract_name="second",
        add_credits=[shop.credit()],
        add_overrides=[{"starting_at": START, "multiplier": 0.5}],
    )
    third = edit(
        update_contract_name="third",
        update_commits=[{"commit_id": commit.id, "name": "renamed"}],
        update_contract_end_date=None,
    )
    states = {}
    for at in (START, second, third):
        old = sdk.v2.contracts.retrieve(
            customer_id=customer,
            contract_id=contract,
            as_of_date=at + timedelta(milliseconds=1),  # finer than that the SDK does not say
        ).data
        states[at] = (
            old.name,
            old.ending_before,
            [one.name for one in old.commits],
            len(old.credits or []),
            len(old.overrides),
        )
    assert states == {
        START: ("first", END, [None], 0, 0),
        second: ("second", END, [None], 1, 1),
        third: ("third", None, ["renamed"], 1, 1),
    }
    for asked in ({"include_ledgers": True}, {"include_balance": True}):
        with pytest.raises(metronome.BadRequestError, match="as_of_date"):
            sdk.v2.contracts.retrieve(
                customer_id=customer,
                contract_id=contract,
                as_of_date=START,
                **asked,  # type: ignore[arg-type]
            )


def test_every_past_state_can_be_shown_again(shop: Shop, http: httpx.Client) -> None:
    customer = shop.customer()
    parts = every_part(shop)
    contract = shop.contract(customer, multiplier_override_prioritization="EXPLICIT", **parts)
    ids = {"customer_id": customer, "contract_id": contract}

    def state(**asked: object) -> dict[str, Any]:
        reply = http.post("/v2/contracts/get", json={**ids, **asked})
        assert reply.status_code == 200, reply.text
        return dict(reply.json()["data"])

    first = state()
    commit, credit = first["commits"][0], first["credits"][0]
    seats = first["subscriptions"][0]["id"]
    edits: list[dict[str, Any]] = [
        {"update_contract_name": "named", "update_net_payment_terms_days": 3},
        {f"add_{name}": given for name, given in parts.items() if name != "professional_services"},
        {"remove_overrides": [{"id": one["id"]} for one in first["overrides"]]},
        {
            "update_commits": [
                {"commit_id": commit["id"], "name": "n", "applicable_product_ids": None}
            ]
        },
        {"archive_credits": [{"id": credit["id"]}]},
        {
            "update_subscriptions": [
                {"subscription_id": seats, "ending_before": "2026-12-15T00:00:00Z"}
            ]
        },
        {"update_contract_end_date": "2026-12-31T00:00:00Z", "update_contract_name": None},
    ]
    seen = []
    for edit in edits:
        body = json.loads(json.dumps({**ids, **edit}, default=datetime.isoformat))
        reply = http.post("/v2/contracts/edit", json=body)
        assert reply.status_code == 200, reply.text
        seen.append((reply.json()["data"]["edit"]["timestamp"], state()))
    assert state(as_of_date=first["created_at"]) == first
    for at, after in seen:
        assert state(as_of_date=at) == after
    assert len({json.dumps(after, sort_keys=True) for _, after in seen}) == len(edits)
    history = http.post("/v2/contracts/getEditHistory", json=ids).json()["data"]
    assert [one["timestamp"] for one in history] == [at for at, _ in seen]


def test_of_two_with_one_key_one_is_made(service: Service, shop: Shop, unique: Unique) -> None:
    customer, key = shop.customer(), unique("key")
    contract = shop.contract(customer)
    outcomes: list[str] = []

    def edit() -> None:
        with service.sdk() as sdk:
            try:
                sdk.v2.contracts.edit(
                    customer_id=customer,
                    contract_id=contract,
                    uniqueness_key=key,
                    add_credits=[shop.credit(1)],  # type: ignore[list-item]
                )
                outcomes.append("made")
            except metronome.ConflictError:
                outcomes.append("refused")

    threads = [threading.Thread(target=edit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["made", "refused", "refused", "refused"]
    assert len(shown(shop, customer, contract).credits or []) == 1


BAD_EDITS = [
    ({"update_commits": [{"commit_id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2"}]}, "commit_id"),
    ({"remove_overrides": [{"id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2"}]}, "remove_overrides[0]"),
    ({"archive_credits": [{"id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2"}]}, "archive_credits[0]"),
    ({"update_contract_end_date": START}, "update_contract_end_date"),
    ({"update_contract_end_date": utc(2025, 1, 1)}, "update_contract_end_date"),
    ({"update_net_payment_terms_days": 1.5}, "update_net_payment_terms_days"),
    ({"update_net_payment_terms_days": -1}, "update_net_payment_terms_days"),
    ({"add_spend_threshold_configuration": {"is_enabled": True}}, "add_spend_threshold"),
    ({"archive_spend_trackers": ["a"]}, "archive_spend_trackers"),
    ({"add_overrides": [{"starting_at": START, "multiplier": -1}]}, "add_overrides[0].multiplier"),
]


@pytest.mark.parametrize(("body", "named"), BAD_EDITS)
def test_bad_edits_name_the_field_and_change_nothing(
    shop: Shop, body: dict[str, object], named: str
) -> None:
    customer = shop.customer()
    contract = shop.contract(customer, commits=[shop.commit()])
    with pytest.raises(metronome.BadRequestError) as caught:
        shop.sdk.v2.contracts.edit(
            customer_id=customer,
            contract_id=contract,
            add_credits=[shop.credit()],
            **body,  # type: ignore[arg-type]
        )
    assert named in str(caught.value)
    assert shown(shop, customer, contract).credits == []
    assert (
        shop.sdk.v2.contracts.get_edit_history(customer_id=customer, contract_id=contract).data
        == []
    )


def test_what_is_on_a_final_invoice_stays(shop: Shop) -> None:
    customer = shop.customer()
    contract = shop.contract(customer, commits=[shop.commit(100)])
    (commit,) = shown(shop, customer, contract).commits
    assert commit.invoice_schedule is not None
    (item,) = commit.invoice_schedule.schedule_items or []
    for change in (
        {"update_schedule_items": [{"id": item.id, "amount": 1}]},
        {"remove_schedule_items": [{"id": item.id}]},
    ):
        with pytest.raises(metronome.BadRequestError):
            shop.sdk.v2.contracts.edit(
                customer_id=customer,
                contract_id=contract,
                update_commits=[
                    {
                        "commit_id": commit.id,
                        "invoice_schedule": change,  # type: ignore[typeddict-item]
                    }
                ],
            )
    with pytest.raises(metronome.BadRequestError):
        shop.sdk.v2.contracts.edit(
            customer_id=customer, contract_id=contract, archive_commits=[{"id": commit.id}]
        )


def test_two_edits_at_once_are_both_kept(service: Service, shop: Shop) -> None:
    customer = shop.customer()
    contract = shop.contract(customer)
    failures: list[BaseException] = []

    def add(name: str) -> None:
        try:
            with service.sdk() as sdk:
                sdk.v2.contracts.edit(
                    customer_id=customer,
                    contract_id=contract,
                    add_overrides=[{"starting_at": START, "multiplier": 0.5}],
                    add_credits=[shop.credit(1, name=name)],  # type: ignore[list-item]
                )
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=add, args=(f"credit {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    after = shown(shop, customer, contract)
    assert len(after.overrides) == 6
    assert {one.name for one in after.credits or []} == {f"credit {number}" for number in range(6)}
    history = shop.sdk.v2.contracts.get_edit_history(customer_id=customer, contract_id=contract)
    assert len(history.data) == 6
