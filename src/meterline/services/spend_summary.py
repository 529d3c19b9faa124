"""Spend of the running billing periods at a glance: as last rated, in US cents, for pages and not for invoices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from meterline.core.money import USD_CENTS
from meterline.services.workspace import Workspace
from meterline.store import spend_summary as store
from meterline.store import unmatched as unmatched_store

UNMATCHED_MAX = 8


@dataclass(frozen=True, slots=True)
class ProductSpend:
    """What was used and spent of one product; amount in cents."""

    name: str
    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class CustomerSpend:
    """What one customer spent, in cents."""

    id: UUID
    name: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Unmatched:
    """Events that became no customer's usage: their ingest key or event type, and the reason."""

    name: str
    reason: str
    events: int


@dataclass(frozen=True, slots=True)
class SpendSummary:
    """An environment's spend: in all, by product, by the customers that spend most.

    `unmatched` are the largest sources of the `unmatched_events`.
    """

    total: Decimal
    products: Sequence[ProductSpend]
    customers: Sequence[CustomerSpend]
    unmatched: Sequence[Unmatched]
    unmatched_events: int


async def total(workspace: Workspace) -> Decimal:
    """Return all spend of the running periods."""
    async with workspace.transaction() as connection:
        row = await store.total(connection, USD_CENTS.id, workspace.now)
    return Decimal(row["amount"])


async def summary(workspace: Workspace, *, customers: int) -> SpendSummary:
    """Return the summary with the `customers` that spend most. Cost: one pass over the spend rows each part."""
    async with workspace.transaction() as connection:
        whole = await store.total(connection, USD_CENTS.id, workspace.now)
        products = await store.by_product(connection, USD_CENTS.id, workspace.now)
        largest = await store.by_customer(connection, USD_CENTS.id, workspace.now, customers)
        strangers = await store.unmatched_customers(connection, UNMATCHED_MAX)
        uncounted = await store.unmatched_metrics(connection, UNMATCHED_MAX)
        totals = await unmatched_store.totals(connection, workspace.environment_id)
    unmatched = [Unmatched(row["name"], "no customer", row["events"]) for row in strangers]
    unmatched += [Unmatched(row["name"], "no metric", row["events"]) for row in uncounted]
    return SpendSummary(
        total=whole["amount"],
        products=[
            ProductSpend(row["name"] or str(row["product_id"]), row["quantity"], row["amount"])
            for row in products
        ],
        customers=[
            CustomerSpend(row["customer_id"], row["name"], row["amount"]) for row in largest
        ],
        unmatched=unmatched,
        unmatched_events=sum(totals),
    )


async def of_customers(workspace: Workspace, customer_ids: Sequence[UUID]) -> dict[UUID, Decimal]:
    """Return the spend of each customer named that has any."""
    async with workspace.transaction() as connection:
        rows = await store.of_customers(connection, USD_CENTS.id, workspace.now, customer_ids)
    return {row["customer_id"]: row["amount"] for row in rows}
