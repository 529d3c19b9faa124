"""The life of invoices through the unmodified SDK, strict: drafts, final, void, made anew, by the day, explained."""

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
from tests.support.usage_rows import Observation, write

from meterline.core.metric import Aggregation, BillableMetric
from meterline.services.environments import create_environment
from meterline.store.database import Database

JANUARY, FEBRUARY, MARCH = (datetime(2031, month, 1, tzinfo=UTC) for month in (1, 2, 3))
GRACE = timedelta(days=1)


@dataclass
class Account:
    """A customer in a sandbox of his own: calls at 3, from the eleventh on at 2; a credit of 20; a fee of 500."""

    service: Service
    sdk: Any  # its replies' fields are all optional to a type checker
    http: httpx.Client
    environment_id: int
    metric: BillableMetric
    customer: str
    contract: str
    credit: str

    def use(self, at: datetime, n: int) -> None:
        seen = Observation(self.metric, self.customer, ("eu",), at, uuid4(), Decimal(n))

        async def run() -> None:
            async with (
                Database(self.service.database_url, connections_max=2) as database,
                database.installation() as connection,
            ):
                await write(connection, self.environment_id, [seen])

        asyncio.run(run())

    def move(self, to: datetime) -> None:
        answer = self.http.post("/v1/sandbox/clock", json={"now": to.isoformat()})
        assert answer.status_code == 200, answer.text

    def invoices(self, **filters: Any) -> list[Any]:
        return list(self.sdk.v1.customers.invoices.list(customer_id=self.customer, **filters))

    def get(self, invoice: str) -> Any:
        found = self.sdk.v1.customers.invoices.retrieve(
            customer_id=self.customer, invoice_id=invoice
        )
        return found.data

    def explain(self, invoice: str, line: str) -> httpx.Response:
        return self.http.get(
            f"/v1/customers/{self.customer}/invoices/{invoice}/lines/{line}/explain"
        )


@pytest.fixture
def account(service: Service, unique: Unique) -> Iterator[Account]:
    async def make() -> tuple[int, str]:
        async with Database(service.database_url, connections_max=2) as database:
            return await create_environment(database, unique("sandbox"), "sandbox", JANUARY)

    environment_id, token = asyncio.run(make())
    with service.sdk(token) as sdk, service.http(token) as http:
        yield _agreed(service, sdk, http, environment_id)


def _agreed(service: Service, sdk: Metronome, http: httpx.Client, environment_id: int) -> Account:
    metric = sdk.v1.billable_metrics.create(
        name="calls", aggregation_type="SUM", aggregation_key="n", group_keys=[["region"]]
    ).data.id
    products = sdk.v1.contracts.products
    calls = products.create(
        name="Calls",
        type="USAGE",
        billable_metric_id=metric,
        presentation_group_key=["region"],
        tags=["api"],
    ).data.id
    fee, gift = (products.create(name=name, type="FIXED").data.id for name in ("Fee", "Gift"))
    card = sdk.v1.contracts.rate_cards.create(name="list").data.id
    sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=card,
        product_id=calls,
        starting_at=JANUARY,
        entitled=True,
        rate_type="TIERED",
        tiers=[{"price": 3, "size": 10}, {"price": 2}],
    )
    customer = sdk.v1.customers.create(name="Acme").data.id
    contract = sdk.v1.contracts.create(
        customer_id=customer,
        starting_at=JANUARY,
        rate_card_id=card,
        net_payment_terms_days=30,
        credits=[
            {
                "product_id": gift,
                "name": "welcome",
                "priority": 1,
                "access_schedule": {
                    "schedule_items": [
                        {"amount": 20, "starting_at": JANUARY, "ending_before": MARCH}
                    ]
                },
            }
        ],
        scheduled_charges=[
            {
                "product_id": fee,
                "schedule": {
                    "schedule_items": [{"timestamp": JANUARY + timedelta(days=9), "amount": 500}]
                },
            }
        ],
    ).data.id
    (credit,) = sdk.v1.contracts.list_balances(customer_id=customer, include_contract_balances=True)
    return Account(
        service,
        sdk,
        http,
        environment_id,
        BillableMetric(UUID(metric), "calls", Aggregation.SUM, "n", group_keys=(("region",),)),
        customer,
        contract,
        credit.id,
    )


def lines(invoice: Any) -> list[tuple[str, float | None, float | None, float]]:
    return [(one.type, one.quantity, one.unit_price, one.total) for one in invoice.line_items]


JANUARYS = [
    ("usage", pytest.approx(20 / 3), 3, 20),
    ("applied_commit_or_credit", pytest.approx(20 / 3), -3, -20),
    ("usage", pytest.approx(10 - 20 / 3), 3, 10),
    ("usage", 5, 2, 10),
]
"""Of fifteen calls."""


