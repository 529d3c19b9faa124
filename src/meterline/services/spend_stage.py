"""The spend stage: customers whose usage, prices or contracts changed are rated again, many at once.

A round takes all touches there are, so a customer is rated once a round however many events he has: the busier the
installation, the more is coalesced. Rating starts from usage each time, never from the last result; a round that is
killed half-way is simply done again, and only its last transaction forgets the touches. Of the processes that run this
one rates an environment at a time. Decision: docs/decisions/0010-spend-stage.md.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from meterline.core.period import Period, hour_index, hour_start
from meterline.core.rating import product_totals
from meterline.metering.event import BACKDATING_WINDOW, FUTURE_LIMIT
from meterline.services import environments
from meterline.services.compaction import compact
from meterline.services.pipeline import marks_of
from meterline.services.spend_accounts import Account, Accounts
from meterline.services.spend_prices import Prices, Tariff
from meterline.services.spend_usage import SeriesMeanings, books_of
from meterline.store import pipeline
from meterline.store import spend as store
from meterline.store.database import Connection, Database
from meterline.store.spend import SpendColumns, Touched
from meterline.stream.log import LogBacklog

logger = structlog.get_logger()

# Long enough that cycles of several workers share a round, short beside what a reader notices.
IDLE_SECONDS = 0.1
# After a round the stage rests this share of the time it took: little, or, while events wait longer than a second to be
# metered, as long again. Metering comes first, and what is not rated meanwhile coalesces: the cost of a round is
# bounded by the number of distinct customers.
REST_SHARE = 0.1
REST_SHARE_BEHIND = 1.0
REST_SECONDS_MAX = 5.0
BEHIND = timedelta(seconds=1)
OUTAGE_SECONDS = 1.0
COMPACTION_SECONDS = 5.0
_OUTAGES = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)


def _is_outage(error: Exception) -> bool:
    """Whether the database is away. A statement that took too long is a matter of what was asked."""
    return isinstance(error, _OUTAGES) and not isinstance(error, psycopg.errors.QueryCanceled)


@dataclass(frozen=True, slots=True)
class Limits:
    """The sizes and times of rounds.

    `touches_max`: of a round, each one worker cycle: minutes of backlog, read in seconds.
    `keys_max`: ingest keys rated in one transaction: enough to share its queries, few enough for half a second.
    `lease`: so long after his last transaction another process may take an environment over from a rater.
    `failures_max`: customers that cannot be rated and are set apart in a round. When more fail it is hardly their
    fault, and the environment rests.
    `rest_seconds`: how long it rests, and how long until those set apart are tried again.
    """

    touches_max: int = 5_000
    keys_max: int = 2_000
    lease: timedelta = timedelta(seconds=3)
    failures_max: int = 100
    rest_seconds: float = 30.0


class TooManyFailures(Exception):
    """Rating fails for customer after customer of an environment."""


class _Superseded(Exception):
    """Another process rates the environment now."""


@dataclass(slots=True)
class _Environment:
    """What is remembered of an environment while this process rates it.

    `epoch`: of the claim under which it is remembered.
    """

    id: int
    epoch: int | None = None
    accounts: Accounts = field(init=False)
    prices: Prices = field(default_factory=Prices)
    # Keys that could not be rated, left out until they are tried again.
    apart: set[str] = field(default_factory=set)
    retry_at: float = 0.0
    rests_until: float = 0.0

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.epoch = None
        self.accounts, self.prices, self.apart = Accounts(self.id), Prices(), set()
        self.retry_at = 0.0


class _Rated(NamedTuple):
    """What a round came to: `stray` are keys of nobody, `failed` of customers that could not be rated."""

    stray: list[str]
    failed: list[str]


async def run(
    database: Database,
    log: LogBacklog,
    *,
    rater_id: UUID,
    clock: Callable[[], datetime],
    stop: asyncio.Event,
) -> None:
    """Rate whatever is touched, and compact closed hours, until `stop`. Outages are waited out."""
    stage = SpendStage(database, rater_id)

    async def rate() -> float:
        started = time.monotonic()
        await stage.rate_touched(clock())
        took = time.monotonic() - started
        behind = await metering_is_behind(database, log, clock())
        share = REST_SHARE_BEHIND if behind else REST_SHARE
        return max(IDLE_SECONDS, min(took * share, REST_SECONDS_MAX))

    async def compact_closed() -> float:
        await compact(database, clock())
        return COMPACTION_SECONDS

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_until(stop, rate))
        tasks.create_task(_until(stop, compact_closed))
    try:
        await stage.release()
    except _OUTAGES as outage:
        logger.warning("outage", reason=str(outage))  # the claim then ends by itself


async def _until(stop: asyncio.Event, step: Callable[[], Awaitable[float]]) -> None:
    """Take step after step, each after the seconds that the last one returned."""
    while not stop.is_set():
        try:
            pause = await step()
        except _OUTAGES as outage:
            logger.warning("outage", reason=str(outage))
            pause = OUTAGE_SECONDS
        try:
            await asyncio.wait_for(stop.wait(), pause)
        except TimeoutError:
            continue


async def metering_is_behind(database: Database, log: LogBacklog, wall_clock: datetime) -> bool:
    """Whether an event has waited longer than BEHIND to be metered."""
    async with database.installation() as connection:
        marks = marks_of(await pipeline.partitions(connection))
    return any(
        one.oldest_at is not None and wall_clock - one.oldest_at > BEHIND
        for one in await log.behind(marks)
    )


class SpendStage:
    """Rates touched customers. One for a process, whose `rater_id` is its own."""

    def __init__(
        self,
        database: Database,
        rater_id: UUID,
        limits: Limits | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._rater_id = rater_id
        self._limits = limits or Limits()
        self._monotonic = monotonic
        self._environments: dict[int, _Environment] = {}
        self._meanings = SeriesMeanings()

    async def rate_touched(self, wall_clock: datetime) -> int:
        """Rate what was touched in every environment, forget those touches, and return how many there were.

        Raises what the database raises in an outage; an error in one environment does not reach the others.
        """
        async with self._database.installation() as connection:
            touched = await store.touched_environments(connection)
        forgotten = 0
        for environment_id in touched:
            environment = self._environments.setdefault(
                environment_id, _Environment(environment_id)
            )
            if self._monotonic() < environment.rests_until:
                continue
            try:
                forgotten += await self._rate_environment(environment, wall_clock)
            except _Superseded:
                environment.forget()
            except Exception as error:  # a bug, or broken rows: its touches stay, and show as lag
                environment.forget()
                if _is_outage(error):
                    raise
                logger.exception("environment_not_rated", environment_id=environment_id)
                environment.rests_until = self._monotonic() + self._limits.rest_seconds
        return forgotten

    async def release(self) -> None:
        """Let another process take over at once. To be called when no round is under way."""
        async with self._database.installation() as connection:
            await store.release(connection, self._rater_id)

    async def _rate_environment(self, environment: _Environment, wall_clock: datetime) -> int:
        async with self._database.transaction(environment.id) as connection:
            if not await self._claim(connection, environment):
                return 0
            touches = await store.oldest_touches(connection, self._limits.touches_max)
            touched = await store.touched(connection, touches)
            retried = await self._due_again(connection, environment)
        # The clock after the touches: what a touch by a moved clock is about is seen.
        now = await environments.now_in(self._database, environment.id, wall_clock)
        environment.accounts.drop(one.ingest_key for one in touched if one.changed)
        rated = _Rated([], [])
        together = [one for one in touched if one.ingest_key not in environment.apart]
        for start in range(0, len(together), self._limits.keys_max):
            chunk = together[start : start + self._limits.keys_max]
            await self._rate_apart(environment, chunk, now, rated)
        for key in retried:
            await self._rate_apart(environment, [Touched(key, True, None, None)], now, rated)
        async with self._database.transaction(environment.id) as connection:
            await self._reclaim(connection, environment)
            await store.forget(connection, touches, rated.stray)
            recovered = set(retried).difference(rated.failed)
            if recovered:
                await store.delete_unrated(connection, list(recovered))
        environment.apart = (environment.apart - recovered).union(rated.failed)
        return len(touches)

    async def _due_again(self, connection: Connection, environment: _Environment) -> list[str]:
        """The keys set apart that are to be tried again in this round."""
        if self._monotonic() < environment.retry_at:
            return []
        environment.retry_at = self._monotonic() + self._limits.rest_seconds
        if not environment.apart:
            return []
        keys = await store.unrated_keys(connection, self._limits.failures_max)
        environment.accounts.drop(keys)
        return keys

    async def _claim(self, connection: Connection, environment: _Environment) -> bool:
        """Be the environment's rater in this transaction, and remember nothing from before another was."""
        epoch = await store.claim(connection, self._rater_id, self._limits.lease)
        if epoch is None:
            environment.forget()
            return False
        if epoch != environment.epoch:
            environment.forget()
            environment.apart = set(await store.unrated_keys(connection, None))
            environment.epoch = epoch
        return True

    async def _reclaim(self, connection: Connection, environment: _Environment) -> None:
        """Go on as the rater of the round. Raises _Superseded if another has rated since it began."""
        if await store.claim(connection, self._rater_id, self._limits.lease) != environment.epoch:
            raise _Superseded

    async def _rate_apart(
        self, environment: _Environment, touched: Sequence[Touched], now: datetime, rated: _Rated
    ) -> None:
        """Rate customers in one transaction; where that fails, by halves, until whose fault it is is known.

        Adds to `rated`. Raises TooManyFailures where it does not seem to be anybody's.
        """
        try:
            async with self._database.transaction(environment.id) as connection:
                await self._reclaim(connection, environment)
                stray = await _rate(connection, environment, self._meanings, touched, now)
            rated.stray.extend(stray)
        except _Superseded:
            raise
        except Exception as error:  # the others go on without whoever it is about
            if _is_outage(error):
                raise
            # What was loaded in the transaction that failed is loaded again.
            environment.accounts.drop(one.ingest_key for one in touched)
            if len(touched) > 1:
                middle = len(touched) // 2
                await self._rate_apart(environment, touched[:middle], now, rated)
                await self._rate_apart(environment, touched[middle:], now, rated)
                return
            await self._note_failure(environment, touched[0].ingest_key, error, rated)

    async def _note_failure(
        self, environment: _Environment, ingest_key: str, error: Exception, rated: _Rated
    ) -> None:
        logger.error(
            "customer_not_rated",
            environment_id=environment.id,
            ingest_key=ingest_key,
            exc_info=error,
        )
        async with self._database.transaction(environment.id) as connection:
            await self._reclaim(connection, environment)
            await store.add_unrated(connection, ingest_key, repr(error))
        rated.failed.append(ingest_key)
        if len(rated.failed) > self._limits.failures_max:
            raise TooManyFailures from error


