"""Alerts: set, archived, and evaluated from the live books whenever somebody asks.

A customer's books are settled and read once for all alerts of a page, so that one answer is of one instant. No
notification is sent yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from meterline.core.alert import (
    Alert,
    AlertStatus,
    Evaluation,
    Narrowing,
    Situation,
    alert_issues,
    evaluate,
    narrowed,
    usage_period,
)
from meterline.core.errors import Invalid, require
from meterline.core.ledger.balances import within_contract
from meterline.core.lifecycle import Account
from meterline.services import books, credit_types, customers, metrics
from meterline.services.errors import Conflict, NotFound
from meterline.services.paging import Page, PageRequest
from meterline.services.usage import period_parts, quantity_shown, rolled_up
from meterline.services.workspace import Workspace
from meterline.store import alerts as store
from meterline.store.database import Connection

WHOLE = Narrowing()


class CustomerAlert(NamedTuple):
    """An alert, and where a customer stands by it."""

    alert: Alert
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert to set. `terms`: without its id, instant and credit type, which `credit_type_id` names."""

    terms: Alert
    credit_type_id: UUID | None = None


async def create(workspace: Workspace, new: NewAlert) -> UUID:
    """Set an alert. Raises Invalid, NotFound for the customer, Conflict for a used uniqueness_key."""
    alert = replace(new.terms, id=workspace.new_id(), created_at=workspace.now)
    async with workspace.transaction() as connection:
        if new.credit_type_id is not None:
            found = await credit_types.load(connection, [new.credit_type_id])
            if not found:
                raise Invalid("credit_type_id", "names no credit type")
            alert = replace(alert, credit_type=found[new.credit_type_id])
        require(alert_issues(alert))
        if alert.customer_id is not None:
            await customers.require(connection, alert.customer_id)
        metric_id = alert.billable_metric_id
        if metric_id is not None and not await metrics.load(connection, [metric_id]):
            raise Invalid("billable_metric_id", "names no billable metric")
        if not await store.insert(connection, alert, workspace.actor):
            raise Conflict(f"uniqueness_key: {alert.uniqueness_key!r} has been used already")
    return alert.id


async def archive(workspace: Workspace, alert_id: UUID, *, release_key: bool) -> None:
    """Stop evaluating an alert; its uniqueness key is free again if `release_key`. Raises NotFound."""
    async with workspace.transaction() as connection:
        if not await store.archive(connection, alert_id, workspace.now, release_key=release_key):
            raise NotFound("alert", alert_id)


async def get(
    workspace: Workspace, alert_id: UUID, customer_id: UUID, wanted: Narrowing = WHOLE
) -> CustomerAlert:
    """An alert on a customer, or the part of it that is wanted. Raises NotFound, Invalid for a part it has not."""
    async with books.reading(workspace, [customer_id]) as (connection, accounts):
        await customers.require(connection, customer_id)
        alert = await store.select(connection, alert_id, customer_id)
        if alert is None:
            raise NotFound("alert", alert_id)
        part = narrowed(alert, wanted)
        (found,) = await _evaluated(workspace, connection, accounts[customer_id], [part])
    return found


async def page(
    workspace: Workspace,
    customer_id: UUID,
    statuses: Sequence[AlertStatus],
    request: PageRequest,
) -> Page[CustomerAlert]:
    """The alerts on a customer by age. Raises NotFound for the customer."""
    async with books.reading(workspace, [customer_id]) as (connection, accounts):
        await customers.require(connection, customer_id)
        rows = await store.select_page(
            connection,
            customer_id,
            enabled=AlertStatus.ENABLED in statuses,
            archived=AlertStatus.ARCHIVED in statuses,
            after=request.after_row(2),
            fetch=request.fetch,
        )
        cut = request.page_of(rows, lambda alert: (alert.created_at.isoformat(), str(alert.id)))
        found = await _evaluated(workspace, connection, accounts[customer_id], cut.rows)
    return Page(found, cut.next_page)


async def reset(workspace: Workspace, alert_id: UUID, customer_id: UUID) -> None:
    """Have an alert evaluated anew, as it is each time anyway. Raises NotFound."""
    async with workspace.transaction() as connection:
        await customers.require(connection, customer_id)
        if await store.select(connection, alert_id, customer_id) is None:
            raise NotFound("alert", alert_id)


async def _evaluated(
    workspace: Workspace, connection: Connection, account: Account, alerts: Sequence[Alert]
) -> list[CustomerAlert]:
    if all(alert.archived_at is not None for alert in alerts):
        situation = Situation(workspace.now)
    else:
        situation = await _situation(workspace, connection, account, alerts)
    return [CustomerAlert(alert, evaluate(alert, situation)) for alert in alerts]


async def _situation(
    workspace: Workspace, connection: Connection, account: Account, alerts: Sequence[Alert]
) -> Situation:
    live = await books.live(connection, workspace.environment_id, account, workspace.now)
    ends = {one.id: one.ending_before for one in account.contracts}
    situation = Situation(
        workspace.now,
        live.invoices,
        [within_contract(one, ends.get(one.contract_id or one.id)) for one in account.grants],
        account.entries,
        live.entries,
        await store.contract_fields(connection, account.customer_id),
        await store.grant_fields(connection, account.customer_id),
    )
    usage = {}
    for alert in alerts:
        if alert.billable_metric_id is not None and alert.archived_at is None:
            usage[alert.id] = await _used(workspace, connection, account, alert, situation)
    return replace(situation, usage=usage)


async def _used(
    workspace: Workspace,
    connection: Connection,
    account: Account,
    alert: Alert,
    situation: Situation,
) -> Decimal | None:
    """What the customer used of the alert's metric in the current billing periods."""
    period = usage_period(alert, situation)
    assert alert.billable_metric_id is not None
    found = await metrics.load(connection, [alert.billable_metric_id])
    if period is None or not found:
        return None
    metric = found[alert.billable_metric_id]
    keys = await customers.load_customer_keys(connection, [account.customer_id])
    parts = await period_parts(
        connection,
        workspace.environment_id,
        {account.customer_id: keys.get(account.customer_id, [])},
        [metric],
        {metric.id: (period.start, period.end)},
    )
    used = rolled_up(metric, (), parts[account.customer_id].get(metric.id, ()))
    return quantity_shown(used.get(0, {}).get(()))
