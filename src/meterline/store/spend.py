"""Spend of running billing periods, the touches that say whose is to be rated again, and who rates.

Arrays of the thousands of rows of a round go out as literals that the caller joins from text he keeps: an adapter that
looks at each element would cost more than PostgreSQL does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import tuple_row

from meterline.core.period import Period
from meterline.store.database import Connection

# Waits for whoever holds the row, so ratings of an environment come one after the other: none overwrites a later one.
_CLAIM = """
INSERT INTO spend_rater AS held (environment_id, rater_id, epoch, claimed_at)
VALUES (current_environment(), %(rater_id)s, 1, clock_timestamp())
ON CONFLICT (environment_id) DO UPDATE
   SET epoch = held.epoch + (held.rater_id <> excluded.rater_id)::integer, rater_id = excluded.rater_id,
       claimed_at = clock_timestamp()
 WHERE held.rater_id = excluded.rater_id OR held.claimed_at < clock_timestamp() - %(lease)s
RETURNING epoch
"""

_RELEASE = "UPDATE spend_rater SET claimed_at = '-infinity' WHERE rater_id = %s"

_TOUCHED_ENVIRONMENTS = "SELECT DISTINCT environment_id FROM usage_touch ORDER BY environment_id"

_OLDEST_TOUCHES = """
SELECT array_agg(touch_id) AS touches
  FROM (SELECT touch_id FROM usage_touch WHERE environment_id = current_environment()
         ORDER BY touch_id LIMIT %s) oldest
"""

# A touch that counts no events, or does not say when they were, tells of a change.
_TOUCHED = """
SELECT t.ingest_key, bool_or(t.events = 0 OR t.first_hour IS NULL), min(t.first_hour), max(t.last_hour)
  FROM usage_touch, unnest(ingest_keys, events, first_hours, last_hours)
                    AS t (ingest_key, events, first_hour, last_hour)
 WHERE environment_id = current_environment() AND touch_id = ANY (%s)
 GROUP BY t.ingest_key
"""

# What no customer owns is counted in the statement that forgets the touches: once, whatever is killed when.
_FORGET = """
WITH forgotten AS (
    DELETE FROM usage_touch WHERE environment_id = current_environment() AND touch_id = ANY (%(touches)s)
    RETURNING ingest_keys, events, appended_at
), stray AS (
    SELECT t.ingest_key, sum(t.events) AS events, min(appended_at) AS first_at, max(appended_at) AS last_at
      FROM forgotten, unnest(ingest_keys, events) AS t (ingest_key, events)
     WHERE t.events > 0 AND t.ingest_key = ANY (%(stray)s)
     GROUP BY t.ingest_key
)
INSERT INTO unmatched_customer AS kept (environment_id, ingest_key, events, first_at, last_at)
SELECT current_environment(), ingest_key, events, first_at, last_at FROM stray
ON CONFLICT (environment_id, ingest_key) DO UPDATE
   SET events = kept.events + excluded.events, last_at = greatest(kept.last_at, excluded.last_at)
"""

# Only rows that changed are written. (MERGE, which would not have to lock each row first, took nearly twice as long.)
_SAVE = """
INSERT INTO spend AS kept (environment_id, contract_id, period_start, period_end, product_id, customer_id,
                           credit_type_id, amount, quantity, rated_at)
SELECT current_environment(), s.contract_id, %(period_start)s, %(period_end)s, s.product_id, s.customer_id,
       s.credit_type_id, s.amount, s.quantity, statement_timestamp()
  FROM unnest(%(contracts)s::uuid[], %(products)s::uuid[], %(customers)s::uuid[], %(credit_types)s::uuid[],
              %(amounts)s::numeric[], %(quantities)s::numeric[])
       AS s (contract_id, product_id, customer_id, credit_type_id, amount, quantity)
