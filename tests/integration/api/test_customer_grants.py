"""Commits and credits of customers, lists of balances, net balances and corrections by hand, by the unmodified SDK."""

from __future__ import annotations

import httpx
import metronome
import pytest
from metronome import Metronome
from tests.integration.api.conftest import Unique
from tests.support.contract_shop import END, START, USD, Shop, access, open_shop
from tests.support.running_api import utc

FUTURE = utc(2026, 12, 1)


@pytest.fixture
def shop(sdk: Metronome, unique: Unique) -> Shop:
    return open_shop(sdk, unique)


def a_credit(shop: Shop, customer: str, amount: float = 500, **more: object) -> str:
    body = {"priority": 1, **shop.credit(amount), **more}
    return shop.sdk.v1.customers.credits.create(customer_id=customer, **body).data.id  # type: ignore[arg-type]


def test_a_commit_of_a_customer_with_all_parameters(shop: Shop, unique: Unique) -> None:
    sdk, customer = shop.sdk, shop.customer()
    contract, key = shop.contract(customer), unique("key")
    body = {
        "customer_id": customer,
        "product_id": shop.fixed,
        "type": "prepaid",
        "priority": 10,
        "access_schedule": {**access(1000), "credit_type_id": USD, "access_type": "SPEND"},
        "invoice_schedule": {
            "credit_type_id": USD,
            "schedule_items": [
                {"timestamp": START, "unit_price": 400, "quantity": 1},
                {"timestamp": FUTURE, "amount": 400},
            ],
        },
        "invoice_contract_id": contract,
        "applicable_contract_ids": [contract],
        "specifiers": [{"product_tags": ["api"], "pricing_group_values": {"region": "eu"}}],
        "name": "Ours",
        "description": "for everybody",
        "netsuite_sales_order_id": "so",
        "salesforce_opportunity_id": "opp",
        "rate_type": "commit_rate",
        "custom_fields": {"team": "a"},
        "uniqueness_key": key,
    }
    commit_id = sdk.v1.customers.commits.create(**body).data.id  # type: ignore[arg-type]
    with pytest.raises(metronome.ConflictError) as caught:
        sdk.v1.customers.commits.create(**body)  # type: ignore[arg-type]
    assert caught.value.response.headers["x-should-retry"] == "false"
    (commit,) = sdk.v1.customers.commits.list(
        customer_id=customer, commit_id=commit_id, include_balance=True, include_ledgers=True
    ).data
    assert (commit.type, commit.priority, commit.cost_basis) == ("PREPAID", 10, 0.8)
    assert commit.balance == 1000
    assert commit.applicable_contract_ids == [contract]
    assert commit.invoice_contract is not None
    assert commit.invoice_contract.id == contract
    assert commit.specifiers is not None
    assert commit.specifiers[0].product_tags == ["api"]
    assert (commit.uniqueness_key, commit.rate_type) == (key, "COMMIT_RATE")
    assert commit.salesforce_opportunity_id == "opp"
    assert commit.contract is None
    assert [entry.type for entry in commit.ledger or []] == ["PREPAID_COMMIT_SEGMENT_START"]
    edited = sdk.v2.contracts.edit_commit(
        customer_id=customer,
        commit_id=commit_id,
        applicable_contract_ids=None,
        access_schedule={
            "add_schedule_items": [
                {"amount": 5, "starting_at": END, "ending_before": utc(2027, 2, 1)}
            ]
        },
        name="Still ours",
        description="changed",
        priority=11,
    )
    assert edited.data.id == commit_id
    ended = sdk.v1.customers.commits.update_end_date(
        customer_id=customer,
        commit_id=commit_id,
        access_ending_before=utc(2026, 12, 24),
        invoices_ending_before=FUTURE,
    )
    assert ended.data.id == commit_id
    (commit,) = sdk.v1.customers.commits.list(customer_id=customer).data
    assert (commit.name, commit.applicable_contract_ids) == ("Still ours", None)
    assert commit.access_schedule is not None
    assert [one.ending_before for one in commit.access_schedule.schedule_items] == [
        utc(2026, 12, 24)
    ]
    assert commit.invoice_schedule is not None
    assert len(commit.invoice_schedule.schedule_items or []) == 1


