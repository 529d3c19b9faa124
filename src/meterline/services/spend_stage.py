"""The spend stage: customers whose usage, prices or contracts changed are rated again, many at once.

Touches gather while a round is under way, so a customer is rated once a round however many events he has: the
busier the installation, the more is coalesced. Rating starts from usage each time, never from the last result;
a round that is killed half-way is simply done again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from meterline.core.contract import Contract
from meterline.core.metric import BillableMetric
from meterline.core.period import Period
from meterline.core.rating import PriceList, RatePlan, product_totals, rate_plan
from meterline.core.usage import UsageBook
from meterline.services import environments
from meterline.services.catalogue import (
    customers_of_keys,
    load_contracts,
    load_customer_keys,
    load_rate_plan_inputs,
)
from meterline.services.compaction import compact
from meterline.services.usage import period_parts
from meterline.store import spend as store
from meterline.store.database import Connection, Database
from meterline.store.spend import SpendRow

logger = structlog.get_logger()

# Long enough that cycles of several workers share a round, short beside what a reader notices.
IDLE_SECONDS = 0.1
OUTAGE_SECONDS = 1.0
COMPACTION_SECONDS = 5.0
# Touches of a round: each is one worker cycle, so this is minutes of backlog.
TOUCHES_MAX = 500
# Ingest keys rated in one transaction: enough to share its queries, few enough to hold the lock only shortly.
KEYS_MAX = 1_000


@dataclass(slots=True)
class Prices:
    """The prices of one round, each compiled once. A round begins without any, so changes are always seen."""

    lists: dict[UUID, PriceList] = field(default_factory=dict)
    plans: dict[tuple[object, ...], RatePlan] = field(default_factory=dict)

    async def plan(self, connection: Connection, contract: Contract, period: Period) -> RatePlan:
        """Return the prices of a contract in `period`."""
        card_id = contract.rate_card_id
        assert card_id is not None
        key = (card_id, period, contract.usage_filters)
        if key not in self.plans:
            if card_id not in self.lists:
                self.lists[card_id] = await load_rate_plan_inputs(connection, card_id)
            self.plans[key] = rate_plan(self.lists[card_id], period, contract.usage_filters)
        return self.plans[key]

    def metrics(self, plan: RatePlan, contract: Contract) -> list[BillableMetric]:
        """Return the metrics whose usage `plan`, a plan of the contract's card, needs."""
        assert contract.rate_card_id is not None
        listed = self.lists[contract.rate_card_id].metrics
        return [metric for metric in listed if metric.id in plan.metrics]


async def run(database: Database, *, clock: Callable[[], datetime], stop: asyncio.Event) -> None:
    """Rate whatever is touched, and compact closed hours, until `stop`. Outages are waited out."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_until(stop, lambda: rate_touched(database, clock()), IDLE_SECONDS))
        tasks.create_task(_until(stop, lambda: compact(database, clock()), COMPACTION_SECONDS))


async def _until(
    stop: asyncio.Event, step: Callable[[], Awaitable[int]], idle_seconds: float
) -> None:
    while not stop.is_set():
        pause = idle_seconds
        try:
            await step()
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as outage:
            logger.warning("outage", reason=str(outage))
            pause = OUTAGE_SECONDS
        try:
            await asyncio.wait_for(stop.wait(), pause)
        except TimeoutError:
            continue


async def rate_touched(database: Database, wall_clock: datetime) -> int:
    """Rate the customers of the oldest touches, forget those touches, and return how many there were."""
    async with database.installation() as connection:
        touches = await store.touches(connection, TOUCHES_MAX)
    by_environment: dict[int, tuple[list[int], set[str]]] = defaultdict(lambda: ([], set()))
    for touch in touches:
        touch_ids, keys = by_environment[touch["environment_id"]]
        touch_ids.append(touch["touch_id"])
        keys.update(touch["ingest_keys"])
    for environment_id, (touch_ids, keys) in by_environment.items():
        now = await environments.now_in(database, environment_id, wall_clock)
        prices, stray = Prices(), []
        for some in _chunks(sorted(keys), KEYS_MAX):
            async with database.transaction(environment_id) as connection:
                await store.lock(connection, environment_id)
                stray += await _rate(connection, environment_id, some, prices, now)
        async with database.transaction(environment_id) as connection:
            await store.forget(connection, touch_ids, stray)
    return len(touches)


async def _rate(
    connection: Connection,
    environment_id: int,
    keys: Sequence[str],
    prices: Prices,
    now: datetime,
) -> list[str]:
    """Rate the customers of `keys` and return the keys that are no customer's."""
    owners = await customers_of_keys(connection, keys)
    customer_ids = set(owners.values())
    all_keys = await load_customer_keys(connection, customer_ids)
    alike: dict[int, tuple[RatePlan, list[Contract]]] = {}
    for contracts in (await load_contracts(connection, customer_ids)).values():
        for contract in contracts:
            period = contract.period_at(now)
            if period is not None and contract.rate_card_id is not None:
                plan = await prices.plan(connection, contract, period)
                alike.setdefault(id(plan), (plan, []))[1].append(contract)
    for plan, contracts in alike.values():
        metrics = prices.metrics(plan, contracts[0])
        keys_of = {contract.customer_id: all_keys[contract.customer_id] for contract in contracts}
        books = await period_parts(connection, environment_id, keys_of, metrics, plan.cuts)
        rows = [row for one in contracts for row in _spend(plan, one, books[one.customer_id])]
        start = plan.period.start
        rated = [(contract.id, start) for contract in contracts]
        await store.save(connection, rows, rated, await _instant(connection))
    return [key for key in keys if key not in owners]


def _spend(plan: RatePlan, contract: Contract, usage: UsageBook) -> list[SpendRow]:
    return [
        SpendRow(
            contract.id,
            plan.period.start,
            product_id,
            contract.customer_id,
            credit_type_id,
            amount,
            quantity,
        )
        for (product_id, credit_type_id), (amount, quantity) in product_totals(plan, usage).items()
    ]


async def _instant(connection: Connection) -> datetime:
    """The database's clock: `rated_at` orders ratings of any process."""
    row = await (await connection.execute("SELECT clock_timestamp() AS now")).fetchone()
    assert row is not None
    now: datetime = row["now"]
    return now


def _chunks(keys: Iterable[str], size: int) -> Iterable[list[str]]:
    rest = iter(keys)
    while chunk := list(islice(rest, size)):
        yield chunk
