"""Rows of `product` and `product_version`.

A version's `fields` are those a caller sent, decimals as strings: version 0 has them all, later ones what changed.
Fields of product types that are not rated yet are kept in the same place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from meterline.core.catalogue import (
    Operation,
    Product,
    ProductType,
    ProductUpdate,
    ProductVersion,
    QuantityConversion,
    QuantityRounding,
    RoundingMethod,
    product_versions,
)
from meterline.store.database import Connection, Row

INSERT = """
    INSERT INTO product (environment_id, product_id, type, custom_fields, created_at, created_by)
    VALUES (current_environment(), %s, %s, %s, %s, %s)
"""
INSERT_VERSION = """
    INSERT INTO product_version (
        environment_id, product_id, version, starting_at, created_at, created_by, fields)
    SELECT current_environment(), %(product_id)s, count(*), %(starting_at)s, %(now)s, %(actor)s, %(fields)s
    FROM product_version WHERE product_id = %(product_id)s
"""
_VERSIONS = """
    SELECT p.product_id, type, custom_fields, p.created_at, archived_at,
           (SELECT jsonb_agg(jsonb_build_object(
                'starting_at', starting_at, 'created_at', v.created_at,
                'created_by', v.created_by, 'fields', fields) ORDER BY version)
            FROM product_version v
            WHERE v.environment_id = p.environment_id AND v.product_id = p.product_id) AS versions
    FROM product p
"""
SELECT = _VERSIONS + "WHERE product_id = ANY(%s::uuid[])"
SELECT_PAGE = (
    _VERSIONS
    + """
    WHERE (%(archived)s::boolean IS NULL OR (archived_at IS NOT NULL) = %(archived)s)
      AND (%(at)s::timestamptz IS NULL OR (created_at, product_id) > (%(at)s, %(id)s::uuid))
    ORDER BY created_at, product_id
    LIMIT %(fetch)s
"""
)
LOCK = "SELECT product_id FROM product WHERE product_id = %s FOR UPDATE"
SELECT_METRIC_IDS_OF_CARD = """
    SELECT DISTINCT (fields->>'billable_metric_id')::uuid AS metric_id FROM product_version
    WHERE product_id IN (SELECT product_id FROM rate WHERE rate_card_id = %s)
      AND fields->>'billable_metric_id' IS NOT NULL
"""
ARCHIVE = """
    UPDATE product SET archived_at = coalesce(archived_at, %s) WHERE product_id = %s
"""


async def insert(  # noqa: PLR0913
    connection: Connection,
    product_id: UUID,
    *,
    product_type: str,
    fields: Mapping[str, Any],
    custom_fields: dict[str, str],
    now: datetime,
    actor: str,
) -> None:
    """Add a product with its version 0."""
    await connection.execute(INSERT, (product_id, product_type, Jsonb(custom_fields), now, actor))
    await insert_version(
        connection, product_id, starting_at=None, fields=fields, now=now, actor=actor
    )


async def insert_version(
    connection: Connection,
    product_id: UUID,
    *,
    starting_at: datetime | None,
    fields: Mapping[str, Any],
    now: datetime,
    actor: str,
) -> None:
    """Add the next version. The caller holds the product's lock."""
    parameters = {"product_id": product_id, "starting_at": starting_at, "now": now, "actor": actor}
    await connection.execute(INSERT_VERSION, {**parameters, "fields": Jsonb(dict(fields))})


async def lock(connection: Connection, product_id: UUID) -> bool:
    """Hold a product against other writers until the transaction ends; False when there is none."""
    return (await connection.execute(LOCK, (product_id,))).rowcount == 1


async def select(connection: Connection, ids: Sequence[UUID]) -> list[Row]:
    """The products of these ids, archived ones too."""
    rows = await (await connection.execute(SELECT, (list(ids),))).fetchall()
    return [_with_instants(row) for row in rows]


async def select_page(
    connection: Connection, *, archived: bool | None, after: tuple[str | None, ...], fetch: int
) -> list[Row]:
    """Products by age, after (created_at, id); `archived` None: both."""
    parameters = {"archived": archived, "at": after[0], "id": after[1], "fetch": fetch}
    rows = await (await connection.execute(SELECT_PAGE, parameters)).fetchall()
    return [_with_instants(row) for row in rows]


async def metric_ids_of_card(connection: Connection, rate_card_id: UUID) -> list[UUID]:
    """The metrics that any version of a product with a rate on the card names."""
    rows = await connection.execute(SELECT_METRIC_IDS_OF_CARD, (rate_card_id,))
    return [row["metric_id"] for row in await rows.fetchall()]


async def archive(connection: Connection, product_id: UUID, now: datetime) -> bool:
    """Archive a product; False when there is none."""
    return (await connection.execute(ARCHIVE, (now, product_id))).rowcount == 1


def product_of(row: Row) -> Product:
    """The product of a row, with its history."""
    first, *later = row["versions"]
    initial = ProductVersion(**version_fields(first["fields"]))
    updates = [ProductUpdate(one["starting_at"], version_fields(one["fields"])) for one in later]
    return Product(
        id=row["product_id"],
        type=ProductType(row["type"]),
        versions=product_versions(initial, updates),
        archived_at=row["archived_at"],
    )


def version_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that charges come from, as the core has them; what is only shown again is left out."""
    typed: dict[str, Any] = {}
    for name, value in fields.items():
        if name == "name":
            typed[name] = value
        elif name == "billable_metric_id":
            typed[name] = None if value is None else UUID(value)
        elif name in ("pricing_group_key", "presentation_group_key", "tags", "composite_tags"):
            typed[name] = tuple(value or ())
        elif name == "composite_product_ids":
            typed[name] = tuple(UUID(one) for one in value or ())
        elif name in ("exclude_free_usage", "include_composite_spend"):
            typed[name] = bool(value)
        elif name == "quantity_conversion":
            typed[name] = None if value is None else _conversion(value)
        elif name == "quantity_rounding":
            typed[name] = None if value is None else _rounding(value)
    return typed


def _conversion(fields: Mapping[str, Any]) -> QuantityConversion:
    return QuantityConversion(
        Decimal(fields["conversion_factor"]), Operation(fields["operation"]), fields.get("name")
    )


def _rounding(fields: Mapping[str, Any]) -> QuantityRounding:
    return QuantityRounding(
        RoundingMethod(fields["rounding_method"]), int(fields["decimal_places"])
    )


def _with_instants(row: Row) -> Row:
    for version in row["versions"]:
        for name in ("starting_at", "created_at"):
            if version[name] is not None:
                version[name] = datetime.fromisoformat(version[name])
    return row
