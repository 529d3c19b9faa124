"""Alerts over the API with the unmodified SDK: set, archived, evaluated from live usage, spend and balances."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import metronome
import pytest
from metronome import Metronome
from tests.integration.api.conftest import Service, Unique
from tests.integration.api.test_sdk import USD
from tests.support.usage_rows import Observation, write

from meterline.core.metric import Aggregation, BillableMetric
from meterline.store.database import Database

CREATE, GET, LIST = "/v1/alerts/create", "/v1/customer-alerts/get", "/v1/customer-alerts/list"
NOW = datetime.now(UTC)
THIS_HOUR = NOW.replace(minute=0, second=0, microsecond=0)
MONTH_START = THIS_HOUR.replace(day=1, hour=0)
NEXT_YEAR = THIS_HOUR + timedelta(days=365)


@dataclass(frozen=True)
class Shop:
    """Calls at 2 cents, shown by user, on one rate card."""

    service: Service
    metric: BillableMetric
    product: str
    fixed: str
    card: str

    def meter(self, customer: str, user: str, quantity: str) -> None:
        """Usage of this hour."""
        seen = Observation(self.metric, customer, (user,), THIS_HOUR, uuid4(), Decimal(quantity))

        async def run() -> None:
            async with (
                Database(self.service.database_url, connections_max=2) as database,
                database.installation() as connection,
            ):
                found = await connection.execute(
                    "SELECT environment_id FROM environment WHERE name = 'production'"
                )
                row = await found.fetchone()
                assert row is not None
                await write(connection, row["environment_id"], [seen])

        asyncio.run(run())


@pytest.fixture(scope="module")
def shop(service: Service) -> Iterator[Shop]:
    with service.sdk() as sdk:
        metric = sdk.v1.billable_metrics.create(
            name="calls",
            aggregation_type="SUM",
            aggregation_key="count",
            event_type_filter={"in_values": ["call"]},
            property_filters=[{"name": "count", "exists": True}, {"name": "user", "exists": True}],
            group_keys=[["user"]],
        ).data.id
        product = sdk.v1.contracts.products.create(
            name="Calls", type="USAGE", billable_metric_id=metric, presentation_group_key=["user"]
        ).data.id
        fixed = sdk.v1.contracts.products.create(name="Credit", type="FIXED").data.id
        card = sdk.v1.contracts.rate_cards.create(name="Prices").data.id
        sdk.v1.contracts.rate_cards.rates.add(
            rate_card_id=card,
            product_id=product,
            starting_at="2020-01-01T00:00:00Z",
            entitled=True,
            rate_type="FLAT",
            price=2,
        )
        counted = BillableMetric(
            UUID(metric), "calls", Aggregation.SUM, "count", group_keys=(("user",),)
        )
        yield Shop(service, counted, product, fixed, card)


@pytest.fixture
def customer(sdk: Metronome, shop: Shop) -> str:
    """A customer with a contract since the start of this month."""
    customer = sdk.v1.customers.create(name="Acme").data.id
    sdk.v1.contracts.create(
        customer_id=customer, starting_at=MONTH_START, rate_card_id=shop.card, name="Acme's"
    )
    return customer


def gives_credit(sdk: Metronome, shop: Shop, customer: str, amount: float, **fields: Any) -> str:
    """A credit of the customer's own for a year."""
    return sdk.v1.customers.credits.create(
        customer_id=customer,
        product_id=shop.fixed,
        priority=1,
        access_schedule={
            "credit_type_id": USD,
            "schedule_items": [
                {"amount": amount, "starting_at": MONTH_START, "ending_before": NEXT_YEAR}
            ],
        },
        **fields,
    ).data.id


def status(sdk: Metronome, alert: str, customer: str, **part: Any) -> tuple[str | None, str | None]:
    """Where the customer stands, and why."""
    found = sdk.v1.customers.alerts.retrieve(alert_id=alert, customer_id=customer, **part).data
    return found.customer_status, found.triggered_by


