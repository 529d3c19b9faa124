"""Spend of running billing periods, and the touches that say whose is to be rated again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from meterline.store.database import Connection, Row

# One rating of an environment at a time, so that an older reading of usage never overwrites a newer one.
# The first number names this use among the database's advisory locks: "mtls" in ASCII.
_LOCK = "SELECT pg_advisory_xact_lock(1836346483, %s)"

_TOUCHES = """
SELECT environment_id, touch_id, ingest_keys FROM usage_touch ORDER BY touch_id LIMIT %s
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

_SAVE = """
INSERT INTO spend AS kept (environment_id, contract_id, period_start, product_id, customer_id, credit_type_id, amount,
                           quantity, rated_at)
SELECT current_environment(), s.*, %(rated_at)s
  FROM unnest(%(contracts)s::uuid[], %(periods)s::timestamptz[], %(products)s::uuid[], %(customers)s::uuid[],
              %(credit_types)s::uuid[], %(amounts)s::numeric[], %(quantities)s::numeric[]) AS s
ON CONFLICT (environment_id, contract_id, period_start, product_id) DO UPDATE
   SET customer_id = excluded.customer_id, credit_type_id = excluded.credit_type_id, amount = excluded.amount,
       quantity = excluded.quantity, rated_at = excluded.rated_at
"""

# A product that is no longer on the card, or whose usage went to another customer, has no line any more.
_DROP_STALE = """
DELETE FROM spend s USING unnest(%(contracts)s::uuid[], %(periods)s::timestamptz[]) AS rated (contract_id, period_start)
 WHERE s.environment_id = current_environment() AND s.contract_id = rated.contract_id
   AND s.period_start = rated.period_start AND s.rated_at < %(rated_at)s
"""

_BY_PRODUCT = """
SELECT s.product_id, s.credit_type_id, sum(s.amount) AS amount, sum(s.quantity) AS quantity
  FROM spend s
 WHERE s.environment_id = current_environment() AND s.period_start >= %(since)s
 GROUP BY s.product_id, s.credit_type_id ORDER BY amount DESC
"""

_BY_CUSTOMER = """
SELECT s.customer_id, c.name, s.credit_type_id, sum(s.amount) AS amount
  FROM spend s JOIN customer c USING (environment_id, customer_id)
 WHERE s.environment_id = current_environment() AND s.period_start >= %(since)s
 GROUP BY s.customer_id, c.name, s.credit_type_id ORDER BY amount DESC, s.customer_id LIMIT %(limit)s
"""

_TOTAL = """
SELECT credit_type_id, sum(amount) AS amount FROM spend
 WHERE environment_id = current_environment() AND period_start >= %(since)s GROUP BY credit_type_id ORDER BY amount DESC
"""


class SpendRow(NamedTuple):
    """Spend of one product in one billing period of a contract."""

    contract_id: UUID
    period_start: datetime
    product_id: UUID
    customer_id: UUID
    credit_type_id: UUID
    amount: Decimal
    quantity: Decimal


async def lock(connection: Connection, environment_id: int) -> None:
    """Be the only one to rate this environment until the transaction ends."""
    await connection.execute(_LOCK, [environment_id])


async def touches(connection: Connection, limit: int) -> list[Row]:
    """The oldest touches of all environments (an installation's transaction)."""
    return await (await connection.execute(_TOUCHES, [limit])).fetchall()


async def forget(connection: Connection, touch_ids: Sequence[int], stray: Sequence[str]) -> None:
    """Forget touches that were rated, counting the events of `stray` keys, which are no customer's."""
    await connection.execute(_FORGET, {"touches": list(touch_ids), "stray": list(stray)})


async def save(
    connection: Connection,
    rows: Sequence[SpendRow],
    rated: Sequence[tuple[UUID, datetime]],
    rated_at: datetime,
) -> None:
    """Keep the spend of the `rated` (contract, period start), and nothing else for them."""
    if rows:
        contracts, periods, products, customers, credit_types, amounts, quantities = zip(
            *rows, strict=True
        )
        await connection.execute(
            _SAVE,
            {
                "rated_at": rated_at,
                "contracts": list(contracts),
                "periods": list(periods),
                "products": list(products),
                "customers": list(customers),
                "credit_types": list(credit_types),
                "amounts": list(amounts),
                "quantities": list(quantities),
            },
        )
    await connection.execute(
        _DROP_STALE,
        {
            "rated_at": rated_at,
            "contracts": [contract_id for contract_id, _ in rated],
            "periods": [period_start for _, period_start in rated],
        },
    )


async def by_product(connection: Connection, since: datetime) -> list[Row]:
    """Spend by product of billing periods that began at `since` or later, largest first."""
    return await (await connection.execute(_BY_PRODUCT, {"since": since})).fetchall()


async def by_customer(connection: Connection, since: datetime, limit: int) -> list[Row]:
    """The customers who spend most, with their names."""
    rows = await connection.execute(_BY_CUSTOMER, {"since": since, "limit": limit})
    return await rows.fetchall()


async def total(connection: Connection, since: datetime) -> list[Row]:
    """Spend of everybody, by credit type."""
    return await (await connection.execute(_TOTAL, {"since": since})).fetchall()
