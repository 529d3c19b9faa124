"""Tells the spend stage whose spend may have changed for a reason other than usage: a price, a contract, an alias.

A touch is a row of `usage_touch` that counts no events. Its age is by the wall clock, for freshness is measured in
real seconds also where a sandbox's clock stands still.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from meterline.store.database import Connection

INSERT = """
    INSERT INTO usage_touch (environment_id, ingest_keys, events, appended_at)
    SELECT current_environment(), keys, array_fill(0, ARRAY[cardinality(keys)]), now()
    FROM (SELECT %s::text[] AS keys) given WHERE cardinality(keys) > 0
"""
INSERT_RATE_CARD = """
    INSERT INTO usage_touch (environment_id, ingest_keys, events, appended_at)
    SELECT current_environment(), keys, array_fill(0, ARRAY[cardinality(keys)]), now()
    FROM (SELECT array_agg(DISTINCT customer_id::text) AS keys FROM contract
          WHERE rate_card_id = ANY(%s::uuid[]) AND archived_at IS NULL) touched
    WHERE cardinality(keys) > 0
"""
INSERT_PRODUCT = """
    INSERT INTO usage_touch (environment_id, ingest_keys, events, appended_at)
    SELECT current_environment(), keys, array_fill(0, ARRAY[cardinality(keys)]), now()
    FROM (SELECT array_agg(DISTINCT customer_id::text) AS keys FROM contract
          WHERE (rate_card_id IN (SELECT rate_card_id FROM rate WHERE product_id = %(product_id)s)
                 OR terms->'overrides' @? %(overridden)s)
            AND archived_at IS NULL) touched
    WHERE cardinality(keys) > 0
"""


async def customers(connection: Connection, ids: Iterable[UUID]) -> None:
    """These customers' spend is to be rated again."""
    await connection.execute(INSERT, ([str(one) for one in ids],))


async def customers_of_rate_card(connection: Connection, rate_card_id: UUID) -> None:
    """So is that of every customer with a contract on the card."""
    await connection.execute(INSERT_RATE_CARD, ([rate_card_id],))


async def customers_of_product(connection: Connection, product_id: UUID) -> None:
    """And of every customer with a contract on a card that prices the product, or that overrides its price."""
    overridden = f'$[*].specifiers[*].product_id ? (@ == "{product_id}")'
    values = {"product_id": product_id, "overridden": overridden}
    await connection.execute(INSERT_PRODUCT, values)
