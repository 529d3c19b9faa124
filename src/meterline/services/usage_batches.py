"""Usage of many customers and metrics by windows of time. Knows nothing of contracts or prices.

Every window of the span is shown; None stands for "nothing matched", which a sum of 0 does not
mean. A window's value is that of its own events alone: the last value of LATEST, the maximum of
MAX, the distinct values of UNIQUE. (Invoices bill differences of these instead.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from meterline.core.errors import Invalid
from meterline.core.metric import BillableMetric
from meterline.core.usage import UsageBook
from meterline.services import customers, metrics
from meterline.services.errors import NotFound
from meterline.services.paging import Key, Page, PageRequest
from meterline.services.usage import period_parts, quantity_shown, rolled_up
from meterline.services.windows import Windows
from meterline.services.workspace import Workspace
from meterline.store import metrics as metric_store
from meterline.store import usage as store
from meterline.store.database import Connection

GROUPS_MAX = 200
"""Values of a group key that one row shows. Source: API page of POST /v1/usage."""
METRICS_MAX = 10_000
"""Metrics that a query for all of them covers."""


@dataclass(frozen=True, slots=True)
class GroupBy:
    """Batched usage by one group key; `values` None: those that occur, at most GROUPS_MAX."""

    key: str
    values: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class BatchQuery:
    """Usage of customers x metrics x windows. None: every one that is not archived."""

    windows: Windows
    customer_ids: Sequence[UUID] | None = None
    metrics: Mapping[UUID, GroupBy | None] | None = None

    def group_by(self, metric: BillableMetric) -> GroupBy | None:
        """How a metric is to be grouped."""
        return None if self.metrics is None else self.metrics.get(metric.id)


class BatchRow(NamedTuple):
    """A customer's usage of a metric in a window. `groups` None: not grouped."""

    customer_id: UUID
    metric: BillableMetric
    start: datetime
    end: datetime
    value: Decimal | None
    groups: dict[str, Decimal | None] | None


class _Place(NamedTuple):
    """The rows of a page that share customer and metric: windows `first` to `last`."""

    customer_id: UUID
    metric: BillableMetric
    first: int
    last: int


async def usage_page(
    workspace: Workspace, query: BatchQuery, request: PageRequest
) -> Page[BatchRow]:
    """A page of usage by customer id, metric id and window. Raises Invalid, NotFound."""
    after = request.after_row(3)
    async with workspace.transaction() as connection:
        chosen = await _metrics(connection, query.metrics)
        rows_a_customer = max(1, len(chosen) * query.windows.count)
        ids = await _customers(
            connection, query.customer_ids, after[0], 2 + request.fetch // rows_a_customer
        )
        places = list(_places(ids, chosen, query.windows.count, after, request.fetch))
        rows = await _rows(connection, workspace.environment_id, query, places)
    page = request.page_of(rows, lambda row: row[0])
    return Page([row for _, row in page.rows], page.next_page)


async def _metrics(
    connection: Connection, wanted: Mapping[UUID, GroupBy | None] | None
) -> list[BillableMetric]:
    """The metrics asked for, by id. Raises NotFound, Invalid for a group key a metric has not."""
    if wanted is None:
        rows = await metric_store.select_page(
            connection, archived=False, after=(None, None), fetch=METRICS_MAX
        )
        return sorted(map(metric_store.metric_of, rows), key=lambda metric: metric.id)
    found = await metrics.load(connection, wanted)
    for position, (metric_id, group_by) in enumerate(wanted.items()):
        if metric_id not in found:
            raise NotFound("billable metric", metric_id)
        if group_by is not None and not found[metric_id].has_group_key(group_by.key):
            field = f"billable_metrics[{position}].group_by.key"
            raise Invalid(field, f"{group_by.key!r} is not a group key of metric {metric_id}")
    return [found[metric_id] for metric_id in sorted(found)]


