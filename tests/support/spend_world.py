"""An environment with a catalogue and customers, usage written and touched as a worker does, and spend to be compared.

The oracle is the running invoice: spend must be the sums of the lines of every draft whose usage may still change.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from tests.support.usage_rows import GroupValues, Observation, write

from meterline.core.catalogue import ProductType, RateTerms, RateType, Tier
from meterline.core.contract import UsageFilter
from meterline.core.invoice import InvoiceStatus, LineType
from meterline.core.metric import Aggregation, BillableMetric
from meterline.core.money import EXACT
from meterline.core.period import hour_index
from meterline.metering.event import BACKDATING_WINDOW
from meterline.services import (
    contracts,
    customers,
    invoices,
    metrics,
    products,
    rate_cards,
    rates,
)
from meterline.services.contracts import NewContract
from meterline.services.invoices import InvoiceFilter
from meterline.services.paging import PageRequest
from meterline.services.rate_cards import NewRateCard
from meterline.services.rates import NewRate
from meterline.services.spend_stage import Limits, SpendStage
from meterline.services.workspace import Workspace
from meterline.store.database import Database

MODELS = ("gpt", "claude", None)
# Contract, period start, product, credit type.
Place = tuple[UUID, datetime, UUID, UUID]
Spend = dict[Place, tuple[Decimal, Decimal]]

_TOUCH = """
INSERT INTO usage_touch (environment_id, ingest_keys, events, first_hours, last_hours, appended_at)
VALUES (%s, %s, %s, %s, %s, clock_timestamp())
"""
_SPEND = "SELECT * FROM spend WHERE period_start <= %s AND period_end > %s"


@dataclass(slots=True)
class World:
    """One environment at `now`. `stage` rates it; there may be more of them."""

    database: Database
    environment_id: int
    now: datetime
    stage: SpendStage
    metrics: list[BillableMetric] = field(default_factory=list)
    products: list[UUID] = field(default_factory=list)
    cards: list[UUID] = field(default_factory=list)
    customers: list[UUID] = field(default_factory=list)
    contracts: list[tuple[UUID, UUID]] = field(default_factory=list)

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.database, self.environment_id, self.now, uuid4, "test")

    def rater(self, **limits: Any) -> SpendStage:
        """Another process's stage."""
        return SpendStage(self.database, uuid4(), Limits(**limits))

    async def metric(self, aggregation: Aggregation, *group_key: str) -> BillableMetric:
        made = BillableMetric(
            uuid4(),
            aggregation,
            aggregation,
            None if aggregation is Aggregation.COUNT else "n",
            group_keys=(group_key,) if group_key else (),
        )
        await metrics.create(self.workspace, made, {})
        self.metrics.append(made)
        return made

    async def product(self, metric: BillableMetric, *pricing_key: str, **fields: Any) -> UUID:
        made = await products.create(
            self.workspace,
            product_type=ProductType.USAGE,
            fields={
                "name": f"product {len(self.products)}",
                "billable_metric_id": str(metric.id),
                "pricing_group_key": list(pricing_key),
                **fields,
            },
            custom_fields={},
        )
        self.products.append(made)
        return made

    async def card(self) -> UUID:
        made = await rate_cards.create(self.workspace, NewRateCard(f"card {len(self.cards)}"))
        self.cards.append(made)
        return made

    async def price(
        self,
        card: UUID,
        product: UUID,
        terms: RateTerms,
        *,
        since: datetime,
        entitled: bool = True,
        **values: str,
    ) -> None:
        await rates.add(
            self.workspace, card, [NewRate(product, since, None, entitled, terms, values)]
        )

    async def customer(self, *aliases: str) -> UUID:
        row = await customers.create(
            self.workspace, name="c", ingest_aliases=aliases, custom_fields={}
        )
        self.customers.append(row["customer_id"])
        return self.customers[-1]

    async def contract(self, customer: UUID, card: UUID, since: datetime, **terms: Any) -> UUID:
        row = await contracts.create(
            self.workspace, NewContract(customer, since, rate_card_id=card, **terms)
        )
        self.contracts.append((row["contract_id"], customer))
        return self.contracts[-1][0]

    async def use(self, *seen: Observation) -> None:
        """Meter: usage and touch in one transaction."""
        keys = sorted({one.ingest_key for one in seen})
        hours = [[hour_index(one.at) for one in seen if one.ingest_key == key] for key in keys]
        async with self.database.installation() as connection:
            await write(connection, self.environment_id, seen)
            touch = [
                [len(of) for of in hours],
                [min(of) for of in hours],
                [max(of) for of in hours],
            ]
            await connection.execute(_TOUCH, [self.environment_id, keys, *touch])

    async def used(
        self, metric: BillableMetric, key: object, at: datetime, measured: object, *values: str
    ) -> None:
        """Meter one event."""
        quantity = (
            str(measured) if metric.aggregation is Aggregation.UNIQUE else Decimal(str(measured))
        )
        await self.use(Observation(metric, str(key), values, at, uuid4(), quantity))

    async def rate(self) -> None:
        """Rate until nothing is touched."""
        while await self.stage.rate_touched(self.now):
            pass

    async def spend(self) -> Spend:
        """The table, but for rows of nothing, in periods that have begun and may still change."""
        async with self.database.transaction(self.environment_id) as connection:
            cursor = await connection.execute(_SPEND, [self.now, self.now - BACKDATING_WINDOW])
            rows = await cursor.fetchall()
        return {
            (row["contract_id"], row["period_start"], row["product_id"], row["credit_type_id"]): (
                row["amount"],
                row["quantity"],
            )
            for row in rows
            if row["amount"] or row["quantity"]
        }

    async def invoiced(self) -> tuple[Spend, set[tuple[UUID, datetime]]]:
        """What the drafts of the same periods come to; and the contracts and periods that have a final invoice.

        Spend goes on to count what comes late for those, and the invoice does not.
        """
        final: set[tuple[UUID, datetime]] = set()
        sums: Spend = defaultdict(lambda: (Decimal(0), Decimal(0)))
        for customer in self.customers:
            page = await invoices.page(
                self.workspace, customer, InvoiceFilter(), PageRequest("invoices", 1000)
            )
            for draft in page.rows:
                if draft.end_timestamp <= self.now - BACKDATING_WINDOW:
                    continue
                if draft.status is not InvoiceStatus.DRAFT:
                    assert draft.contract_id is not None
                    final.add((draft.contract_id, draft.start_timestamp))
                    continue
                for line in draft.line_items:
                    if line.type is LineType.USAGE and line.product_id is not None:
                        place = (
                            draft.contract_id,
                            draft.start_timestamp,
                            line.product_id,
                            line.credit_type.id,
                        )
                        amount, quantity = sums[place]
                        sums[place] = (
                            EXACT.add(amount, line.total),
                            EXACT.add(quantity, line.quantity),
                        )
        return {place: sums for place, sums in sums.items() if sums[0] or sums[1]}, final

    async def check(self) -> Spend:
        """Rate, and compare with the drafts; returns the spend."""
        await self.rate()
        spend = await self.spend()
        invoiced, final = await self.invoiced()
        assert {place: sums for place, sums in spend.items() if place[:2] not in final} == invoiced
        return spend

    async def rows(self, query: str) -> list[dict[str, Any]]:
        """What the pipeline's role reads."""
        async with self.database.installation() as connection:
            return await (await connection.execute(query)).fetchall()  # type: ignore[arg-type]

    async def execute(self, statement: str, *arguments: object) -> None:
        """What the pipeline's role writes."""
        async with self.database.installation() as connection:
            await connection.execute(statement, arguments)  # type: ignore[arg-type]


