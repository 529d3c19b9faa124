"""A shop whose customers' books have everything in them: usage by tiers, credits, commits paid ahead and promised,
credits of every month. All ids are counted, so that a shop made twice has the same.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from tests.support.usage_rows import Observation, write

from meterline.core.catalogue import ProductType, RateTerms, RateType, Tier
from meterline.core.contract.recurring import RecurrenceFrequency, RecurringAmount, RecurringGrant
from meterline.core.contract.schedule import DatedAmount, ScheduleTerms
from meterline.core.invoice import Invoice
from meterline.core.ledger.grant import Grant, GrantKind, GrantSegment
from meterline.core.metric import Aggregation, BillableMetric
from meterline.core.money import USD_CENTS
from meterline.services import (
    contracts,
    customers,
    invoices,
    metrics,
    products,
    rate_cards,
    rates,
)
from meterline.services.contract_parts import NewPart, NewParts, PlannedGrant
from meterline.services.contracts import NewContract
from meterline.services.environments import create_environment
from meterline.services.invoices import InvoiceFilter
from meterline.services.paging import PageRequest
from meterline.services.rate_cards import NewRateCard
from meterline.services.rates import NewRate
from meterline.services.workspace import Workspace
from meterline.store import environments
from meterline.store.database import Database

NAMESPACE = UUID("0a7f3c58-5c7e-4a0e-9f4b-2f5a6a1f0c11")

# What the books of an environment hold, but for when it was recorded.
DUMP = {
    "account_grant": "grant_id",
    "ledger_entry": "customer_id, position",
    "invoice": "invoice_id",
    "books_due": "customer_id",
}
_PASSED_OVER = "{environment_id,recorded_at}"


@dataclass(slots=True)
class Shop:
    """An environment at `now`, where "calls" cost 2 each, 1 beyond the first 100 of a month."""

    database: Database
    environment_id: int
    now: datetime
    start: datetime
    numbers: Iterator[int] = field(default_factory=itertools.count)
    calls: BillableMetric = field(init=False)
    product: UUID = field(init=False)
    fixed: UUID = field(init=False)
    card: UUID = field(init=False)
    customers: list[UUID] = field(default_factory=list)
    contracts: dict[UUID, UUID] = field(default_factory=dict)

    def new_id(self) -> UUID:
        return uuid5(NAMESPACE, str(next(self.numbers)))

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.database, self.environment_id, self.now, self.new_id, "test")

    async def open(self) -> Shop:
        """Make the catalogue."""
        self.calls = BillableMetric(
            self.new_id(), "calls", Aggregation.SUM, "n", group_keys=(("model",),)
        )
        await metrics.create(self.workspace, self.calls, {})
        self.product = await products.create(
            self.workspace,
            product_type=ProductType.USAGE,
            fields={
                "name": "calls",
                "billable_metric_id": str(self.calls.id),
                "presentation_group_key": ["model"],
            },
            custom_fields={},
        )
        self.fixed = await products.create(
            self.workspace, product_type=ProductType.FIXED, fields={"name": "f"}, custom_fields={}
        )
        self.card = await rate_cards.create(self.workspace, NewRateCard("card"))
        terms = RateTerms(
            RateType.TIERED, tiers=(Tier(Decimal(2), Decimal(100)), Tier(Decimal(1), None))
        )
        await rates.add(
            self.workspace, self.card, [NewRate(self.product, self.start, None, True, terms, {})]
        )
        return self

    async def customer(self, parts: NewParts | None = None, **terms: Any) -> UUID:
        """A customer under contract from the start on. `parts` None: with everything."""
        row = await customers.create(self.workspace, name="c", ingest_aliases=[], custom_fields={})
        customer: UUID = row["customer_id"]
        contract = await contracts.create(
            self.workspace,
            NewContract(
                customer,
                self.start,
                rate_card_id=self.card,
                parts=self.everything(customer) if parts is None else parts,
                **terms,
            ),
        )
        self.customers.append(customer)
        self.contracts[customer] = contract["contract_id"]
        return customer

    def everything(self, customer: UUID) -> NewParts:
        """A credit of 50 for forty days, a commit of 300 paid on the tenth day, one promised, 20 every month."""
        start = self.start
        soon, late = start + timedelta(days=40), start + timedelta(days=75)
        paid = ScheduleTerms(
            USD_CENTS, items=(DatedAmount(start + timedelta(days=10), Decimal(250)),)
        )
        promised = ScheduleTerms(USD_CENTS, items=(DatedAmount(late, Decimal(2000)),))
        grants = (
            NewPart("", PlannedGrant(self.grant(customer, GrantKind.CREDIT, "50", start, soon))),
            NewPart(
                "", PlannedGrant(self.grant(customer, GrantKind.PREPAID, "300", start, late), paid)
            ),
            NewPart(
                "",
                PlannedGrant(
                    self.grant(customer, GrantKind.POSTPAID, "2000", start, late), promised
                ),
            ),
        )
        monthly = RecurringGrant(
            self.new_id(),
            GrantKind.CREDIT,
            self.fixed,
            Decimal(0),
            RecurringAmount(USD_CENTS, Decimal(20), Decimal(1)),
            1,
            start,
            frequency=RecurrenceFrequency.MONTHLY,
        )
        return NewParts(grants=grants, recurring=(NewPart("", monthly),))

    def grant(
        self, customer: UUID, kind: GrantKind, amount: str, since: datetime, until: datetime
    ) -> Grant:
        segment = GrantSegment(self.new_id(), Decimal(amount), since, until)
        return Grant(self.new_id(), customer, kind, self.fixed, USD_CENTS, (segment,), self.now)

    async def use(self, customer: UUID, at: datetime, n: object, model: str = "gpt") -> None:
        """Meter one event of `n` calls."""
        seen = Observation(self.calls, str(customer), (model,), at, self.new_id(), Decimal(str(n)))
        async with self.database.installation() as connection:
            await write(connection, self.environment_id, [seen])

    async def invoices(self, customer: UUID, **filters: Any) -> list[Invoice]:
        """All of a customer's invoices, by date."""
        request = PageRequest("invoices", 1000)
        page = await invoices.page(self.workspace, customer, InvoiceFilter(**filters), request)
        return page.rows

    async def dump(self) -> dict[str, list[str]]:
        """The books of everybody here, row by row, as text."""
        found = {}
        async with self.database.installation() as connection:
            for table, order in DUMP.items():
                query = (
                    f"SELECT (to_jsonb(t) - '{_PASSED_OVER}'::text[])::text AS row FROM {table} AS t"
                    f" WHERE environment_id = {self.environment_id} ORDER BY {order}"
                )
                rows = await connection.execute(query.encode())
                found[table] = [row["row"] for row in await rows.fetchall()]
        return found

    async def turn_clock(self, to: datetime) -> None:
        """Set the sandbox's clock and nothing else."""
        async with self.database.installation() as connection:
            await environments.set_clock(connection, self.environment_id, to)
        self.now = to


async def open_shop(
    database: Database, start: datetime, *, now: datetime | None = None, name: str = "shop"
) -> Shop:
    """Open a shop in a sandbox of its own, whose clock stands at `now` (None: at `start`)."""
    now = now or start
    environment_id, _ = await create_environment(database, name, "sandbox", now)
    return await Shop(database, environment_id, now, start).open()


def in_shop(url: str, start: datetime, scenario: Callable[[Shop], Awaitable[None]]) -> None:
    """Run a scenario in a shop of its own."""

    async def run() -> None:
        async with Database(url, connections_max=6) as database:
            await scenario(await open_shop(database, start))

    asyncio.run(run())
