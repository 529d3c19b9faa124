"""Billable metrics. All of a metric but its name is fixed at creation, for usage is kept by it."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from meterline.core.errors import Invalid, require
from meterline.core.metric import BillableMetric, metric_issues
from meterline.services.custom_fields import Entity, claim
from meterline.services.errors import NotFound
from meterline.services.paging import Page, PageRequest, age_key
from meterline.services.workspace import Workspace
from meterline.store import metrics as store
from meterline.store.database import Connection, Row


async def create(
    workspace: Workspace, metric: BillableMetric, custom_fields: dict[str, str]
) -> None:
    """Add a metric. It counts events that are metered from now on. Raises Invalid, Conflict."""
    require(metric_issues(metric))
    async with workspace.transaction() as connection:
        await claim(connection, Entity.BILLABLE_METRIC, metric.id, custom_fields)
        await store.insert(connection, metric, custom_fields, workspace.now)


async def get(workspace: Workspace, metric_id: UUID) -> Row:
    """The row of a metric, archived or not. Raises NotFound."""
    async with workspace.transaction() as connection:
        for row in await store.select(connection, [metric_id]):
            return row
    raise NotFound("billable metric", metric_id)


async def page(
    workspace: Workspace, request: PageRequest, *, include_archived: bool = False
) -> Page[Row]:
    """Metrics by age."""
    async with workspace.transaction() as connection:
        rows = await store.select_page(
            connection,
            archived=include_archived,
            after=request.after_row(2),
            fetch=request.fetch,
        )
    return request.page_of(rows, age_key("metric_id"))


async def rename(workspace: Workspace, metric_id: UUID, name: str) -> None:
    """Give a metric another name. Raises Invalid, NotFound."""
    if not name:
        raise Invalid("name", "must not be empty")
    async with workspace.transaction() as connection:
        if not await store.rename(connection, metric_id, name):
            raise NotFound("billable metric", metric_id)


async def archive(workspace: Workspace, metric_id: UUID) -> None:
    """Stop a metric from counting. Usage it counted stays. Raises NotFound."""
    async with workspace.transaction() as connection:
        if not await store.archive(connection, metric_id, workspace.now):
            raise NotFound("billable metric", metric_id)


async def load(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, BillableMetric]:
    """The metrics of these ids, archived ones too; unknown ids are left out."""
    rows = await store.select(connection, list(set(ids)))
    return {row["metric_id"]: store.metric_of(row) for row in rows}