ON CONFLICT (environment_id, contract_id, period_start, product_id) DO UPDATE
   SET amount = excluded.amount, quantity = excluded.quantity, credit_type_id = excluded.credit_type_id,
       customer_id = excluded.customer_id, period_end = excluded.period_end, rated_at = excluded.rated_at
 WHERE (kept.amount, kept.quantity, kept.credit_type_id, kept.customer_id, kept.period_end)
       IS DISTINCT FROM
       (excluded.amount, excluded.quantity, excluded.credit_type_id, excluded.customer_id, excluded.period_end)
"""

# A product that is no longer sold, a contract that was archived or cut short, usage that went to another customer:
# after a change, the spend of these customers is what was rated now and nothing else, as far back as was rated.
_DROP_STALE = """
DELETE FROM spend s USING contract c
 WHERE c.environment_id = current_environment() AND c.customer_id = ANY (%(customers)s::uuid[])
   AND s.environment_id = current_environment() AND s.contract_id = c.contract_id AND s.period_end > %(since)s
   AND (s.contract_id, s.period_start, s.product_id) NOT IN (
       SELECT * FROM unnest(%(contracts)s::uuid[], %(period_starts)s::timestamptz[], %(products)s::uuid[]))
"""

# Rates and versions of products are only ever added (the roles may do nothing else), so their number tells of a
# change.
_PRICE_VERSIONS = """
SELECT c.rate_card_id,
       (SELECT count(*) FROM rate r
         WHERE r.environment_id = c.environment_id AND r.rate_card_id = c.rate_card_id) AS rates,
       (SELECT count(*) FROM product_version v
         WHERE v.environment_id = c.environment_id AND v.product_id IN (
               SELECT r.product_id FROM rate r
                WHERE r.environment_id = c.environment_id AND r.rate_card_id = c.rate_card_id)) AS versions
  FROM rate_card c WHERE c.environment_id = current_environment() AND c.rate_card_id = ANY (%s::uuid[])
"""

_PRODUCT_VERSIONS = """
SELECT product_id, count(*) AS versions FROM product_version
 WHERE environment_id = current_environment() AND product_id = ANY (%s::uuid[]) GROUP BY product_id
"""

_UNRATED = """
SELECT ingest_key FROM unrated_key WHERE environment_id = current_environment() ORDER BY last_at LIMIT %s
"""

_ADD_UNRATED = """
INSERT INTO unrated_key AS kept (environment_id, ingest_key, reason, failures, first_at, last_at)
VALUES (current_environment(), %(ingest_key)s, %(reason)s, 1, clock_timestamp(), clock_timestamp())
ON CONFLICT (environment_id, ingest_key) DO UPDATE
   SET reason = excluded.reason, failures = kept.failures + 1, last_at = excluded.last_at
