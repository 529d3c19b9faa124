"""Spend of the running periods as last rated, summed for pages; and what matched nothing.

The spend stage keeps a row a contract, period and product, also of periods that have ended and of
those that begin within a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from meterline.store.database import Connection, Row

RUNNING = """
    FROM spend s
    WHERE s.credit_type_id = %(credit_type_id)s
      AND s.period_start <= %(now)s AND s.period_end > %(now)s
"""
TOTAL = f"SELECT coalesce(sum(s.amount), 0) AS amount {RUNNING}"
BY_PRODUCT = f"""
    SELECT product_id, sum(amount) AS amount, sum(quantity) AS quantity,
           (SELECT v.fields->>'name' FROM product_version v
            WHERE v.product_id = spent.product_id AND v.fields ? 'name'
              AND coalesce(v.starting_at, '-infinity') <= %(now)s
            ORDER BY v.version DESC LIMIT 1) AS name
    FROM (SELECT s.* {RUNNING}) AS spent
    GROUP BY product_id ORDER BY amount DESC, product_id
"""
BY_CUSTOMER = f"""
    SELECT spent.customer_id, c.name, spent.amount
    FROM (SELECT s.customer_id, sum(s.amount) AS amount {RUNNING}
          GROUP BY s.customer_id ORDER BY amount DESC, s.customer_id LIMIT %(count)s) AS spent
    JOIN customer c USING (customer_id)
    ORDER BY amount DESC, customer_id
"""
OF_CUSTOMERS = f"""
    SELECT s.customer_id, sum(s.amount) AS amount {RUNNING}
      AND s.customer_id = ANY(%(customer_ids)s::uuid[])
    GROUP BY s.customer_id
"""
UNMATCHED_METRICS = """
    SELECT event_type AS name, sum(events)::bigint AS events FROM unmatched_metric
    GROUP BY event_type ORDER BY events DESC, name LIMIT %(count)s
"""
# A key that has become a customer's since is attributed when usage is read, so it is no longer
# unmatched.
UNMATCHED_CUSTOMERS = """
    SELECT ingest_key AS name, events FROM unmatched_customer u
    WHERE NOT EXISTS (SELECT FROM customer_ingest_alias a WHERE a.alias = u.ingest_key)
      AND NOT EXISTS (SELECT FROM customer c
                      WHERE c.customer_id = CASE WHEN u.ingest_key
                          ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN u.ingest_key::uuid END)
    ORDER BY events DESC, name LIMIT %(count)s
"""


async def total(connection: Connection, credit_type_id: UUID, now: datetime) -> Row:
    """Return {"amount"}: all spend of the running periods in one credit type."""
    parameters = {"credit_type_id": credit_type_id, "now": now}
    row = await (await connection.execute(TOTAL, parameters)).fetchone()
    assert row is not None
    return row


async def by_product(connection: Connection, credit_type_id: UUID, now: datetime) -> list[Row]:
    """Return product_id, name, quantity, amount; largest first."""
    parameters = {"credit_type_id": credit_type_id, "now": now}
    return await (await connection.execute(BY_PRODUCT, parameters)).fetchall()


async def by_customer(
    connection: Connection, credit_type_id: UUID, now: datetime, count: int
) -> list[Row]:
    """Return customer_id, name, amount of the `count` that spend most."""
    parameters = {"credit_type_id": credit_type_id, "now": now, "count": count}
    return await (await connection.execute(BY_CUSTOMER, parameters)).fetchall()


async def of_customers(
    connection: Connection, credit_type_id: UUID, now: datetime, customer_ids: Sequence[UUID]
) -> list[Row]:
    """Return customer_id, amount of those named; none for one that has not spent."""
    parameters = {
        "credit_type_id": credit_type_id,
        "now": now,
        "customer_ids": list(customer_ids),
    }
    return await (await connection.execute(OF_CUSTOMERS, parameters)).fetchall()


async def unmatched_metrics(connection: Connection, count: int) -> list[Row]:
    """Return name (the event type) and events of what no metric counted; most first."""
    return await (await connection.execute(UNMATCHED_METRICS, {"count": count})).fetchall()


async def unmatched_customers(connection: Connection, count: int) -> list[Row]:
    """Return name (the ingest key) and events of what is no customer's; most first."""
    return await (await connection.execute(UNMATCHED_CUSTOMERS, {"count": count})).fetchall()
