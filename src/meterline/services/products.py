"""Products and their versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from meterline.core.catalogue import Product, ProductType, ProductUpdate, ProductVersion
from meterline.core.catalogue import product_versions as history
from meterline.core.catalogue_rules import composite_issues, product_issues
from meterline.core.errors import require
from meterline.core.metric import BillableMetric
from meterline.services import metrics
from meterline.services.custom_fields import Entity, claim
from meterline.services.errors import NotFound
from meterline.services.paging import Page, PageRequest, age_key
from meterline.services.workspace import Workspace
from meterline.store import products as store
from meterline.store import touches
from meterline.store.database import Connection, Row


async def create(
    workspace: Workspace,
    *,
    product_type: ProductType,
    fields: Mapping[str, Any],
    custom_fields: dict[str, str],
) -> UUID:
    """Add a product. `fields`: as stored, decimals as strings. Raises Invalid, Conflict."""
    product_id = workspace.new_id()
    version = ProductVersion(**store.version_fields(fields))
    async with workspace.transaction() as connection:
        await claim(connection, Entity.PRODUCT, product_id, custom_fields)
        await _check(connection, product_type, version)
        await store.insert(
            connection,
            product_id,
            product_type=product_type,
            fields=fields,
            custom_fields=custom_fields,
            now=workspace.now,
            actor=workspace.actor,
        )
    return product_id


async def update(
    workspace: Workspace, product_id: UUID, *, starting_at: datetime, fields: Mapping[str, Any]
) -> None:
    """Change `fields` from `starting_at` on, which may be past. Raises Invalid, NotFound."""
    async with workspace.transaction() as connection:
        if not await store.lock(connection, product_id):
            raise NotFound("product", product_id)
        (row,) = await store.select(connection, [product_id])
        product = store.product_of(row)
        change = ProductUpdate(starting_at, store.version_fields(fields))
        # Every version from the change on must hold with it, those that start later included.
        for version in history(product.versions[0], [*_updates(row), change]):
            if version.starting_at is not None and version.starting_at >= starting_at:
                await _check(connection, product.type, version)
        await store.insert_version(
            connection,
            product_id,
            starting_at=starting_at,
            fields=fields,
            now=workspace.now,
            actor=workspace.actor,
        )
        await touches.customers_of_product(connection, product_id)


async def get(workspace: Workspace, product_id: UUID) -> Row:
    """The row of a product, archived or not. Raises NotFound."""
    async with workspace.transaction() as connection:
        for row in await store.select(connection, [product_id]):
            return row
    raise NotFound("product", product_id)


async def page(workspace: Workspace, request: PageRequest, *, archived: bool | None) -> Page[Row]:
    """Products by age; `archived` None shows both."""
    async with workspace.transaction() as connection:
        rows = await store.select_page(
            connection, archived=archived, after=request.after_row(2), fetch=request.fetch
        )
    return request.page_of(rows, age_key("product_id"))


async def archive(workspace: Workspace, product_id: UUID) -> None:
    """Hide a product from lists and new rates. Raises NotFound."""
    async with workspace.transaction() as connection:
        if not await store.archive(connection, product_id, workspace.now):
            raise NotFound("product", product_id)


async def load(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, Product]:
    """The products of these ids, archived ones too; unknown ids are left out."""
    rows = await store.select(connection, list(set(ids)))
    return {row["product_id"]: store.product_of(row) for row in rows}


async def metrics_sold(connection: Connection, rate_card_id: UUID) -> list[BillableMetric]:
    """The metrics that products with a rate on the card are or were counted by, or will be."""
    ids = await store.metric_ids_of_card(connection, rate_card_id)
    return list((await metrics.load(connection, ids)).values())


def _updates(row: Row) -> list[ProductUpdate]:
    return [
        ProductUpdate(one["starting_at"].astimezone(UTC), store.version_fields(one["fields"]))
        for one in row["versions"][1:]
    ]


async def _check(
    connection: Connection, product_type: ProductType, version: ProductVersion
) -> None:
    metric = None
    if version.billable_metric_id is not None:
        found = await metrics.load(connection, [version.billable_metric_id])
        metric = found.get(version.billable_metric_id)
    require(product_issues(product_type, version, metric))
    charged_on = await load(connection, version.composite_product_ids)
    require(composite_issues(version, charged_on))
