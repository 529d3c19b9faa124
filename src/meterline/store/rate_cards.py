"""Rows of `rate_card`, `rate_card_alias` and `rate`. Decimals in jsonb are strings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from meterline.core.catalogue import (
    CreditTypeConversion,
    Rate,
    RateCard,
    RateTerms,
)
from meterline.core.money import CreditType
from meterline.store.codec import from_json, jsonb
from meterline.store.database import Connection, Row

INSERT = """
    INSERT INTO rate_card (
        environment_id, rate_card_id, name, description, fiat_credit_type_id,
        credit_type_conversions, custom_fields, created_at, created_by)
    VALUES (
        current_environment(), %(rate_card_id)s, %(name)s, %(description)s,
        %(fiat_credit_type_id)s, %(conversions)s, %(custom_fields)s, %(now)s, %(actor)s)
"""
_CARDS = """
    SELECT c.*, (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', alias, 'starting_at', starting_at, 'ending_before', ending_before)
            ORDER BY alias_row), '[]')
        FROM rate_card_alias a
        WHERE a.environment_id = c.environment_id AND a.rate_card_id = c.rate_card_id) AS aliases
    FROM rate_card c
"""
SELECT = _CARDS + "WHERE rate_card_id = ANY(%s::uuid[])"
SELECT_PAGE = (
    _CARDS
    + """
    WHERE archived_at IS NULL
      AND (%(at)s::timestamptz IS NULL OR (created_at, rate_card_id) > (%(at)s, %(id)s::uuid))
    ORDER BY created_at, rate_card_id
    LIMIT %(fetch)s
"""
)
LOCK = "SELECT * FROM rate_card WHERE rate_card_id = %s FOR UPDATE"
UPDATE = """
    UPDATE rate_card SET
        name = coalesce(%(name)s, name), description = coalesce(%(description)s, description),
        credit_type_conversions = %(conversions)s
    WHERE rate_card_id = %(rate_card_id)s
"""
UPDATE_ORDER = "UPDATE rate_card SET product_order = %s WHERE rate_card_id = %s"
ARCHIVE = """
    UPDATE rate_card SET archived_at = coalesce(archived_at, %s) WHERE rate_card_id = %s
"""
INSERT_RATES = """
    INSERT INTO rate (
        environment_id, rate_card_id, product_id, pricing_group_values, billing_frequency,
        entitled, starting_at, ending_before, credit_type_id, terms, commit_terms, created_at)
    VALUES (
        current_environment(), %(rate_card_id)s, %(product_id)s, %(pricing_group_values)s,
        %(billing_frequency)s, %(entitled)s, %(starting_at)s, %(ending_before)s,
        %(credit_type_id)s, %(terms)s, %(commit_terms)s, %(now)s)
"""
SELECT_RATES = """
    SELECT rate_card_id, product_id, pricing_group_values, billing_frequency, entitled, starting_at,
           ending_before, credit_type_id, terms, commit_terms
    FROM rate WHERE rate_card_id = ANY(%s::uuid[]) ORDER BY rate_card_id, rate_row
"""
SELECT_PRODUCT_UNITS = """
    SELECT DISTINCT product_id, credit_type_id FROM rate
    WHERE rate_card_id = %s AND product_id = ANY(%s::uuid[])