def in_world(
    url: str,
    now: datetime,
    scenario: Callable[[World], Awaitable[None]],
    *,
    sandbox: bool = False,
    **limits: Any,
) -> None:
    """Run a scenario in an environment of its own, whose wall clock (or a sandbox's own) begins at `now`."""

    async def running() -> None:
        async with Database(url, connections_max=6) as database:
            async with database.installation() as connection:
                cursor = await connection.execute(
                    "INSERT INTO environment (name, kind, clock) VALUES ('test', 'sandbox', %s)"
                    " RETURNING environment_id",
                    [now if sandbox else None],
                )
                row = await cursor.fetchone()
            assert row is not None
            stage = SpendStage(database, uuid4(), Limits(**limits))
            await scenario(World(database, row["environment_id"], now, stage))

    asyncio.run(running())


def flat(price: str) -> RateTerms:
    return RateTerms(RateType.FLAT, Decimal(price))


def tiered(*prices: str) -> RateTerms:
    """Tiers of ten units."""
    sizes = [Decimal(10)] * (len(prices) - 1) + [None]
    tiers = tuple(Tier(Decimal(price), size) for price, size in zip(prices, sizes, strict=True))
    return RateTerms(RateType.TIERED, tiers=tiers)


@dataclass(slots=True)
class Chance:
    """Changes and usage at random, all drawn from one seed."""

    world: World
    rng: random.Random
    start: datetime

    async def begin(self) -> None:
        """A catalogue of every aggregation on two cards, and customers, some without contract."""
        world = self.world
        for aggregation in Aggregation:
            for keys in [(), ("model",)]:
                await world.metric(aggregation, *keys)
        for metric in world.metrics:
            await world.product(metric, *metric.group_properties)
        for _ in range(2):
            card = await world.card()
            for product in self.rng.sample(world.products, 7):
                await self.add_rate(card, product, self.start)
        for number in range(5):
            customer = await world.customer(f"alias-{number}")
            if number:
                await self.add_contract(customer)

    async def step(self) -> None:
        """One thing that happens."""
        happenings: Sequence[tuple[int, Callable[[], Awaitable[None]]]] = [
            (12, self.some_usage),
            (2, self.reprice),
            (1, self.change_product),
            (2, self.move_aliases),
            (1, lambda: self.add_contract(self.rng.choice(self.world.customers))),
            (1, self.end_contract),
            (1, self.archive_contract),
            (1, self.filter_usage),
            (2, self.pass_time),
        ]
        weights = [weight for weight, _ in happenings]
        ((_, happening),) = self.rng.choices(happenings, weights)
        await happening()

    def hour(self) -> datetime:
        """An hour around now, on which something may change."""
        whole = self.world.now.replace(minute=0, second=0, microsecond=0)
        return whole + timedelta(hours=self.rng.choice([-900, -200, -24, -3, -1, 0, 1, 30]))

    async def some_usage(self) -> None:
        world, rng = self.world, self.rng
        keys = [f"alias-{number}" for number in range(7)] + [str(one) for one in world.customers]
        seen = []
        for _ in range(rng.randint(1, 6)):
            metric = rng.choice(world.metrics)
            ago = timedelta(minutes=rng.choice([0, 1, 90, 1500, 30_000, 45_000]))
            measured: Decimal | str = Decimal(rng.randint(1, 40_000)) / 1000
            if metric.aggregation is Aggregation.UNIQUE:
                measured = rng.choice("abcdef")
            values: GroupValues = tuple(rng.choice(MODELS) for _ in metric.group_properties)
            seen.append(
                Observation(
                    metric,
                    rng.choice(keys),
                    values,
                    world.now - ago,
                    uuid4(),
                    measured,
                    rng.randrange(2),
                )
            )
        await world.use(*seen)

    async def add_rate(self, card: UUID, product: UUID, since: datetime) -> None:
        metric = self.world.metrics[self.world.products.index(product)]
        models = ("gpt", "claude") if metric.group_properties else (None,)
        for model in models:
            terms = self.rng.choice([flat("0.25"), flat("3"), tiered("2", "1", "0.5")])
            entitled = self.rng.random() < 0.85
            values = {} if model is None else {"model": model}
            await self.world.price(card, product, terms, since=since, entitled=entitled, **values)

    async def reprice(self) -> None:
        await self.add_rate(
            self.rng.choice(self.world.cards), self.rng.choice(self.world.products), self.hour()
        )

    async def change_product(self) -> None:
        fields = self.rng.choice(
            [
                {"quantity_conversion": {"conversion_factor": "7", "operation": "DIVIDE"}},
                {"quantity_conversion": None},
                {"quantity_rounding": {"rounding_method": "ROUND_UP", "decimal_places": 0}},
            ]
        )
        await products.update(
            self.world.workspace,
            self.rng.choice(self.world.products),
            starting_at=self.hour(),
            fields=fields,
        )

    async def move_aliases(self) -> None:
        """Take an alias from whoever has it, and give it to another."""
        world, alias = self.world, f"alias-{self.rng.randrange(7)}"
        held = {
            one: (await customers.get(world.workspace, one))["ingest_aliases"]
            for one in world.customers
        }
        for owner, aliases in held.items():
            if alias in aliases:
                rest = [one for one in aliases if one != alias]
                await customers.set_ingest_aliases(world.workspace, owner, rest)
                held[owner] = rest
        if self.rng.random() < 0.8:
            taker = self.rng.choice(world.customers)
            await customers.set_ingest_aliases(world.workspace, taker, [*held[taker], alias])

    async def add_contract(self, customer: UUID) -> None:
        await self.world.contract(customer, self.rng.choice(self.world.cards), self.hour())

    async def end_contract(self) -> None:
        contract, customer = self.rng.choice(self.world.contracts)
        row = await contracts.get(self.world.workspace, contract, customer)
        if row["archived_at"] is None:
            end = self.rng.choice(
                [None, row["starting_at"] + timedelta(hours=self.rng.randint(1, 900))]
            )
            await contracts.update_end_date(self.world.workspace, contract, customer, end)

    async def archive_contract(self) -> None:
        contract, customer = self.rng.choice(self.world.contracts)
        await contracts.archive(self.world.workspace, contract, customer)

    async def filter_usage(self) -> None:
        contract, customer = self.rng.choice(self.world.contracts)
        row = await contracts.get(self.world.workspace, contract, customer)
        if row["archived_at"] is None:
            wanted = UsageFilter(
                "model", frozenset({self.rng.choice(("gpt", "claude"))}), self.hour()
            )
            await contracts.set_usage_filter(self.world.workspace, contract, customer, wanted)

    async def pass_time(self) -> None:
        self.world.now += timedelta(hours=self.rng.choice([1, 5, 30, 200, 740]))