def test_a_credit_of_a_customer(shop: Shop, unique: Unique) -> None:
    sdk, customer, key = shop.sdk, shop.customer(), unique("key")
    credit_id = a_credit(shop, customer, uniqueness_key=key, custom_fields={"why": "sorry"})
    with pytest.raises(metronome.ConflictError, match="uniqueness_key"):
        a_credit(shop, customer, uniqueness_key=key)
    sdk.v1.customers.commits.create(
        customer_id=customer,
        priority=1,
        uniqueness_key=key,  # commits have keys of their own
        product_id=shop.fixed,
        type="PREPAID",
        access_schedule=access(1),  # type: ignore[arg-type]
    )
    sdk.v2.contracts.edit_credit(
        customer_id=customer, credit_id=credit_id, applicable_product_ids=[shop.usage]
    )
    ended = sdk.v1.customers.credits.update_end_date(
        customer_id=customer, credit_id=credit_id, access_ending_before=FUTURE
    )
    assert ended.data.id == credit_id
    (credit,) = sdk.v1.customers.credits.list(
        customer_id=customer, credit_id=credit_id, include_balance=True, include_ledgers=True
    ).data
    assert (credit.type, credit.balance) == ("CREDIT", 500)
    assert credit.applicable_product_ids == [shop.usage]
    assert credit.custom_fields == {"why": "sorry"}
    assert credit.access_schedule is not None
    assert credit.access_schedule.schedule_items[0].ending_before == FUTURE
    with pytest.raises(metronome.NotFoundError):
        sdk.v2.contracts.edit_commit(customer_id=customer, commit_id=credit_id, name="x")
    with pytest.raises(metronome.NotFoundError):
        sdk.v1.customers.credits.update_end_date(
            customer_id=shop.customer(), credit_id=credit_id, access_ending_before=FUTURE
        )


def test_lists_and_their_filters(shop: Shop) -> None:
    sdk, customer = shop.sdk, shop.customer()
    early = a_credit(shop, customer, 1, access_schedule=access(1, START, utc(2026, 2, 1)))
    late = a_credit(shop, customer, 2, access_schedule=access(2, FUTURE, END))
    units = a_credit(
        shop,
        customer,
        3,
        access_schedule=access(3, START, END, access_type="QUANTITY"),
        applicable_product_ids=[shop.usage],
    )
    contract = shop.contract(customer, commits=[shop.commit(10)], credits=[shop.credit(20)])
    own = {early, late, units}

    def ids(**more: object) -> set[str]:
        return {
            one.id
            for one in sdk.v1.contracts.list_balances(customer_id=customer, **more)  # type: ignore[arg-type]
        }

    assert ids() == own
    every = ids(include_contract_balances=True)
    assert len(every - own) == 2
    assert ids(id=late) == {late}
    assert ids(covering_date=utc(2026, 1, 15)) == {early, units}
    assert ids(starting_at=utc(2026, 6, 1)) == {late, units}
    assert ids(effective_before=utc(2026, 6, 1)) == {early, units}
    assert ids(access_type="QUANTITY") == {units}
    assert late not in ids(exclude_zero_balances=True)
    commits = sdk.v1.customers.commits.list(customer_id=customer, include_contract_commits=True)
    assert [one.contract.id for one in commits.data if one.contract] == [contract]
    credits_ = sdk.v1.customers.credits.list(customer_id=customer, include_contract_credits=True)
    assert len(credits_.data) == 4
    paged = sdk.v1.contracts.list_balances(
        customer_id=customer, include_contract_balances=True, limit=2
    )
    assert len(paged.data) == 2
    assert paged.next_page is not None
    assert {one.id for one in paged} == every
    sdk.v1.contracts.archive(customer_id=customer, contract_id=contract, void_invoices=True)
    assert ids(include_contract_balances=True) == own
    assert ids(include_contract_balances=True, include_archived=True) == every