def test_the_list_is_by_date_with_drafts_among_final_ones(account: Account) -> None:
    account.use(JANUARY + timedelta(days=3), 15)
    coming, running = account.invoices()
    assert (coming.type, coming.status, coming.total) == ("SCHEDULED", "DRAFT", 500)
    assert (running.type, running.status, running.total) == ("USAGE", "DRAFT", 20)
    assert lines(running) == JANUARYS
    account.move(FEBRUARY + GRACE)
    fee, january, february = account.invoices()
    assert [(one.type, one.status) for one in (fee, january, february)] == [
        ("SCHEDULED", "FINALIZED"),
        ("USAGE", "FINALIZED"),
        ("USAGE", "DRAFT"),
    ]
    assert (fee.id, january.id) == (coming.id, running.id)
    assert lines(january) == JANUARYS
    assert fee.issued_at == JANUARY + timedelta(days=9)
    assert january.issued_at == FEBRUARY + GRACE
    assert january.net_payment_terms_days == 30
    assert account.get(january.id) == january
    assert [one.id for one in account.invoices(sort="date_desc")] == [
        february.id,
        january.id,
        fee.id,
    ]
    assert [one.id for one in account.invoices(limit=1)] == [fee.id, january.id, february.id]


def test_filters(account: Account) -> None:
    account.move(FEBRUARY + GRACE)
    fee, january, february = (one.id for one in account.invoices())

    def shown(**filters: Any) -> list[str]:
        return [one.id for one in account.invoices(**filters)]

    assert shown(status="DRAFT") == [february]
    assert shown(status="finalized") == [fee, january]
    assert shown(status="VOID") == []
    assert shown(type="USAGE") == [january, february]
    assert shown(type="SCHEDULED") == [fee]
    assert shown(type="USAGE_CONSOLIDATED") == []
    assert shown(contract_id=account.contract) == [fee, january, february]
    assert shown(starting_on=JANUARY + timedelta(days=5)) == [fee, february]
    assert shown(ending_before=FEBRUARY) == [fee, january]


def test_what_a_line_says_of_whoever_paid_it(account: Account) -> None:
    account.use(JANUARY, 15)
    (usage,) = account.invoices(type="USAGE")
    covered, application, over, beyond = usage.line_items
    for line in (covered, application):
        assert (line.commit_id, line.commit_type) == (account.credit, "PrepaidCommit")
        assert line.applied_commit_or_credit.id == account.credit
        assert line.applied_commit_or_credit.type == "CREDIT"
        assert line.applied_commit_or_credit.access_type == "SPEND"
        assert line.commit_segment_id
    for line in (over, beyond):
        assert line.commit_id is None
        assert line.applied_commit_or_credit is None
    assert [line.tier.level for line in (covered, over, beyond)] == [1, 1, 2]
    assert {line.presentation_group_values["region"] for line in usage.line_items} == {"eu"}
    assert covered.product_tags == ["api"]
    assert covered.list_price.rate_type == "TIERED"
    assert len({line.id for line in usage.line_items}) == 4


def test_lines_of_nothing_can_be_left_out(account: Account) -> None:
    (usage,) = account.invoices(type="USAGE")
    assert [line.quantity for line in usage.line_items] in ([], [0])
    (usage,) = account.invoices(type="USAGE", skip_zero_qty_line_items=True)
    assert usage.line_items == []


def test_void_and_made_anew(account: Account) -> None:
    sdk = account.sdk
    account.use(JANUARY, 15)
    account.move(FEBRUARY + GRACE)
    (january,) = account.invoices(type="USAGE", status="FINALIZED")
    account.use(JANUARY, 100)  # too late
    assert sdk.v1.invoices.void(id=january.id).data.id == january.id
    void = account.get(january.id)
    assert (void.status, void.total) == ("VOID", 20)
    assert lines(void) == JANUARYS
    with pytest.raises(metronome.BadRequestError, match="id"):
        sdk.v1.invoices.void(id=january.id)
    anew = account.get(sdk.v1.invoices.regenerate(id=january.id).data.id)
    assert (anew.status, anew.total) == ("FINALIZED", 10 * 3 + 105 * 2 - 20)
    assert anew.regenerated_from_invoice_id == january.id
    assert (anew.start_timestamp, anew.end_timestamp) == (JANUARY, FEBRUARY)
    with pytest.raises(metronome.BadRequestError, match="id"):
        sdk.v1.invoices.regenerate(id=january.id)
    statuses = sorted(one.status for one in account.invoices(type="USAGE"))
    assert statuses == ["DRAFT", "FINALIZED", "VOID"]


def test_a_void_scheduled_invoice_is_made_anew(account: Account) -> None:
    account.move(FEBRUARY)
    (fee,) = account.invoices(type="SCHEDULED")
    account.sdk.v1.invoices.void(id=fee.id)
    anew = account.get(account.sdk.v1.invoices.regenerate(id=fee.id).data.id)
    assert (anew.type, anew.status, anew.total) == ("SCHEDULED", "FINALIZED", 500)
    assert anew.regenerated_from_invoice_id == fee.id