def test_an_alert_is_shown_as_it_was_set(sdk: Metronome, customer: str, unique: Unique) -> None:
    key = unique("key")
    alert = sdk.v1.alerts.create(
        alert_type="low_remaining_contract_credit_and_commit_balance_reached",
        name="Low on everything",
        threshold=12.5,
        customer_id=customer,
        credit_type_id=USD,
        uniqueness_key=key,
        evaluate_on_create=True,
        access_type="SPEND",
        custom_field_filters=[{"entity": "ContractCreditOrCommit", "key": "a", "value": "b"}],
        alert_specifiers=[
            {
                "custom_field_filters": [{"entity": "Commit", "key": "c", "value": "d"}],
                "exclude": [
                    {"custom_field_filters": [{"entity": "Commit", "key": "e", "value": "f"}]}
                ],
            }
        ],
    ).data.id
    found = sdk.v1.customers.alerts.retrieve(alert_id=alert, customer_id=customer).data
    assert (found.customer_status, found.triggered_by) == ("ok", None)
    shown = found.alert
    assert (shown.id, shown.name, shown.status, shown.threshold) == (
        alert,
        "Low on everything",
        "enabled",
        12.5,
    )
    assert shown.type == "low_remaining_contract_credit_and_commit_balance_reached"
    assert shown.credit_type is not None
    assert (shown.credit_type.id, shown.credit_type.name) == (USD, "USD (cents)")
    assert (shown.uniqueness_key, shown.access_type) == (key, "SPEND")
    assert shown.custom_field_filters is not None
    assert shown.custom_field_filters[0].model_dump() == {
        "entity": "ContractCreditOrCommit",
        "key": "a",
        "value": "b",
    }
    assert shown.alert_specifiers is not None
    assert shown.alert_specifiers[0].exclude is not None
    assert shown.alert_specifiers[0].exclude[0].custom_field_filters is not None
    assert abs(shown.updated_at - NOW) < timedelta(hours=1)


def test_spend_moves_with_usage(sdk: Metronome, shop: Shop, customer: str) -> None:
    whole = sdk.v1.alerts.create(
        alert_type="spend_threshold_reached", name="100 cents", threshold=100, customer_id=customer
    ).data.id
    by_user = sdk.v1.alerts.create(
        alert_type="spend_threshold_reached",
        name="80 cents a user",
        threshold=80,
        group_values=[{"key": "user"}],
    ).data.id
    assert status(sdk, whole, customer) == ("ok", None)
    shop.meter(customer, "ann", "39.5")
    shop.meter(customer, "bob", "10")
    assert status(sdk, whole, customer) == ("ok", None)
    assert status(sdk, by_user, customer) == ("ok", None)
    shop.meter(customer, "ann", "0.5")
    assert status(sdk, whole, customer) == ("in_alarm", None)
    assert status(sdk, by_user, customer) == ("in_alarm", "user=ann")
    bobs = {"group_values": [{"key": "user", "value": "bob"}]}
    assert status(sdk, by_user, customer, **bobs) == ("ok", None)


def test_usage_and_invoice_totals(sdk: Metronome, shop: Shop, customer: str) -> None:
    usage = sdk.v1.alerts.create(
        alert_type="usage_threshold_reached",
        name="50 calls",
        threshold=50,
        billable_metric_id=str(shop.metric.id),
    ).data.id
    invoice = sdk.v1.alerts.create(
        alert_type="invoice_total_reached",
        name="a dollar net",
        threshold=100,
        invoice_types_filter=["usage"],
    ).data.id
    spend = sdk.v1.alerts.create(
        alert_type="spend_threshold_reached", name="a dollar", threshold=100
    ).data.id
    gives_credit(sdk, shop, customer, 30)
    shop.meter(customer, "ann", "49")
    assert status(sdk, usage, customer)[0] == "ok"
    shop.meter(customer, "ann", "1")
    assert status(sdk, usage, customer)[0] == "in_alarm"
    # A hundred cents of usage, of which a credit pays thirty: the spend is reached, the invoice's total is not.
    assert status(sdk, spend, customer)[0] == "in_alarm"
    assert status(sdk, invoice, customer)[0] == "ok"
    shop.meter(customer, "ann", "15")
    alarm, subject = status(sdk, invoice, customer)
    assert alarm == "in_alarm"
    assert subject is not None
    assert subject.startswith("invoice ")


def test_balances_fall_with_usage(sdk: Metronome, shop: Shop, customer: str) -> None:
    def set_alert(kind: Any, threshold: float) -> str:
        return sdk.v1.alerts.create(alert_type=kind, name=kind, threshold=threshold).data.id

    balance = set_alert("low_remaining_contract_credit_balance_reached", 40)
    percentage = set_alert("low_remaining_contract_credit_percentage_reached", 40)
    both = set_alert("low_remaining_contract_credit_and_commit_percentage_reached", 39)
    commits = set_alert("low_remaining_commit_balance_reached", 1000)
    days = set_alert("low_remaining_days_for_contract_credit_segment_reached", 364)
    longer = set_alert("low_remaining_days_for_contract_credit_segment_reached", 366)
    every = [balance, percentage, both, commits, days, longer]
    assert [status(sdk, one, customer)[0] for one in every] == ["ok"] * 6
    gives_credit(sdk, shop, customer, 100)
    assert [status(sdk, one, customer)[0] for one in every] == ["ok"] * 5 + ["in_alarm"]
    shop.meter(customer, "ann", "30")
    assert [status(sdk, one, customer)[0] for one in every] == [
        "in_alarm",
        "in_alarm",
        "ok",
        "ok",
        "ok",
        "in_alarm",
    ]


