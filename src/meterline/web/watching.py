"""What the pages of one process watch: channels by environment and customer, and the services behind them."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from litestar import Litestar

from meterline import display
from meterline.api.components import Components
from meterline.core.invoice import Invoice, LineItem
from meterline.core.period import HOUR, Period
from meterline.services import (
    customer_directory,
    customers,
    environments,
    invoices,
    metrics,
    pipeline,
    spend_summary,
    usage_groups,
)
from meterline.services.environments import Principal
from meterline.services.paging import PageRequest
from meterline.services.usage_groups import GroupQuery
from meterline.services.windows import Windows, WindowSize
from meterline.services.workspace import Workspace
from meterline.store.database import Row
from meterline.web import customer as customer_page
from meterline.web.customer import (
    ABSENT,
    HOURS_CHOICES,
    UNGROUPED,
    CustomerFigures,
    HourlyUsage,
    InvoiceLine,
    RunningInvoice,
    UsageChoice,
)
from meterline.web.live import Channel
from meterline.web.overview import CHART_SECONDS, OverviewFigures, PartitionFigures
from meterline.web.session import secret_from

CUSTOMERS_SHOWN = 10
CUSTOMERS_A_PAGE = 50
METRICS_LISTED = 200
HOURLY_ROWS_MAX = 20_000
INVOICES_LOOKED_AT = 12
OVERVIEW_SECONDS = 1.0
CUSTOMER_SECONDS = 1.0
# After the last reader left, figures are read for this long, so that charts have a past when one
# comes back.
OVERVIEW_IDLE_SECONDS = 900.0
CUSTOMER_IDLE_SECONDS = 5.0


class Watching:
    """Channels and look-ups of the pages; one a process."""

    def __init__(self, components: Components, secret: bytes) -> None:
        self._components = components
        self.secret = secret
        self._overviews: dict[int, Channel[OverviewFigures]] = {}
        self._customers: dict[tuple[int, UUID], Channel[CustomerFigures]] = {}

    async def principal(self, hashed: bytes) -> Principal | None:
        """Return whom a token of that hash stands for, None when it is unknown or revoked."""
        return await environments.principal_of(self._components.database, hashed)

    def overview(self, viewer: Principal) -> Channel[OverviewFigures]:
        """Return the installation's channel as this environment sees it."""
        key = viewer.environment_id
        if key not in self._overviews:
            self._overviews[key] = self._channel(
                lambda: self._read_overview(viewer),
                interval=OVERVIEW_SECONDS,
                kept=CHART_SECONDS + 1,
                idle=OVERVIEW_IDLE_SECONDS,
            )
        return self._overviews[key]

    def customer_figures(self, viewer: Principal, customer_id: UUID) -> Channel[CustomerFigures]:
        """Return a customer's channel. Those that nobody watches any longer are dropped."""
        for key in [key for key, one in self._customers.items() if not one.is_running]:
            del self._customers[key]
        key = (viewer.environment_id, customer_id)
        if key not in self._customers:
            self._customers[key] = self._channel(
                lambda: self._read_customer(viewer, customer_id),
                interval=CUSTOMER_SECONDS,
                kept=2,
                idle=CUSTOMER_IDLE_SECONDS,
            )
        return self._customers[key]

    async def customer(self, viewer: Principal, customer_id: UUID) -> dict[str, Any]:
        """Return id, name and aliases. Raises NotFound."""
        return _person(await customers.get(await self._workspace(viewer), customer_id))

    async def customers(
        self, viewer: Principal, text: str, after: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Return a page of the customers that `text` finds, with their spend, and the next cursor."""
        request = PageRequest.of(
            "customer directory", cursor=after, limit=CUSTOMERS_A_PAGE, cursor_field="after"
        )
        workspace = await self._workspace(viewer)
        found = await customer_directory.page(workspace, text, request)
        amounts = await spend_summary.of_customers(
            workspace, [row["customer_id"] for row in found.rows]
        )
        rows = [
            _person(row) | {"amount": display.amount(amounts.get(row["customer_id"], Decimal(0)))}
            for row in found.rows
        ]
        return rows, found.next_page

    async def usage(
        self, viewer: Principal, customer_id: UUID, asked: tuple[str, str, int]
    ) -> dict[str, object]:
        """Return a customer's hourly usage as asked: metric id, group property, hours. Defaults for what is amiss."""
        workspace = await self._workspace(viewer)
        listed = await metrics.page(
            workspace,
            PageRequest.of("metrics", cursor=None, limit=METRICS_LISTED, limit_max=METRICS_LISTED),
        )
        named = {row["metric_id"]: row["name"] for row in listed.rows}
        chosen = next((one for one in named if str(one) == asked[0]), next(iter(named), None))
        keys = [
            group[0]
            for row in listed.rows
            if row["metric_id"] == chosen
            for group in row["group_keys"]
            if len(group) == 1
        ]
        group = asked[1] if asked[1] in keys else None
        hours = asked[2] if asked[2] in HOURS_CHOICES else HOURS_CHOICES[1]
        choice = UsageChoice(chosen, group, hours)
        hourly = await _hourly(workspace, customer_id, choice)
        return customer_page.usage_view(choice, hourly, list(named.items()), keys)

    async def _read_overview(self, viewer: Principal) -> OverviewFigures:
        status = await pipeline.status(
            self._components.database, self._components.backlog, self._components.clock()
        )
        workspace = await self._workspace(viewer)
        spent = await spend_summary.summary(workspace, customers=CUSTOMERS_SHOWN)
        return OverviewFigures(
            events_total=status.events_metered,
            lag_events=status.lag_events,
            freshness_seconds=status.freshness_seconds,
            partitions=[
                PartitionFigures(
                    row.partition,
                    None if row.owner is None else f"worker {row.owner}",
                    row.metered,
                    row.lag_events,
                )
                for row in status.partitions
            ],
            workers=[f"worker {row.slot}" for row in status.workers],
            spent=spent,
        )

    async def _read_customer(self, viewer: Principal, customer_id: UUID) -> CustomerFigures:
        workspace = await self._workspace(viewer)
        request = PageRequest.of("invoices", cursor=None, limit=INVOICES_LOOKED_AT)
        found = await invoices.page(
            workspace, customer_id, invoices.InvoiceFilter(newest_first=True), request
        )
        running = [
            _running(one)
            for one in found.rows
            if one.start_timestamp <= workspace.now < one.end_timestamp
        ]
        return CustomerFigures(running, await spend_summary.total(workspace))

    async def _workspace(self, viewer: Principal) -> Workspace:
        components = self._components
        now = await environments.now(components.database, viewer, components.clock())
        return Workspace(
            components.database, viewer.environment_id, now, components.new_id, actor="page"
        )

    def _channel(
        self, read: Callable[[], Any], *, interval: float, kept: int, idle: float
    ) -> Channel[Any]:
        return Channel(
            read,
            self._components.clock,
            interval_seconds=interval,
            readings_kept=kept,
            idle_seconds=idle,
        )


def watching_of(app: Litestar, components: Components) -> Watching:
    """Return the application's Watching, made at first use."""
    if "watching" not in app.state:
        app.state["watching"] = Watching(components, secret_from(os.environ))
    watching: Watching = app.state["watching"]
    return watching


async def _hourly(workspace: Workspace, customer_id: UUID, choice: UsageChoice) -> HourlyUsage:
    end = _hour(workspace.now) + HOUR
    hours = [end - HOUR * back for back in range(choice.hours, 0, -1)]
    found: dict[datetime, dict[str, Decimal]] = {at: {} for at in hours}
    if choice.metric_id is None:
        return HourlyUsage(list(found.items()))
    query = GroupQuery(
        customer_id,
        choice.metric_id,
        Windows(Period(hours[0], end), WindowSize.HOUR),
        (choice.group,) if choice.group else (),
    )
    request = PageRequest("usage by hour", HOURLY_ROWS_MAX)
    for row in (await usage_groups.usage_page(workspace, query, request)).rows:
        if row.value is not None:
            name = (row.values[0] or ABSENT) if row.values else UNGROUPED
            found[row.start][name] = row.value
    return HourlyUsage(list(found.items()))


def _hour(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


def _person(row: Row) -> dict[str, Any]:
    return {
        "id": row["customer_id"],
        "name": row["name"],
        "aliases": row["ingest_aliases"],
        "created_at": row["created_at"],
    }


def _running(one: Invoice) -> RunningInvoice:
    return RunningInvoice(
        id=one.id,
        status=one.status,
        start=one.start_timestamp,
        end=one.end_timestamp,
        credit_type=one.credit_type.name,
        total=one.total,
        lines=[_line(line) for line in one.line_items],
    )


def _line(line: LineItem) -> InvoiceLine:
    values = {**(line.pricing_group_values or {}), **(line.presentation_group_values or {})}
    return InvoiceLine(
        product=line.name,
        groups=[(name, ABSENT if value is None else value) for name, value in values.items()],
        tier="" if line.tier is None else str(line.tier.level),
        quantity=line.quantity,
        unit_price=line.unit_price,
        amount=line.total,
    )