"""


async def insert(connection: Connection, values: Mapping[str, Any]) -> None:
    """Add a card without aliases and rates."""
    prepared = {name: Jsonb(values[name]) for name in ("conversions", "custom_fields")}
    await connection.execute(INSERT, {**values, **prepared})


async def select(connection: Connection, ids: Sequence[UUID]) -> list[Row]:
    """The cards of these ids with their aliases, archived ones too."""
    return await (await connection.execute(SELECT, (list(ids),))).fetchall()


async def select_page(
    connection: Connection, after: tuple[str | None, ...], fetch: int
) -> list[Row]:
    """Cards that are not archived by age, after (created_at, id)."""
    parameters = {"at": after[0], "id": after[1], "fetch": fetch}
    return await (await connection.execute(SELECT_PAGE, parameters)).fetchall()


async def lock(connection: Connection, rate_card_id: UUID) -> Row | None:
    """The card without aliases, held against other writers until the transaction ends."""
    return await (await connection.execute(LOCK, (rate_card_id,))).fetchone()


async def update(connection: Connection, values: Mapping[str, Any]) -> None:
    """Change name and description where given (not None), and set the conversions."""
    await connection.execute(UPDATE, {**values, "conversions": Jsonb(values["conversions"])})


async def update_order(connection: Connection, rate_card_id: UUID, order: Sequence[UUID]) -> None:
    """Set the order of products."""
    await connection.execute(UPDATE_ORDER, (Jsonb([str(one) for one in order]), rate_card_id))


async def archive(connection: Connection, rate_card_id: UUID, now: datetime) -> bool:
    """Archive a card; False when there is none."""
    return (await connection.execute(ARCHIVE, (now, rate_card_id))).rowcount == 1


async def insert_rates(
    connection: Connection, rate_card_id: UUID, rates: Sequence[Rate], now: datetime
) -> None:
    """Add rates; each wins over those added before it."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            INSERT_RATES, [_rate_values(rate_card_id, rate, now) for rate in rates]
        )


async def select_rates(connection: Connection, rate_card_ids: Collection[UUID]) -> list[Row]:
    """Every rate of these cards, by card and in order of arrival."""
    return await (await connection.execute(SELECT_RATES, (list(rate_card_ids),))).fetchall()


async def product_units(
    connection: Connection, rate_card_id: UUID, product_ids: Sequence[UUID]
) -> dict[UUID, UUID]:
    """The credit type that each product is priced in on the card; those without a rate are left out."""
    given = (rate_card_id, list(product_ids))
    rows = await (await connection.execute(SELECT_PRODUCT_UNITS, given)).fetchall()
    return {row["product_id"]: row["credit_type_id"] for row in rows}


def rate_card_of(row: Row, fiat: CreditType) -> RateCard:
    """The card of a row."""
    return RateCard(
        id=row["rate_card_id"],
        name=row["name"],
        fiat_credit_type=fiat,
        credit_type_conversions=tuple(
            CreditTypeConversion(
                UUID(one["custom_credit_type_id"]), Decimal(one["fiat_per_custom_credit"])
            )
            for one in row["credit_type_conversions"]
        ),
        product_order=tuple(UUID(one) for one in row["product_order"]),
        archived_at=row["archived_at"],
    )


def rate_of(row: Row, credit_types: Mapping[UUID, CreditType]) -> Rate:
    """The rate of a row."""
    return Rate(
        product_id=row["product_id"],
        starting_at=row["starting_at"].astimezone(UTC),
        ending_before=None
        if row["ending_before"] is None
        else row["ending_before"].astimezone(UTC),
        entitled=row["entitled"],
        credit_type=credit_types[row["credit_type_id"]],
        terms=from_json(RateTerms, row["terms"]),
        pricing_group_values=row["pricing_group_values"],
        commit_terms=None
        if row["commit_terms"] is None
        else from_json(RateTerms, row["commit_terms"]),
        billing_frequency=row["billing_frequency"],
    )


def _rate_values(rate_card_id: UUID, rate: Rate, now: datetime) -> dict[str, Any]:
    return {
        "rate_card_id": rate_card_id,
        "product_id": rate.product_id,
        "pricing_group_values": Jsonb(dict(rate.pricing_group_values)),
        "billing_frequency": rate.billing_frequency,
        "entitled": rate.entitled,
        "starting_at": rate.starting_at,
        "ending_before": rate.ending_before,
        "credit_type_id": rate.credit_type.id,
        "terms": jsonb(rate.terms),
        "commit_terms": None if rate.commit_terms is None else jsonb(rate.commit_terms),
        "now": now,
    }
