"""/v1/billable-metrics: what is counted of events."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from litestar import get, put

from meterline.api.requests import (
    Body,
    CustomFields,
    IdReply,
    Limit,
    NextPage,
    Reply,
    id_reply,
    member,
    page_request,
    path_id,
)
from meterline.api.wire import Name, post
from meterline.core.decimals import plain
from meterline.core.errors import Invalid
from meterline.core.metric import Aggregation, BillableMetric, PropertyFilter, ValueFilter
from meterline.services import metrics
from meterline.services.workspace import Workspace
from meterline.store.database import Row


class EventTypeFilter(Body):
    in_values: list[str] | None = None
    not_in_values: list[str] | None = None


class PropertyFilterBody(Body):
    name: str
    exists: bool | None = None
    in_values: list[str] | None = None
    not_in_values: list[str] | None = None


class CreateMetric(Body):
    name: Name
    aggregation_type: str | None = None
    aggregation_key: str | None = None
    event_type_filter: EventTypeFilter | None = None
    property_filters: list[PropertyFilterBody] | None = None
    group_keys: list[list[str]] | None = None
    custom_fields: CustomFields | None = None
    event_minimum: Decimal | None = None
    event_maximum: Decimal | None = None
    sql: str | None = None


class RenameMetric(Body):
    name: Name


class ArchiveMetric(Body):
    id: UUID


class FilterReply(Reply):
    in_values: list[str] | None = None
    not_in_values: list[str] | None = None


class PropertyFilterReply(Reply):
    name: str
    exists: bool | None = None
    in_values: list[str] | None = None
    not_in_values: list[str] | None = None


class MetricDetail(Reply, kw_only=True):
    id: UUID
    name: str
    aggregation_type: str
    aggregation_key: str | None = None
    event_type_filter: FilterReply | None = None
    property_filters: list[PropertyFilterReply]
    group_keys: list[list[str]]
    custom_fields: dict[str, str]
    event_minimum: Decimal | None = None
    event_maximum: Decimal | None = None
    archived_at: datetime | None = None


class MetricReply(Reply):
    data: MetricDetail


class MetricsReply(Reply):
    data: list[MetricDetail]
    next_page: str | None


@post("/v1/billable-metrics/create")
async def create_metric(workspace: Workspace, data: CreateMetric) -> IdReply:
    """Add a metric. It counts the events metered from then on."""
    metric = _metric(workspace.new_id(), data)
    await metrics.create(workspace, metric, data.custom_fields or {})
    return id_reply(metric.id)


@get("/v1/billable-metrics/{billable_metric_id:str}")
async def get_metric(workspace: Workspace, billable_metric_id: str) -> MetricReply:
    """One metric."""
    row = await metrics.get(workspace, path_id("billable metric", billable_metric_id))
    return MetricReply(data=metric_detail(row))


@get("/v1/billable-metrics")
async def list_metrics(
    workspace: Workspace,
    limit: Limit = None,
    next_page: NextPage = None,
    include_archived: bool = False,
) -> MetricsReply:
    """All metrics."""
    request = page_request("billable-metrics", next_page, limit, include_archived)
    page = await metrics.page(workspace, request, include_archived=include_archived)
    return MetricsReply(data=[metric_detail(row) for row in page.rows], next_page=page.next_page)


@put("/v1/billable-metrics/{billable_metric_id:str}")
async def rename_metric(
    workspace: Workspace, billable_metric_id: str, data: RenameMetric
) -> IdReply:
    """Change the name; nothing else of a metric can change."""
    metric_id = path_id("billable metric", billable_metric_id)
    await metrics.rename(workspace, metric_id, data.name)
    return id_reply(metric_id)


@post("/v1/billable-metrics/archive")
async def archive_metric(workspace: Workspace, data: ArchiveMetric) -> IdReply:
    """Stop a metric from counting."""
    await metrics.archive(workspace, data.id)
    return id_reply(data.id)


def metric_detail(row: Row) -> MetricDetail:
    """A metric as every reply shows it."""
    filters: dict[str, Any] | None = row["event_type_filter"]
    return MetricDetail(
        id=row["metric_id"],
        name=row["name"],
        aggregation_type=row["aggregation_type"],
        aggregation_key=row["aggregation_key"],
        event_type_filter=None if filters is None else FilterReply(**_given(filters)),
        property_filters=[PropertyFilterReply(**_given(one)) for one in row["property_filters"]],
        group_keys=row["group_keys"],
        custom_fields=row["custom_fields"],
        event_minimum=_shown(row["event_minimum"]),
        event_maximum=_shown(row["event_maximum"]),
        archived_at=row["archived_at"],
    )


def _metric(metric_id: UUID, data: CreateMetric) -> BillableMetric:
    if data.sql is not None:
        raise Invalid("sql", "SQL is not supported: events are metered as they come, one by one")
    if data.aggregation_type is None:
        raise Invalid("aggregation_type", "is required")
    event_types = data.event_type_filter
    return BillableMetric(
        id=metric_id,
        name=data.name,
        aggregation=member("aggregation_type", Aggregation, data.aggregation_type),
        aggregation_key=data.aggregation_key,
        event_type_filter=None
        if event_types is None
        else ValueFilter(
            tuple(event_types.in_values or ()), tuple(event_types.not_in_values or ())
        ),
        property_filters=tuple(
            PropertyFilter(
                one.name, one.exists, tuple(one.in_values or ()), tuple(one.not_in_values or ())
            )
            for one in data.property_filters or ()
        ),
        group_keys=tuple(tuple(key) for key in data.group_keys or ()),
        event_minimum=data.event_minimum,
        event_maximum=data.event_maximum,
    )


def _shown(number: Decimal | None) -> Decimal | None:
    return None if number is None else plain(number)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that say something: an empty list of values is no condition."""
    return {name: value for name, value in fields.items() if value not in (None, [])}


routes = [create_metric, get_metric, list_metrics, rename_metric, archive_metric]