async def _customers(
    connection: Connection, wanted: Sequence[UUID] | None, first: str | None, count: int
) -> list[UUID]:
    """The next `count` customers from id `first` on. Raises NotFound for one that was named."""
    start = UUID(first) if first else UUID(int=0)
    if wanted is None:
        return await store.live_customers(connection, start, count)
    known = await customers.load_customer_keys(connection, wanted)
    for customer_id in wanted:
        if customer_id not in known:
            raise NotFound("customer", customer_id)
    return [customer_id for customer_id in sorted(known) if customer_id >= start][:count]


def _places(
    ids: Sequence[UUID],
    chosen: Sequence[BillableMetric],
    windows: int,
    after: Key | tuple[None, ...],
    rows_max: int,
) -> Iterator[_Place]:
    """The rows after the cursor `after`, at most `rows_max`."""
    last_seen = (str(after[0]), str(after[1])) if after[0] else ("", "")
    for customer_id in ids:
        for metric in chosen:
            pair = (str(customer_id), str(metric.id))
            if pair < last_seen or rows_max <= 0:
                continue
            first = int(after[2] or 0) + 1 if pair == last_seen else 0
            last = min(windows, first + rows_max) - 1
            if first <= last:
                rows_max -= last - first + 1
                yield _Place(customer_id, metric, first, last)


async def _rows(
    connection: Connection, environment_id: int, query: BatchQuery, places: Sequence[_Place]
) -> list[tuple[Key, BatchRow]]:
    """The rows of `places`, each with its key in the list's order."""
    if not places:
        return []
    keys = await customers.load_customer_keys(connection, {place.customer_id for place in places})
    chosen = {place.metric.id: place.metric for place in places}.values()
    first = min(place.first for place in places)
    cuts = query.windows.cuts(first, max(place.last for place in places))
    books = await period_parts(
        connection, environment_id, keys, chosen, {metric.id: cuts for metric in chosen}
    )
    occurring = await _occurring(connection, environment_id, query, keys, chosen)
    rows: list[tuple[Key, BatchRow]] = []
    for place in places:
        customer_id, metric = place.customer_id, place.metric
        usage = books[customer_id].get(metric.id, ())
        totals = rolled_up(metric, (), usage)
        group_by = query.group_by(metric)
        by_group = rolled_up(metric, (group_by.key,), usage) if group_by else {}
        shown = () if group_by is None else _shown(group_by, occurring[customer_id], metric)
        for number in range(place.first, place.last + 1):
            segment = number - first
            parts = by_group.get(segment, {})
            row = BatchRow(
                customer_id,
                metric,
                cuts[segment],
                cuts[segment + 1],
                quantity_shown(totals.get(segment, {}).get(())),
                {one: quantity_shown(parts.get((one,))) for one in shown} if group_by else None,
            )
            rows.append(((str(customer_id), str(metric.id), str(number)), row))
    return rows


async def _occurring(
    connection: Connection,
    environment_id: int,
    query: BatchQuery,
    keys: Mapping[UUID, Sequence[str]],
    chosen: Iterable[BillableMetric],
) -> Mapping[UUID, UsageBook]:
    """The usage of the whole span, for the metrics whose group values the caller did not name."""
    open_ended = [
        metric
        for metric in chosen
        if (group_by := query.group_by(metric)) is not None and group_by.values is None
    ]
    span = query.windows.span
    cuts = {metric.id: (span.start, span.end) for metric in open_ended}
    return await period_parts(connection, environment_id, keys, open_ended, cuts)


def _shown(group_by: GroupBy, occurring: UsageBook, metric: BillableMetric) -> Sequence[str]:
    """The values of the group key to show. Events that lack the property have none to show."""
    if group_by.values is not None:
        return group_by.values
    groups = rolled_up(metric, (group_by.key,), occurring.get(metric.id, ())).get(0, {})
    return sorted(one for (one,) in groups if one is not None)[:GROUPS_MAX]