def test_drafts_and_strangers_are_neither_void_nor_made_anew(account: Account) -> None:
    (draft,) = account.invoices(type="USAGE")
    for correct in (account.sdk.v1.invoices.void, account.sdk.v1.invoices.regenerate):
        for unknown in (draft.id, str(uuid4())):
            with pytest.raises(metronome.NotFoundError):
                correct(id=unknown)
        with pytest.raises(metronome.BadRequestError, match="id"):
            correct(id="no id")


def test_days_add_up_to_drafts_and_to_final_invoices(account: Account) -> None:
    for day, n in ((3, 5), (4, 7), (20, 3)):
        account.use(JANUARY + timedelta(days=day, hours=7), n)

    def days() -> dict[datetime, float]:
        rows = account.sdk.v1.customers.invoices.list_breakdowns(
            customer_id=account.customer, starting_on=JANUARY, ending_before=FEBRUARY
        )
        totals: dict[datetime, float] = {}
        for row in rows:
            start = row.breakdown_start_timestamp
            assert row.breakdown_end_timestamp == start + timedelta(days=1)
            totals[start] = totals.get(start, 0) + row.total
        return {start: total for start, total in totals.items() if total}

    account.move(JANUARY + timedelta(days=25))
    spent = {
        JANUARY + timedelta(days=4): pytest.approx(30 - 20 + 4),  # the first five were a present
        JANUARY + timedelta(days=20): 6,
    }
    assert days() == spent
    account.move(FEBRUARY + GRACE)
    assert days() == spent


def test_usage_that_came_too_late_shows_by_the_day(account: Account) -> None:
    account.use(JANUARY, 15)
    account.move(FEBRUARY + GRACE)
    account.use(JANUARY + timedelta(days=20), 4)
    rows = account.sdk.v1.customers.invoices.list_breakdowns(
        customer_id=account.customer,
        starting_on=JANUARY + timedelta(days=20),
        ending_before=JANUARY + timedelta(days=21),
        status="FINALIZED",
    )
    (row,) = rows
    assert sum(line.quantity or 0 for line in row.line_items) == 4
    assert account.get(row.id).total == 20


def test_breakdowns_show_void_invoices_when_asked_for(account: Account) -> None:
    account.use(JANUARY, 1)
    account.move(FEBRUARY + GRACE)
    (january,) = account.invoices(type="USAGE", status="FINALIZED")
    account.sdk.v1.invoices.void(id=january.id)
    anew = account.sdk.v1.invoices.regenerate(id=january.id).data.id

    def ids(**filters: Any) -> set[str]:
        rows = account.sdk.v1.customers.invoices.list_breakdowns(
            customer_id=account.customer,
            starting_on=JANUARY,
            ending_before=JANUARY + timedelta(days=2),
            **filters,
        )
        return {row.id for row in rows}

    assert ids() == {anew}
    assert ids(status="VOID") == {january.id}


def test_a_line_explains_itself(account: Account) -> None:
    account.use(JANUARY, 15)
    for to in (JANUARY + timedelta(days=3), FEBRUARY + GRACE):
        account.move(to)
        usage = account.invoices(type="USAGE")[0]
        covered = usage.line_items[0]
        answer = account.explain(usage.id, covered.id)
        assert answer.status_code == 200, answer.text
        found = answer.json()["data"]
        assert found["line_item"]["id"] == covered.id
        assert found["rate"]["list_rate"]["tiers"] == [{"price": 3, "size": 10}, {"price": 2}]
        assert found["metered_quantity"] == 15
        walked = [
            (step["counter_before"], step["counter_after"], step["unit_price"])
            for step in found["tier_walk"]
        ]
        assert walked == [(0, 10, 3), (10, 15, 2)]
        (paid,) = found["drawdowns"]
        assert (paid["commit_id"], paid["type"]) == (account.credit, "CREDIT")
        assert (paid["amount"], paid["balance_before"], paid["balance_after"]) == (20, 20, 0)
        (source,) = found["usage"]
        assert (source["group_values"], source["quantity"]) == ({"region": "eu"}, 15)


def test_what_cannot_be_explained(account: Account) -> None:
    (draft,) = account.invoices(type="USAGE")
    assert account.explain(draft.id, str(uuid4())).status_code == 404
    assert account.explain(str(uuid4()), str(uuid4())).status_code == 404
    assert account.explain(draft.id, "no id").status_code == 404
    (fee,) = account.invoices(type="SCHEDULED")
    answer = account.explain(fee.id, fee.line_items[0].id)
    assert answer.status_code == 200
    assert answer.json()["data"]["usage"] == []