def test_balances_by_custom_field(sdk: Metronome, shop: Shop, customer: str) -> None:
    gives_credit(sdk, shop, customer, 5, custom_fields={"promo": "may"})
    gives_credit(sdk, shop, customer, 50, custom_fields={"promo": "june"})
    by_promo = sdk.v1.alerts.create(
        alert_type="low_remaining_contract_credit_and_commit_balance_reached",
        name="each promotion",
        threshold=5,
        alert_specifiers=[
            {"custom_field_filters": [{"entity": "ContractCreditOrCommit", "key": "promo"}]}
        ],
    ).data.id
    assert status(sdk, by_promo, customer) == ("in_alarm", "promo=may")
    for promo, expected in (("may", "in_alarm"), ("june", "ok")):
        one = {"entity": "ContractCreditOrCommit", "key": "promo", "value": promo}
        part = {"alert_specifiers": [{"custom_field_filters": [one]}]}
        assert status(sdk, by_promo, customer, **part) == (expected, None)


def test_archived_alerts_say_nothing_and_keep_or_release_their_key(
    sdk: Metronome, customer: str, unique: Unique
) -> None:
    key = unique("key")

    def set_alert() -> str:
        return sdk.v1.alerts.create(
            alert_type="spend_threshold_reached", name="x", threshold=0, uniqueness_key=key
        ).data.id

    alert = set_alert()
    with pytest.raises(metronome.ConflictError, match="uniqueness_key") as refused:
        set_alert()
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert sdk.v1.alerts.archive(id=alert).data.id == alert
    found = sdk.v1.customers.alerts.retrieve(alert_id=alert, customer_id=customer).data
    assert (found.customer_status, found.alert.status) == (None, "archived")
    assert found.alert.uniqueness_key == key
    with pytest.raises(metronome.ConflictError):
        set_alert()
    sdk.v1.alerts.archive(id=alert, release_uniqueness_key=True)
    assert set_alert() != alert


def test_lists_by_status_in_pages(
    sdk: Metronome, http: httpx.Client, customer: str, unique: Unique
) -> None:
    names = [unique(f"alert{number}") for number in range(3)]
    made = [
        sdk.v1.alerts.create(
            alert_type="spend_threshold_reached",
            name=name,
            threshold=1_000_000,
            customer_id=customer,
        ).data.id
        for name in names
    ]
    sdk.v1.alerts.archive(id=made[1])

    def listed(**wanted: Any) -> dict[str, str | None]:
        return {
            row.alert.id: row.customer_status
            for row in sdk.v1.customers.alerts.list(customer_id=customer, **wanted)
            if row.alert.id in made
        }

    assert listed() == {made[0]: "ok", made[2]: "ok"}
    assert listed(alert_statuses=["ARCHIVED"]) == {made[1]: None}
    assert listed(alert_statuses=["DISABLED"]) == {}
    assert list(listed(alert_statuses=["ENABLED", "DISABLED", "ARCHIVED"])) == made
    other = sdk.v1.customers.create(name="Other").data.id
    assert not {row.alert.id for row in sdk.v1.customers.alerts.list(customer_id=other)} & {*made}
    with pytest.raises(metronome.NotFoundError):
        sdk.v1.customers.alerts.retrieve(alert_id=made[0], customer_id=other)
    for index in range(101):
        body = {"alert_type": "SPEND_threshold_reached", "name": f"n{index}", "threshold": 1}
        assert http.post(CREATE, json=body | {"customer_id": other}).status_code == 200
    own = [row.alert.name for row in sdk.v1.customers.alerts.list(customer_id=other)]
    assert [name for name in own if name[0] == "n"] == [f"n{index}" for index in range(101)]
    first = http.post(LIST, json={"customer_id": other}).json()
    assert len(first["data"]) == 100
    assert first["next_page"] is not None


