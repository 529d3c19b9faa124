"""Running invoices and their breakdowns through the unmodified SDK, strict."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import metronome
import pytest
from tests.support.running_api import USD, RunningApi, running_api, utc
from tests.support.usage_rows import Observation

from meterline.core.ids import usage_invoice_id
from meterline.core.metric import Aggregation, BillableMetric
from meterline.services.compaction import compact

NOW = utc(2026, 11, 23, 12, 30)
CONTRACT_START = utc(2026, 9, 15, 6)
PRICE_CHANGE = utc(2026, 11, 10, 13)


@dataclass(frozen=True, slots=True)
class Stage:
    """A customer on a card that sells tokens by model (dearer since PRICE_CHANGE for gpt) and calls
    in tiers.
    """

    api: RunningApi
    customer: str
    contract: str
    tokens: BillableMetric
    calls: BillableMetric

    async def use(self, metric: BillableMetric, at: datetime, quantity: str, *values: str) -> None:
        await self.api.meter(
            Observation(metric, self.customer, values, at, uuid4(), Decimal(quantity))
        )

    def path(self, rest: str = "") -> str:
        return f"/v1/customers/{self.customer}/invoices{rest}"

    async def exact(self, rest: str = "", **query: Any) -> Any:
        """A reply with numbers as exact decimals."""
        reply = await self.api.http.get(self.path(rest), params=query)
        assert reply.status_code == 200, reply.text
        return json.loads(reply.content, parse_float=Decimal)


async def metric_of(api: RunningApi, name: str, *group_key: str) -> BillableMetric:
    created = await api.sdk.v1.billable_metrics.create(
        name=name,
        aggregation_type="SUM",
        aggregation_key="n",
        group_keys=[list(group_key)] if group_key else [],
    )
    keys = (group_key,) if group_key else ()
    return BillableMetric(UUID(created.data.id), name, Aggregation.SUM, "n", group_keys=keys)


async def staged(api: RunningApi) -> Stage:
    sdk = api.sdk
    customer = (await sdk.v1.customers.create(name="acme")).data.id
    tokens = await metric_of(api, "tokens", "model", "team")
    calls = await metric_of(api, "calls")
    tokens_product = await sdk.v1.contracts.products.create(
        name="Tokens",
        type="USAGE",
        billable_metric_id=str(tokens.id),
        pricing_group_key=["model"],
        presentation_group_key=["team"],
        quantity_conversion={"conversion_factor": 1000, "operation": "DIVIDE"},
        tags=["llm"],
    )
    calls_product = await sdk.v1.contracts.products.create(
        name="Calls", type="USAGE", billable_metric_id=str(calls.id)
    )
    card = (await sdk.v1.contracts.rate_cards.create(name="list")).data.id
    for model, start, price in (
        ("gpt", utc(2026, 1, 1), 3),
        ("gpt", PRICE_CHANGE, 5),
        ("claude", utc(2026, 1, 1), 0.125),
    ):
        await sdk.v1.contracts.rate_cards.rates.add(
            rate_card_id=card,
            product_id=tokens_product.data.id,
            starting_at=start,
            entitled=True,
            rate_type="FLAT",
            price=price,
            pricing_group_values={"model": model},
        )
    await sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=card,
        product_id=calls_product.data.id,
        starting_at=utc(2026, 1, 1),
        entitled=True,
        rate_type="TIERED",
        tiers=[{"price": 2, "size": 10}, {"price": 1}],
    )
    contract = await sdk.v1.contracts.create(
        customer_id=customer,
        rate_card_id=card,
        starting_at=CONTRACT_START,
        net_payment_terms_days=30,
    )
    return Stage(api, customer, contract.data.id, tokens, calls)


def run(url: str, scenario: Callable[[Stage], Awaitable[None]]) -> None:
    async def running() -> None:
        async with running_api(url, lambda: NOW) as api:
            await scenario(await staged(api))

    asyncio.run(running())


async def some_usage(stage: Stage) -> None:
    """Usage on both sides of the price change, of a month's end, and across a tier's."""
    for day, quantity in ((2, "1500"), (10, "500"), (22, "250")):
        await stage.use(stage.tokens, utc(2026, 11, day, 5, 59), quantity, "gpt", "red")
        await stage.use(stage.tokens, utc(2026, 11, day, 23), quantity, "claude", "blue")
    await stage.use(stage.tokens, utc(2026, 11, 10, 13), "4000", "gpt", "red")
    await stage.use(stage.calls, utc(2026, 11, 3, 1), "7")
    await stage.use(stage.calls, utc(2026, 11, 21, 1), "8")
    await stage.use(stage.calls, utc(2026, 10, 31, 23, 59), "3")


def test_a_draft_of_every_period_that_has_begun(database_url: str) -> None:
    async def scenario(stage: Stage) -> None:
        await some_usage(stage)
        invoices = stage.api.sdk.v1.customers.invoices
        listed = [one async for one in invoices.list(customer_id=stage.customer, limit=2)]
        starts = [CONTRACT_START, utc(2026, 10, 1), utc(2026, 11, 1)]
        assert [one.start_timestamp for one in listed] == starts
        assert [one.end_timestamp for one in listed] == [*starts[1:], utc(2026, 12, 1)]
        assert {one.status for one in listed} == {"DRAFT"}
        assert {one.type for one in listed} == {"USAGE"}
        assert {one.contract_id for one in listed} == {stage.contract}
        assert {one.credit_type.id for one in listed} == {USD}
        assert {one.net_payment_terms_days for one in listed} == {30}
        contract = UUID(stage.contract)
        assert [one.id for one in listed] == [
            str(usage_invoice_id(contract, start)) for start in starts
        ]
        newest = [
            one
            async for one in invoices.list(customer_id=stage.customer, sort="date_desc", limit=1)
        ]
        assert [one.id for one in newest] == [one.id for one in reversed(listed)]
        for one in listed:
            same = await invoices.retrieve(customer_id=stage.customer, invoice_id=one.id)
            assert same.data == one

    run(database_url, scenario)


def test_lines_and_totals_are_exact_before_and_after_compaction(database_url: str) -> None:
    async def scenario(stage: Stage) -> None:
        await some_usage(stage)
        invoice_id = usage_invoice_id(UUID(stage.contract), utc(2026, 11, 1))
        before = await stage.exact(f"/{invoice_id}")
        assert await compact(stage.api.database, NOW) > 0
        after = await stage.exact(f"/{invoice_id}")
        assert before == after
        invoice = after["data"]
        lines = [
            (
                line["name"],
                line.get("pricing_group_values", {}).get("model"),
                line.get("presentation_group_values", {}).get("team"),
                line["starting_at"],
                Decimal(line["quantity"]),
                Decimal(line["unit_price"]),
                Decimal(line["total"]),
                line.get("tier", {}).get("level"),
            )
            for line in invoice["line_items"]
        ]
        start, change = "2026-11-01T00:00:00Z", "2026-11-10T13:00:00Z"
        assert lines == [
            ("Calls", None, None, start, Decimal(10), Decimal(2), Decimal(20), 1),
            ("Calls", None, None, start, Decimal(5), Decimal(1), Decimal(5), 2),
            (
                "Tokens",
                "claude",
                "blue",
                start,
                Decimal("2.25"),
                Decimal("0.125"),
                Decimal("0.28125"),
                None,
            ),
            ("Tokens", "gpt", "red", start, Decimal(2), Decimal(3), Decimal(6), None),
            (
                "Tokens",
                "gpt",
                "red",
                change,
                Decimal("4.25"),
                Decimal(5),
                Decimal("21.25"),
                None,
            ),
        ]
        assert Decimal(invoice["total"]) == Decimal("52.53125")
        october = await stage.exact(f"/{usage_invoice_id(UUID(stage.contract), utc(2026, 10, 1))}")
        assert october["data"]["total"] == 6

    run(database_url, scenario)


def test_zero_lines_show_unless_skipped(database_url: str) -> None:
    async def scenario(stage: Stage) -> None:
        (november,) = (await stage.exact(starting_on="2026-11-01T00:00:00Z"))["data"]
        assert [line["name"] for line in november["line_items"]] == ["Calls"]
        query = {"skip_zero_qty_line_items": "true"}
        (skipped,) = (await stage.exact(starting_on="2026-11-01T00:00:00Z", **query))["data"]
        assert skipped["line_items"] == []
        one = (await stage.exact(f"/{november['id']}", **query))["data"]
        assert one["line_items"] == []
        assert one["total"] == 0

    run(database_url, scenario)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"status": "draft"}, [9, 10, 11]),
        ({"status": "FINALIZED"}, []),
        ({"type": "SCHEDULED"}, []),
        ({"type": "usage"}, [9, 10, 11]),
        ({"credit_type_id": USD}, [9, 10, 11]),
        ({"credit_type_id": str(UUID(int=1))}, []),
        ({"starting_on": "2026-10-01T00:00:00Z"}, [10, 11]),
        ({"starting_on": "2026-10-01T00:00:00.000001Z"}, [11]),
        ({"ending_before": "2026-11-01T00:00:00+00:00"}, [9, 10]),
        ({"ending_before": "2026-11-30T00:00:00Z"}, [9, 10]),
        ({"starting_on": "2026-12-01T00:00:00Z"}, []),
    ],
)
def test_filters(database_url: str, query: dict[str, str], shown: list[int]) -> None:
    async def scenario(stage: Stage) -> None:
        data = (await stage.exact(**query))["data"]
        assert [datetime.fromisoformat(one["start_timestamp"]).month for one in data] == shown
        mine = (await stage.exact(contract_id=stage.contract, **query))["data"]
        assert mine == data

    run(database_url, scenario)


def test_an_alias_added_late_brings_its_usage_onto_the_draft(database_url: str) -> None:
    async def scenario(stage: Stage) -> None:
        seen = Observation(stage.calls, "late@x", (), utc(2026, 11, 5), UUID(int=1), Decimal(4))
        await stage.api.meter(seen)
        invoices = stage.api.sdk.v1.customers.invoices
        asked: Any = {"customer_id": stage.customer, "starting_on": utc(2026, 11, 1)}
        assert [one.total async for one in invoices.list(**asked)] == [0]
        await stage.api.sdk.v1.customers.set_ingest_aliases(
            customer_id=stage.customer, ingest_aliases=["late@x"]
        )
        assert [one.total async for one in invoices.list(**asked)] == [8]

    run(database_url, scenario)


def added_up(rows: list[dict[str, Any]]) -> dict[str, tuple[Decimal, Decimal]]:
    """(quantity, amount) of all lines by what tells lines apart, leaving out those of zero."""
    sums: dict[str, tuple[Decimal, Decimal]] = defaultdict(lambda: (Decimal(0), Decimal(0)))
    for line in (line for row in rows for line in row["line_items"]):
        place = repr(
            (
                line["product_id"],
                line.get("pricing_group_values"),
                line.get("presentation_group_values"),
                Decimal(line["unit_price"]),
                line.get("tier"),
            )
        )
        quantity, amount = sums[place]
        sums[place] = quantity + Decimal(line["quantity"]), amount + Decimal(line["total"])
    return {place: found for place, found in sums.items() if any(found)}


@pytest.mark.parametrize("sort", ["date_asc", "date_desc"])
@pytest.mark.parametrize("size", ["DAY", "HOUR"])
def test_breakdowns_add_up_to_the_invoices(database_url: str, size: str, sort: str) -> None:
    async def scenario(stage: Stage) -> None:
        await some_usage(stage)
        start = "2026-11-01T00:00:00Z" if size == "HOUR" else "2026-09-01T00:00:00Z"
        rows: list[dict[str, Any]] = []
        query: dict[str, Any] = {
            "starting_on": start,
            "ending_before": "2026-12-01T00:00:00Z",
            "window_size": size,
            "sort": sort,
        }
        pages = 0
        cursor: str | None = None
        while cursor or not pages:
            reply = await stage.exact(
                "/breakdowns", **query, **({"next_page": cursor} if cursor else {})
            )
            assert 0 < len(reply["data"]) <= (24 if size == "HOUR" else 35)
            rows += reply["data"]
            cursor = reply["next_page"]
            pages += 1
        starts = [row["breakdown_start_timestamp"] for row in rows]
        assert starts == sorted(set(starts), reverse=sort == "date_desc")
        invoices = (await stage.exact(starting_on=start))["data"]
        assert {row["id"] for row in rows} == {one["id"] for one in invoices}
        for invoice in invoices:
            own = [row for row in rows if row["id"] == invoice["id"]]
            if sort == "date_desc":
                own.reverse()
            assert own[0]["breakdown_start_timestamp"] == invoice["start_timestamp"]
            for row, after in pairwise(own):
                assert row["breakdown_end_timestamp"] == after["breakdown_start_timestamp"]
            assert datetime.fromisoformat(own[-1]["breakdown_start_timestamp"]) <= NOW
            assert sum(Decimal(row["total"]) for row in own) == Decimal(invoice["total"])
            assert added_up(own) == added_up([invoice])

    run(database_url, scenario)


def test_breakdowns_pass_the_strict_sdk(database_url: str) -> None:
    async def scenario(stage: Stage) -> None:
        await some_usage(stage)
        rows = [
            row
            async for row in stage.api.sdk.v1.customers.invoices.list_breakdowns(
                customer_id=stage.customer,
                starting_on=utc(2026, 10, 30),
                ending_before=utc(2026, 11, 12),
                limit=3,
                skip_zero_qty_line_items=True,
            )
        ]
        days = [utc(2026, 10, 30) + timedelta(days=number) for number in range(13)]
        assert [row.breakdown_start_timestamp for row in rows] == days
        assert [row.breakdown_end_timestamp for row in rows] == [*days[1:], utc(2026, 11, 12)]
        spent = {row.breakdown_start_timestamp: row.total for row in rows if row.total}
        assert spent == {
            utc(2026, 10, 31): 6,
            utc(2026, 11, 2): 4.6875,
            utc(2026, 11, 3): 14,
            utc(2026, 11, 10): 21.5625,
        }
        assert all(line.quantity for row in rows for line in row.line_items)

    run(database_url, scenario)


BAD_REQUESTS: list[tuple[str, dict[str, str], int, str]] = [
    ("", {"status": "OPEN"}, 400, "status: must be one of"),
    ("", {"type": "PAPER"}, 400, "type: must be one of"),
    ("", {"sort": "upwards"}, 400, "sort: must be one of"),
    ("", {"contract_id": "mine"}, 400, "contract_id: must be a UUID"),
    ("", {"contract_id": str(UUID(int=9))}, 404, "contract"),
    ("", {"credit_type_id": "usd"}, 400, "credit_type_id"),
    ("", {"starting_on": "soon"}, 400, "starting_on"),
    ("", {"starting_on": "2026-11-01T00:00:00"}, 400, "starting_on"),
    ("", {"ending_before": "0001-01-01T00:00:00Z"}, 400, "ending_before"),
    ("", {"limit": "0"}, 400, "limit"),
    ("", {"limit": "101"}, 400, "limit"),
    ("", {"next_page": "nonsense"}, 400, "next_page"),
    ("", {"skip_zero_qty_line_items": "perhaps"}, 400, "skip_zero_qty_line_items"),
    (f"/{UUID(int=9)}", {}, 404, "invoice"),
    ("/nonsense", {}, 404, "invoice"),
    ("/breakdowns", {}, 400, "starting_on: is required"),
    ("/breakdowns", {"starting_on": "2026-11-01T00:00:00Z"}, 400, "ending_before: is required"),
    (
        "/breakdowns",
        {"starting_on": "2026-11-02T00:00:00Z", "ending_before": "2026-11-01T00:00:00Z"},
        400,
        "ending_before: must be after",
    ),
    (
        "/breakdowns",
        {
            "starting_on": "2026-11-01T00:00:00Z",
            "ending_before": "2026-11-02T00:00:00Z",
            "window_size": "NONE",
        },
        400,
        "window_size: must be one of HOUR, DAY",
    ),
]


def test_bad_requests_are_refused_by_field(database_url: str) -> None:
    async def scenario(stage: Stage) -> None:
        for rest, query, status, words in BAD_REQUESTS:
            reply = await stage.api.http.get(stage.path(rest), params=query)
            assert reply.status_code == status, (rest, query, reply.text)
            assert words in reply.json()["message"], (rest, query, reply.text)
        for customer in (str(UUID(int=9)), "nobody"):
            for rest in ("", f"/{UUID(int=9)}"):
                reply = await stage.api.http.get(f"/v1/customers/{customer}/invoices{rest}")
                assert reply.status_code == 404, reply.text

    run(database_url, scenario)


def test_another_customers_invoice_is_not_found(database_url: str) -> None:
    async def scenario(stage: Stage) -> None:
        sdk = stage.api.sdk
        other = (await sdk.v1.customers.create(name="other")).data.id
        invoice_id = str(usage_invoice_id(UUID(stage.contract), utc(2026, 11, 1)))
        await sdk.v1.customers.invoices.retrieve(customer_id=stage.customer, invoice_id=invoice_id)
        with pytest.raises(metronome.NotFoundError):
            await sdk.v1.customers.invoices.retrieve(customer_id=other, invoice_id=invoice_id)

    run(database_url, scenario)
