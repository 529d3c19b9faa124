"""/v1/usage: what metrics come to, by customer, window of time and group."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec

from meterline.api.requests import (
    Body,
    Instant,
    Limit,
    NextPage,
    Reply,
    instant,
    member,
    page_request,
)
from meterline.api.wire import Name, post
from meterline.core.errors import Invalid
from meterline.core.period import Period
from meterline.services import usage_batches, usage_groups
from meterline.services.paging import PageRequest
from meterline.services.usage_batches import BatchQuery, BatchRow, GroupBy
from meterline.services.usage_groups import GroupQuery, GroupRow
from meterline.services.windows import Windows, WindowSize
from meterline.services.workspace import Workspace

BATCH_ROWS_MAX = 1_000
"""Rows of a page of batched usage, which has no limit parameter: some 200 kB."""
CUSTOMERS_MAX = 100
METRICS_MAX = 100
FILTER_VALUES_MAX = 200

Values = Annotated[list[str], msgspec.Meta(max_length=FILTER_VALUES_MAX)]


class GroupByBody(Body):
    key: Name
    values: Values | None = None


class MetricBody(Body):
    id: UUID
    group_by: GroupByBody | None = None


class ListUsage(Body):
    starting_on: Instant
    ending_before: Instant
    window_size: str
    customer_ids: Annotated[list[UUID], msgspec.Meta(max_length=CUSTOMERS_MAX)] | None = None
    billable_metrics: Annotated[list[MetricBody], msgspec.Meta(max_length=METRICS_MAX)] | None = (
        None
    )


class ListGroups(Body):
    billable_metric_id: UUID
    customer_id: UUID
    window_size: str
    starting_on: Instant | None = None
    ending_before: Instant | None = None
    current_period: bool | None = None
    group_by: GroupByBody | None = None
    group_key: list[Name] | None = None
    group_filters: dict[str, list[str]] | None = None


class UsageRow(Reply):
    billable_metric_id: UUID
    billable_metric_name: str
    customer_id: UUID
    start_timestamp: datetime
    end_timestamp: datetime
    value: Decimal | None
    groups: dict[str, Decimal | None] | None = None


class UsageReply(Reply):
    data: list[UsageRow]
    next_page: str | None


class GroupUsageRow(Reply):
    starting_on: datetime
    ending_before: datetime
    value: Decimal | None
    group_key: str | None
    group_value: str | None
    group: dict[str, str] | None = None


class GroupUsageReply(Reply):
    data: list[GroupUsageRow]
    next_page: str | None


@post("/v1/usage", scope="read")
async def list_usage(
    workspace: Workspace, data: ListUsage, next_page: NextPage = None
) -> UsageReply:
    """Usage of many customers and metrics; a row a customer, metric and window."""
    span = _days(data.starting_on, data.ending_before)
    query = BatchQuery(
        Windows(span, member("window_size", WindowSize, data.window_size)),
        data.customer_ids,
        None if data.billable_metrics is None else _grouped(data.billable_metrics),
    )
    request = PageRequest.of(
        f"usage:{query!r}", cursor=next_page, limit=None, limit_max=BATCH_ROWS_MAX
    )
    page = await usage_batches.usage_page(workspace, query, request)
    return UsageReply(data=[_usage_row(row) for row in page.rows], next_page=page.next_page)


@post("/v1/usage/groups", scope="read")
async def list_usage_with_groups(
    workspace: Workspace, data: ListGroups, limit: Limit = None, next_page: NextPage = None
) -> GroupUsageReply:
    """Usage of a customer and metric; a row a window and group."""
    group_key, filters = _group_key(data)
    size = member("window_size", WindowSize, data.window_size)
    query = GroupQuery(
        data.customer_id,
        data.billable_metric_id,
        Windows(await _span(workspace, data), size),
        group_key,
        filters,
    )
    shown = sorted((name, sorted(values)) for name, values in filters.items())
    scope = (data.customer_id, data.billable_metric_id, query.windows, group_key, shown)
    request = page_request("usage-groups", next_page, limit, *scope)
    page = await usage_groups.usage_page(workspace, query, request)
    rows = [_group_row(group_key, row) for row in page.rows]
    return GroupUsageReply(data=rows, next_page=page.next_page)


async def _span(workspace: Workspace, data: ListGroups) -> Period:
    """The span asked for: two dates, or the running billing period."""
    if data.current_period:
        for name in ("starting_on", "ending_before"):
            if getattr(data, name) is not None:
                raise Invalid(name, "must be left out beside current_period")
        return await usage_groups.current_period(workspace, data.customer_id)
    if data.starting_on is None:
        raise Invalid("starting_on", "is required unless current_period is true")
    if data.ending_before is None:
        raise Invalid("ending_before", "is required unless current_period is true")
    return _days(data.starting_on, data.ending_before)


def _days(starting_on: datetime, ending_before: datetime) -> Period:
    """Whole UTC days. Raises Invalid that names the date."""
    start, end = instant("starting_on", starting_on), instant("ending_before", ending_before)
    for name, at in (("starting_on", start), ("ending_before", end)):
        if at != at.replace(hour=0, minute=0, second=0, microsecond=0):
            raise Invalid(name, "must be midnight UTC")
    if end - start < timedelta(days=1):
        raise Invalid("ending_before", "must be at least one day after starting_on")
    return Period(start, end)


def _grouped(given: Sequence[MetricBody]) -> dict[UUID, GroupBy | None]:
    grouped: dict[UUID, GroupBy | None] = {}
    for position, metric in enumerate(given):
        if metric.id in grouped:
            raise Invalid(f"billable_metrics[{position}].id", "repeats an earlier metric")
        grouped[metric.id] = None if metric.group_by is None else _group_by(metric.group_by)
    return grouped


def _group_by(given: GroupByBody) -> GroupBy:
    return GroupBy(given.key, None if given.values is None else tuple(dict.fromkeys(given.values)))


def _group_key(data: ListGroups) -> tuple[tuple[str, ...], dict[str, frozenset[str]]]:
    """The group key and the values to show of each of its properties; no values show all."""
    if data.group_by is not None:
        for name in ("group_key", "group_filters"):
            if getattr(data, name) is not None:
                raise Invalid(name, "must be left out beside group_by")
        key, values = data.group_by.key, data.group_by.values
        return (key,), {key: frozenset(values)} if values else {}
    group_key = tuple(data.group_key or ())
    if len(set(group_key)) < len(group_key):
        raise Invalid("group_key", "must not repeat a property")
    filters = data.group_filters or {}
    for name in filters:
        if name not in group_key:
            raise Invalid(f"group_filters.{name}", "is not in group_key")
    if sum(map(len, filters.values())) > FILTER_VALUES_MAX:
        raise Invalid("group_filters", f"must hold at most {FILTER_VALUES_MAX} values in all")
    return group_key, {name: frozenset(values) for name, values in filters.items() if values}


def _usage_row(row: BatchRow) -> UsageRow:
    return UsageRow(
        billable_metric_id=row.metric.id,
        billable_metric_name=row.metric.name,
        customer_id=row.customer_id,
        start_timestamp=row.start,
        end_timestamp=row.end,
        value=row.value,
        groups=row.groups,
    )


def _group_row(group_key: tuple[str, ...], row: GroupRow) -> GroupUsageRow:
    """`group` leaves out properties the events lack, for its values are never null."""
    single = len(group_key) == 1
    named = zip(group_key, row.values, strict=True)
    return GroupUsageRow(
        starting_on=row.start,
        ending_before=row.end,
        value=row.value,
        group_key=group_key[0] if single else None,
        group_value=row.values[0] if single else None,
        group={name: value for name, value in named if value is not None} if group_key else None,
    )


routes = [list_usage, list_usage_with_groups]