async def _rate(
    connection: Connection,
    environment: _Environment,
    meanings: SeriesMeanings,
    touched: Sequence[Touched],
    now: datetime,
) -> list[str]:
    """Rate the customers of these keys and return the keys that are no customer's."""
    keys = [one.ingest_key for one in touched]
    accounts = await environment.accounts.resolve(connection, keys)
    cards: dict[UUID, frozenset[UUID]] = {}
    for owner in accounts.values():
        for rate_card_id, also in owner.rate_cards.items():
            cards[rate_card_id] = cards.get(rate_card_id, also) | also
    if cards:
        await environment.prices.refresh(connection, cards)
    work: dict[Tariff, dict[Account, set[str]]] = defaultdict(lambda: defaultdict(set))
    changed: list[Account] = []
    # A change may concern whatever events may still come for, and those that came early.
    since, until = hour_index(now - BACKDATING_WINDOW), hour_index(now + FUTURE_LIMIT)
    for one in touched:
        account = accounts.get(one.ingest_key)
        if account is None:
            continue
        if one.changed or one.first_hour is None or one.last_hour is None:
            bills = account.bills_of(since, until, environment.prices)
            changed.append(account)
        else:
            bills = account.bills_of(one.first_hour, one.last_hour, environment.prices)
        for contract_id, tariff in bills:
            work[tariff][account].add(contract_id)
    saved = await _save(connection, environment.id, meanings, work)
    if changed:
        texts = [account.customer_text for account in changed]
        await store.drop_stale(connection, texts, hour_start(since), saved)
    return [key for key in keys if key not in accounts]