def test_a_reset_changes_nothing_that_is_evaluated_anew_anyway(
    sdk: Metronome, customer: str
) -> None:
    alert = sdk.v1.alerts.create(
        alert_type="spend_threshold_reached", name="x", threshold=0, customer_id=customer
    ).data.id
    before = status(sdk, alert, customer)
    assert sdk.v1.customers.alerts.reset(alert_id=alert, customer_id=customer) is None
    assert status(sdk, alert, customer) == before == ("in_alarm", None)
    other = sdk.v1.customers.create(name="Other").data.id
    with pytest.raises(metronome.NotFoundError):
        sdk.v1.customers.alerts.reset(alert_id=alert, customer_id=other)


@pytest.mark.parametrize(
    ("change", "status_code", "named"),
    [
        ({"alert_type": "spend"}, 400, "alert_type"),
        ({"alert_type": "low_credit_balance_reached"}, 400, "alert_type"),
        ({"threshold": -1}, 400, "threshold"),
        ({"threshold": "much"}, 400, "threshold"),
        ({"name": ""}, 400, "name"),
        ({"customer_id": str(uuid4())}, 404, "customer"),
        ({"credit_type_id": str(uuid4())}, 400, "credit_type_id"),
        ({"billable_metric_id": str(uuid4())}, 400, "billable_metric_id"),
        (
            {"alert_type": "usage_threshold_reached", "billable_metric_id": str(uuid4())},
            400,
            "billable_metric_id",
        ),
        ({"alert_type": "usage_threshold_reached"}, 400, "billable_metric_id"),
        ({"alert_type": "low_remaining_seat_balance_reached"}, 400, "seat_filter"),
        ({"seat_filter": {"seat_group_key": "user"}}, 400, "seat_filter"),
        ({"group_values": [{"key": ""}]}, 400, "group_values[0].key"),
        ({"invoice_types_filter": ["GIFT"]}, 400, "invoice_types_filter[0]"),
        ({"access_type": "BOTH"}, 400, "access_type"),
        ({"uniqueness_key": "x" * 129}, 400, "uniqueness_key"),
        ({"plan_id": str(uuid4())}, 400, "plan_id"),
        (
            {"custom_field_filters": [{"entity": "Invoice", "key": "a", "value": "b"}]},
            400,
            "custom_field_filters[0].entity",
        ),
    ],
)
def test_bad_alerts_name_the_field(
    http: httpx.Client, change: dict[str, object], status_code: int, named: str
) -> None:
    body = {"alert_type": "spend_threshold_reached", "name": "x", "threshold": 1} | change
    answer = http.post(CREATE, json=body)
    assert answer.status_code == status_code, answer.text
    assert named in answer.json()["message"]


def test_bad_questions(http: httpx.Client, sdk: Metronome, customer: str) -> None:
    alert = sdk.v1.alerts.create(
        alert_type="spend_threshold_reached", name="x", threshold=1, customer_id=customer
    ).data.id
    body = {"alert_id": alert, "customer_id": customer}
    for change, code, named in (
        ({"alert_id": str(uuid4())}, 404, "alert"),
        ({"customer_id": str(uuid4())}, 404, "customer"),
        ({"group_values": [{"key": "user", "value": "ann"}]}, 400, "group_values"),
        ({"group_values": [{"key": "user"}]}, 400, "group_values"),
        ({"seat_filter": {"seat_group_key": "user"}}, 400, "seat_filter.seat_group_value"),
    ):
        answer = http.post(GET, json=body | change)
        assert (answer.status_code, named in answer.json()["message"]) == (code, True), answer.text
    for statuses in ([], ["ON"]):
        answer = http.post(LIST, json={"customer_id": customer, "alert_statuses": statuses})
        assert (answer.status_code, "alert_statuses" in answer.json()["message"]) == (400, True)


def test_another_environment_sees_nothing(service: Service, sdk: Metronome) -> None:
    alert = sdk.v1.alerts.create(
        alert_type="spend_threshold_reached", name="x", threshold=1
    ).data.id
    with service.sdk(service.other_token) as other:
        own = other.v1.customers.create(name="Acme").data.id
        with pytest.raises(metronome.NotFoundError):
            other.v1.customers.alerts.retrieve(alert_id=alert, customer_id=own)
        with pytest.raises(metronome.NotFoundError):
            other.v1.alerts.archive(id=alert)


def test_reading_needs_no_more_than_a_read_token(service: Service, sdk: Metronome) -> None:
    customer = sdk.v1.customers.create(name="Acme").data.id
    with service.sdk(service.read_token) as reader:
        list(reader.v1.customers.alerts.list(customer_id=customer))
        with pytest.raises(metronome.PermissionDeniedError):
            reader.v1.alerts.create(alert_type="spend_threshold_reached", name="x", threshold=1)
