"""Commits, credits and balances of who has none: lists are empty, balances zero, and bad questions refused."""

from __future__ import annotations

from uuid import UUID, uuid4

import httpx
import pytest
from metronome import Metronome
from tests.integration.api.conftest import Service, Unique
from tests.integration.api.test_sdk import FEBRUARY, START, USD

NET = "/v1/contracts/customerBalances/getNetBalance"
LISTS = [
    f"/v1/contracts/{name}/list"
    for name in ("customerCommits", "customerCredits", "customerBalances")
]


@pytest.fixture
def customer(sdk: Metronome) -> str:
    return sdk.v1.customers.create(name="Acme").data.id


def test_nobody_has_commits_or_credits(sdk: Metronome, customer: str) -> None:
    assert list(sdk.v1.customers.commits.list(customer_id=customer)) == []
    assert list(sdk.v1.customers.credits.list(customer_id=customer)) == []
    assert list(sdk.v1.contracts.list_balances(customer_id=customer)) == []
    commits = sdk.v1.customers.commits.list(
        customer_id=customer,
        access_type="QUANTITY",
        commit_id=str(uuid4()),
        covering_date=START,
        starting_at=START,
        effective_before=FEBRUARY,
        include_archived=True,
        include_balance=True,
        include_contract_commits=True,
        include_ledgers=True,
        limit=25,
    )
    assert (commits.data, commits.next_page) == ([], None)
    balances = sdk.v1.contracts.list_balances(
        customer_id=customer,
        id=str(uuid4()),
        access_type="SPEND",
        exclude_zero_balances=True,
        include_contract_balances=True,
        limit=1,
    )
    assert (balances.data, balances.next_page) == ([], None)


def test_the_net_balance_is_zero(sdk: Metronome, customer: str, unique: Unique) -> None:
    shown = sdk.v1.contracts.get_net_balance(customer_id=customer).data
    assert (shown.balance, shown.credit_type_id) == (0, USD)
    unit = sdk.v1.pricing_units.create(name=unique("unit")).data.id
    shown = sdk.v1.contracts.get_net_balance(
        customer_id=customer,
        access_type="SPEND",
        credit_type_id=unit,
        filters=[{"balance_types": ["CREDIT"], "custom_fields": {"campaign": "trial"}}],
        invoice_inclusion_mode="FINALIZED",
    ).data
    assert (shown.balance, shown.credit_type_id) == (0, unit)
    shown = sdk.v1.contracts.get_net_balance(customer_id=customer, access_type="QUANTITY").data
    assert (shown.balance, shown.credit_type_id) == (0, str(UUID(int=0)))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"credit_type_id": str(uuid4())}, "credit_type_id"),
        ({"credit_type_id": USD, "access_type": "QUANTITY"}, "credit_type_id"),
        ({"access_type": "BOTH"}, "access_type"),
        ({"invoice_inclusion_mode": "DRAFT"}, "invoice_inclusion_mode"),
        (
            {"filters": [{}, {"balance_types": ["CREDIT", "GIFT"]}]},
            "filters[1].balance_types[1]",
        ),
        ({"filters": [{"ids": ["x"]}]}, "filters[0].ids[0]"),
        ({"filters": {"ids": []}}, "filters"),
    ],
)
def test_bad_questions_name_the_field(
    http: httpx.Client, customer: str, change: dict[str, object], named: str
) -> None:
    answer = http.post(NET, json={"customer_id": customer, **change})
    assert answer.status_code == 400
    assert named in answer.json()["message"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("covering_date", "2026-01-01"),
        ("starting_at", "9999-12-31T23:59:59-14:00"),
        ("effective_before", 5),
        ("include_archived", "yes"),
        ("customer_id", "x"),
    ],
)
def test_bad_filters_name_the_field(
    http: httpx.Client, customer: str, path: str, field: str, wrong: object
) -> None:
    answer = http.post(path, json={"customer_id": customer, field: wrong})
    assert answer.status_code == 400
    assert field in answer.json()["message"]


@pytest.mark.parametrize("path", [*LISTS, NET])
def test_unknown_customers_are_not_found(
    service: Service, http: httpx.Client, customer: str, path: str
) -> None:
    assert http.post(path, json={"customer_id": str(uuid4())}).status_code == 404
    with service.http(service.other_token) as other:
        assert other.post(path, json={"customer_id": customer}).status_code == 404
    with service.http(service.read_token) as reader:
        assert reader.post(path, json={"customer_id": customer}).status_code == 200