# The same few ids of products and units go out with every customer.
_text = lru_cache(maxsize=10_000)(str)


async def _save(
    connection: Connection,
    environment_id: int,
    meanings: SeriesMeanings,
    work: Mapping[Tariff, Mapping[Account, Collection[str]]],
) -> list[tuple[datetime, SpendColumns]]:
    """Rate the contracts in `work`, keep their spend, and return it by period start."""
    columns: dict[Period, SpendColumns] = defaultdict(SpendColumns)
    books = await books_of(connection, environment_id, meanings, work)
    for tariff, contracts_of in work.items():
        rows = columns[tariff.plan.period]
        for account, contract_ids in contracts_of.items():
            totals = product_totals(tariff.plan, books[tariff][account])
            for contract_id in contract_ids:
                _add(rows, contract_id, account.customer_text, totals)
    for period, rows in columns.items():
        await store.save(connection, period, rows)
    return [(period.start, rows) for period, rows in columns.items()]


def _add(
    rows: SpendColumns,
    contract_id: str,
    customer: str,
    totals: Mapping[tuple[UUID, UUID], tuple[Decimal, Decimal]],
) -> None:
    for (product_id, credit_type_id), (amount, quantity) in totals.items():
        rows.contracts.append(contract_id)
        rows.products.append(_text(product_id))
        rows.customers.append(customer)
        rows.credit_types.append(_text(credit_type_id))
        rows.amounts.append(str(amount))
        rows.quantities.append(str(quantity))