def test_net_balances(shop: Shop, unique: Unique) -> None:
    sdk, customer = shop.sdk, shop.customer()
    unit = sdk.v1.pricing_units.create(name=unique("unit")).data.id
    first = a_credit(shop, customer, 100, custom_fields={"campaign": "spring"})
    a_credit(shop, customer, 7, access_schedule=access(7, credit_type_id=unit))
    a_credit(shop, customer, 9, access_schedule=access(9, FUTURE, END))
    a_credit(
        shop,
        customer,
        3,
        access_schedule=access(3, access_type="QUANTITY"),
        applicable_product_ids=[shop.usage],
    )
    shop.contract(customer, commits=[shop.commit(1000)])

    def net(**more: object) -> float:
        return sdk.v1.contracts.get_net_balance(customer_id=customer, **more).data.balance  # type: ignore[arg-type]

    assert net() == 1100
    assert net(invoice_inclusion_mode="FINALIZED") == 1100
    assert net(credit_type_id=unit) == 7
    assert net(access_type="QUANTITY") == 3
    assert net(filters=[{"balance_types": ["CREDIT"]}]) == 100
    assert net(filters=[{"ids": [first]}, {"balance_types": ["PREPAID_COMMIT"]}]) == 1100
    assert net(filters=[{"balance_types": ["CREDIT"], "custom_fields": {"campaign": "x"}}]) == 0
    assert net(filters=[{"custom_fields": {"campaign": "spring"}}]) == 100


def test_corrections_by_hand(shop: Shop, unique: Unique) -> None:
    sdk, customer, key = shop.sdk, shop.customer(), unique("key")
    credit_id = a_credit(shop, customer, 100)

    def only() -> metronome.types.shared.Credit:  # type: ignore[name-defined]
        (credit,) = sdk.v1.customers.credits.list(
            customer_id=customer, include_balance=True, include_ledgers=True
        ).data
        return credit

    segment = only().access_schedule.schedule_items[0].id
    body = {"customer_id": customer, "id": credit_id, "segment_id": segment}
    add = sdk.v1.contracts.add_manual_balance_entry
    add(**body, amount=-30, reason="refunded elsewhere", uniqueness_key=key)
    add(**body, amount=5.5, reason="sorry", timestamp=utc(2026, 1, 2))
    credit = only()
    assert credit.balance == 75.5
    manual = [entry for entry in credit.ledger if entry.type == "CREDIT_MANUAL"]
    assert [(entry.amount, entry.reason) for entry in manual] == [
        (-30, "refunded elsewhere"),
        (5.5, "sorry"),
    ]
    with pytest.raises(metronome.ConflictError) as caught:
        add(**body, amount=1, reason="again", uniqueness_key=key)
    assert caught.value.response.headers["x-should-retry"] == "false"
    for change, named in (
        ({"segment_id": credit_id}, "segment_id"),
        ({"contract_id": credit_id}, "contract_id"),
        ({"timestamp": utc(2025, 1, 1)}, "timestamp"),
        ({"timestamp": utc(2026, 12, 31)}, "timestamp"),
        ({"reason": ""}, "reason"),
        ({"amount": float("9" * 40)}, "amount"),
        ({"per_group_amounts": {"a": 1}}, "per_group_amounts"),
    ):
        with pytest.raises(metronome.BadRequestError, match=named):
            add(**{**body, "amount": 1, "reason": "r", **change})
    with pytest.raises(metronome.NotFoundError):
        add(**{**body, "id": segment, "amount": 1, "reason": "r"})
    assert only().balance == 75.5


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"access_schedule": access(-1)}, "access_schedule"),
        ({"access_schedule": access(1, END, START)}, "access_schedule"),
        ({"access_schedule": {"schedule_items": []}}, "access_schedule"),
        ({"product_id": USD}, "product_id"),
        ({"applicable_contract_ids": [USD]}, "applicable_contract_ids[0]"),
        ({"applicable_product_ids": [USD]}, "applicable_product_ids[0]"),
        ({"rate_type": "CHEAP"}, "rate_type"),
        ({"access_schedule": access(1, access_type="HOURS")}, "access_type"),
    ],
)
def test_bad_credits_name_the_field(shop: Shop, change: dict[str, object], named: str) -> None:
    customer = shop.customer()
    with pytest.raises(metronome.BadRequestError) as caught:
        a_credit(shop, customer, 1, **change)
    assert named in str(caught.value)
    assert shop.sdk.v1.customers.credits.list(customer_id=customer).data == []