"""

_DELETE_UNRATED = """
DELETE FROM unrated_key WHERE environment_id = current_environment() AND ingest_key = ANY (%s::text[])
"""


PriceVersion = tuple[int, int]
"""How many rates a card has, and how many versions their products."""


class Touched(NamedTuple):
    """What happened to an ingest key: a `change` of contract, price or alias, and the hours of its new events.

    Hours are whole hours since 1970, None without events.
    """

    ingest_key: str
    changed: bool
    first_hour: int | None
    last_hour: int | None


@dataclass(slots=True)
class SpendColumns:
    """Rows of spend in one billing period, as columns. All but amounts are ids as text."""

    contracts: list[str] = field(default_factory=list)
    products: list[str] = field(default_factory=list)
    customers: list[str] = field(default_factory=list)
    credit_types: list[str] = field(default_factory=list)
    amounts: list[str] = field(default_factory=list)
    quantities: list[str] = field(default_factory=list)


async def claim(connection: Connection, rater_id: UUID, lease: timedelta) -> int | None:
    """Be the environment's rater until the transaction ends; None while another is.

    The epoch returned grows whenever the rater changes. A rater that has not claimed for `lease` has lost his claim.
    """
    cursor = await connection.execute(_CLAIM, {"rater_id": rater_id, "lease": lease})
    row = await cursor.fetchone()
    return None if row is None else int(row["epoch"])


async def release(connection: Connection, rater_id: UUID) -> None:
    """Let others claim what this rater holds at once (an installation's transaction)."""
    await connection.execute(_RELEASE, [rater_id])


async def touched_environments(connection: Connection) -> list[int]:
    """The environments with touches (an installation's transaction)."""
    rows = await (await connection.execute(_TOUCHED_ENVIRONMENTS)).fetchall()
    return [row["environment_id"] for row in rows]


async def oldest_touches(connection: Connection, limit: int) -> list[int]:
    """The ids of the environment's oldest touches."""
    row = await (await connection.execute(_OLDEST_TOUCHES, [limit])).fetchone()
    return (row["touches"] if row else None) or []


async def touched(connection: Connection, touches: Sequence[int]) -> list[Touched]:
    """What these touches say of each key, together."""
    async with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        await cursor.execute(_TOUCHED, [list(touches)])
        return [Touched(*row) for row in await cursor.fetchall()]


async def forget(connection: Connection, touch_ids: Sequence[int], stray: Sequence[str]) -> None:
    """Forget touches that were rated, counting the events of `stray` keys, which are no customer's."""
    await connection.execute(_FORGET, {"touches": list(touch_ids), "stray": list(stray)})


async def save(connection: Connection, period: Period, rows: SpendColumns) -> None:
    """Keep the spend of one billing period of some contracts."""
    if rows.contracts:
        await connection.execute(
            _SAVE,
            {"period_start": period.start, "period_end": period.end}
            | {name: array(getattr(rows, name)) for name in _COLUMNS},
        )


async def drop_stale(
    connection: Connection,
    customers: Sequence[str],
    since: datetime,
    kept: Iterable[tuple[datetime, SpendColumns]],
) -> None:
    """Drop the spend of `customers` in periods that end after `since`, but for the rows in `kept`, by period start."""
    arguments: dict[str, Any] = {"contracts": [], "products": [], "period_starts": []}
    for period_start, rows in kept:
        arguments["contracts"] += rows.contracts
        arguments["products"] += rows.products
        arguments["period_starts"] += [f'"{period_start.isoformat()}"'] * len(rows.contracts)
    literals = {name: array(texts) for name, texts in arguments.items()}
    await connection.execute(
        _DROP_STALE, {"customers": array(customers), "since": since} | literals
    )


async def price_versions(
    connection: Connection, rate_cards: Mapping[UUID, Collection[UUID]]
) -> dict[UUID, PriceVersion]:
    """The version of each card's prices, which is another after every change of them.

    `rate_cards`: with each the further products it is to be a version of.
    """
    cursor = await connection.execute(_PRICE_VERSIONS, [list(rate_cards)])
    found = {
        row["rate_card_id"]: (row["rates"], row["versions"]) for row in await cursor.fetchall()
    }
    further = set[UUID]().union(*rate_cards.values())
    if not further:
        return found
    cursor = await connection.execute(_PRODUCT_VERSIONS, [list(further)])
    counts = {row["product_id"]: row["versions"] for row in await cursor.fetchall()}
    return {
        rate_card_id: (rates, versions + sum(counts[one] for one in rate_cards[rate_card_id]))
        for rate_card_id, (rates, versions) in found.items()
    }


async def unrated_keys(connection: Connection, limit: int | None) -> list[str]:
    """The keys whose spend could not be rated, those tried longest ago first."""
    rows = await (await connection.execute(_UNRATED, [limit])).fetchall()
    return [row["ingest_key"] for row in rows]


async def add_unrated(connection: Connection, ingest_key: str, reason: str) -> None:
    """Note that a key could not be rated."""
    await connection.execute(_ADD_UNRATED, {"ingest_key": ingest_key, "reason": reason})


async def delete_unrated(connection: Connection, ingest_keys: Sequence[str]) -> None:
    """These keys are rated again."""
    await connection.execute(_DELETE_UNRATED, [list(ingest_keys)])


def array(elements: Iterable[str]) -> str:
    """The literal of an array. Elements hold neither commas, quotes, backslashes, braces nor spaces, unless quoted."""
    return "{" + ",".join(elements) + "}"


_COLUMNS = ("contracts", "products", "customers", "credit_types", "amounts", "quantities")
