"""One customer's usage of one metric, by windows of time and by groups.

The groups shown are those that occur in the whole span; each appears in every window, with None
where nothing of it matched. What a window's value is: see `usage_batches`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

from meterline.core.errors import Invalid
from meterline.core.metric import BillableMetric
from meterline.core.period import Period
from meterline.core.usage import GroupValues, UsageBook
from meterline.services import customers, metrics
from meterline.services.catalogue import load_contracts
from meterline.services.errors import NotFound
from meterline.services.paging import Key, Page, PageRequest
from meterline.services.usage import period_parts, quantity_shown, rolled_up
from meterline.services.windows import Cuts, Windows
from meterline.services.workspace import Workspace
from meterline.store.database import Connection


@dataclass(frozen=True, slots=True)
class GroupQuery:
    """One customer's usage of a metric by windows and groups.

    `group_key` () does not group. `filters`: by property of the group key the values to show;
    without an entry all are shown.
    """

    customer_id: UUID
    metric_id: UUID
    windows: Windows
    group_key: tuple[str, ...] = ()
    filters: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def shows(self, values: GroupValues) -> bool:
        """Whether the filters let a group through."""
        return all(
            name not in self.filters or value in self.filters[name]
            for name, value in zip(self.group_key, values, strict=True)
        )


class GroupRow(NamedTuple):
    """A group's usage in a window; `values` in the order of the group key asked for."""

    start: datetime
    end: datetime
    values: GroupValues
    value: Decimal | None


async def current_period(workspace: Workspace, customer_id: UUID) -> Period:
    """Return the billing period that runs now, of the customer's oldest contract in force.

    Raises NotFound, and Invalid when no contract is in force.
    """
    async with workspace.transaction() as connection:
        await customers.require(connection, customer_id)
        found = (await load_contracts(connection, [customer_id])).get(customer_id, [])
        for contract in found:
            period = contract.period_at(workspace.now)
            if period is not None:
                return period
    raise Invalid("current_period", "the customer has no contract in force")


async def usage_page(
    workspace: Workspace, query: GroupQuery, request: PageRequest
) -> Page[GroupRow]:
    """A page of usage by window, then by group values, null first. Raises Invalid, NotFound."""
    after = request.after_row(2)
    async with workspace.transaction() as connection:
        await customers.require(connection, query.customer_id)
        metric = await _metric(connection, query)
        reader = _Reader(connection, workspace.environment_id, metric, query)
        rows = await _rows(reader, after, request.fetch)
    page = request.page_of(rows, lambda row: row[0])
    return Page([row for _, row in page.rows], page.next_page)


async def _metric(connection: Connection, query: GroupQuery) -> BillableMetric:
    found = await metrics.load(connection, [query.metric_id])
    if query.metric_id not in found:
        raise NotFound("billable metric", query.metric_id)
    metric = found[query.metric_id]
    if query.group_key and not metric.has_group_key(*query.group_key):
        keys = " or ".join(f"[{', '.join(key)}]" for key in metric.group_keys) or "none"
        raise Invalid("group_key", f"must be a group key of the metric: {keys}")
    return metric


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the metric's usage of the customer."""

    connection: Connection
    environment_id: int
    metric: BillableMetric
    query: GroupQuery

    async def usage(self, cuts: Cuts) -> UsageBook:
        keys = await customers.load_customer_keys(self.connection, [self.query.customer_id])
        books = await period_parts(
            self.connection, self.environment_id, keys, [self.metric], {self.metric.id: cuts}
        )
        return books[self.query.customer_id]


async def _rows(
    reader: _Reader, after: Key | tuple[None, ...], rows_max: int
) -> list[tuple[Key, GroupRow]]:
    """At most `rows_max` rows after the cursor, each with its key in the list's order."""
    query, metric = reader.query, reader.metric
    windows, group_key = query.windows, query.group_key
    span = windows.span
    groups: list[GroupValues] = [()]
    if group_key:
        whole = rolled_up(
            metric, group_key, (await reader.usage((span.start, span.end))).get(metric.id, ())
        )
        groups = sorted(filter(query.shows, whole.get(0, {})), key=_null_first)
    if not groups:
        return []
    first = 0 if after[0] is None else int(after[0])
    last = min(windows.count - 1, first + 1 + rows_max // len(groups))
    if first > last:
        raise Invalid("next_page", "is not a cursor of this query")
    cuts = windows.cuts(first, last)
    parts = rolled_up(metric, group_key, (await reader.usage(cuts)).get(metric.id, ()))
    rows: list[tuple[Key, GroupRow]] = []
    seen = None if after[1] is None else _null_first(tuple(json.loads(after[1])))
    for segment, (start, end) in enumerate(pairwise(cuts)):
        for values in groups:
            if segment == 0 and seen is not None and _null_first(values) <= seen:
                continue
            quantity = quantity_shown(parts.get(segment, {}).get(values))
            key = (str(first + segment), json.dumps(values))
            rows.append((key, GroupRow(start, end, values, quantity)))
    return rows[:rows_max]


def _null_first(values: GroupValues) -> tuple[tuple[bool, str], ...]:
    return tuple((value is not None, value or "") for value in values)