def test_only_fixed_products_make_grants(shop: Shop) -> None:
    customer = shop.customer()
    with pytest.raises(metronome.BadRequestError, match=r"product_id.*FIXED"):
        a_credit(shop, customer, 1, product_id=shop.usage)
    shop.sdk.v1.contracts.products.archive(product_id=shop.fixed)
    with pytest.raises(metronome.BadRequestError, match=r"product_id.*archived"):
        a_credit(shop, customer)


def test_custom_fields_of_commits_and_credits(shop: Shop, unique: Unique) -> None:
    sdk, customer, key = shop.sdk, shop.customer(), unique("key")
    credit_id = a_credit(shop, customer, 100)
    commit_id = sdk.v1.customers.commits.create(
        customer_id=customer,
        priority=1,
        product_id=shop.fixed,
        type="PREPAID",
        access_schedule=access(1),  # type: ignore[arg-type]
        custom_fields={key: "given"},
    ).data.id
    for entity in ("commit", "contract_credit"):
        sdk.v1.custom_fields.add_key(entity=entity, key=key, enforce_uniqueness=True)
    fields = sdk.v1.custom_fields
    fields.set_values(entity="contract_credit", entity_id=credit_id, custom_fields={key: "spring"})
    with pytest.raises(metronome.NotFoundError):
        fields.set_values(entity="commit", entity_id=credit_id, custom_fields={key: "spring"})
    with pytest.raises(metronome.ConflictError, match="in use"):
        a_credit(shop, customer, custom_fields={key: "spring"})
    net = sdk.v1.contracts.get_net_balance
    assert (
        net(customer_id=customer, filters=[{"custom_fields": {key: "spring"}}]).data.balance == 100
    )
    sdk.v1.custom_fields.remove_key(entity="contract_credit", key=key)
    shown = {
        one.id: one.custom_fields for one in sdk.v1.contracts.list_balances(customer_id=customer)
    }
    assert shown == {credit_id: {}, commit_id: {key: "given"}}


def test_commits_and_credits_are_archived_for_good(shop: Shop, http: httpx.Client) -> None:
    sdk, customer = shop.sdk, shop.customer()
    contract = shop.contract(customer, credits=[shop.credit(50)], commits=[shop.commit(70)])
    own = a_credit(shop, customer, 30)
    rows = sdk.v1.contracts.list_balances(customer_id=customer, include_contract_balances=True).data
    of_contract = next(one.id for one in rows if one.type == "CREDIT" and one.id != own)
    bought = next(one.id for one in rows if one.type == "PREPAID")
    for credit_id in (own, of_contract):
        body = {"customer_id": customer, "credit_id": credit_id}
        reply = http.post("/v2/contracts/credits/archive", json=body)
        assert reply.json() == {"data": {"id": credit_id}}
        again = http.post("/v2/contracts/credits/archive", json=body)
        assert (again.status_code, again.json()["message"]) == (400, "credit_id: is archived")
    body = {"customer_id": customer, "commit_id": bought}
    paid = http.post("/v2/contracts/commits/archive", json=body)
    assert paid.status_code == 400
    assert "FINALIZED invoice" in paid.json()["message"]
    assert sdk.v1.contracts.get_net_balance(customer_id=customer).data.balance == 70
    (archived,) = sdk.v1.customers.credits.list(
        customer_id=customer, include_archived=True, include_balance=True, include_ledgers=True
    ).data
    assert archived.balance == 0
    assert [entry.amount for entry in archived.ledger or []] == [30, -30]
    history = sdk.v2.contracts.get_edit_history(customer_id=customer, contract_id=contract).data
    assert [one.id for one in history[0].archive_credits or []] == [of_contract]
