"""Contracts: a customer on a rate card for a while.

What a contract may hold and rating does not know yet is refused at the edge: kept silently, it would be billed wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from meterline.core.contract import (
    Contract,
    UsageFilter,
    contract_issues,
    usage_filter_issues,
)
from meterline.core.errors import Invalid, require
from meterline.core.period import Frequency, StatementDay, StatementSchedule
from meterline.services import customers, products
from meterline.services.custom_fields import Entity, claim
from meterline.services.errors import Conflict, NotFound
from meterline.services.paging import Page, PageRequest, age_key
from meterline.services.workspace import Workspace
from meterline.store import contracts as store
from meterline.store import rate_card_aliases, rate_cards, touches
from meterline.store.database import Connection, Row


@dataclass(frozen=True, slots=True)
class StatementTerms:
    """The usage statement schedule as asked for."""

    frequency: Frequency = Frequency.MONTHLY
    day: StatementDay = StatementDay.FIRST_OF_MONTH
    billing_anchor_date: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewContract:
    """A contract as asked for. `shown`: terms that are only kept and shown again."""

    customer_id: UUID
    starting_at: datetime
    ending_before: datetime | None = None
    name: str | None = None
    rate_card_id: UUID | None = None
    rate_card_alias: str | None = None
    uniqueness_key: str | None = None
    statement: StatementTerms = StatementTerms()
    usage_filter: UsageFilter | None = None
    shown: dict[str, Any] = field(default_factory=dict)
    custom_fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContractFilter:
    """Which contracts of a customer a list shows; None does not restrict."""

    customer_id: UUID
    covering_date: datetime | None = None
    starting_at: datetime | None = None
    include_archived: bool = False


async def create(workspace: Workspace, new: NewContract) -> Row:
    """Add a contract. Raises Invalid, NotFound, Conflict for a used uniqueness_key or value."""
    schedule = StatementSchedule.of(
        new.statement.frequency,
        new.statement.day,
        contract_start=new.starting_at,
        billing_anchor_date=new.statement.billing_anchor_date,
    )
    filters = () if new.usage_filter is None else (new.usage_filter,)
    contract_id = workspace.new_id()
    async with workspace.transaction() as connection:
        await claim(connection, Entity.CONTRACT, contract_id, new.custom_fields)
        customer = await customers.require(connection, new.customer_id)
        if customer["archived_at"] is not None:
            raise Invalid("customer_id", "the customer is archived")
        contract = Contract(
            id=contract_id,
            customer_id=new.customer_id,
            rate_card_id=await _rate_card(connection, new),
            starting_at=new.starting_at,
            ending_before=new.ending_before,
            schedule=schedule,
            usage_filters=filters,
        )
        require(contract_issues(contract))
        if new.usage_filter is not None:
            await _require_group_key(connection, contract.rate_card_id, new.usage_filter)
        values = {
            "contract_id": contract.id,
            "customer_id": contract.customer_id,
            "name": new.name,
            "rate_card_id": contract.rate_card_id,
            "starting_at": contract.starting_at,
            "ending_before": contract.ending_before,
            "uniqueness_key": new.uniqueness_key,
            "terms": {
                **new.shown,
                "usage_statement_schedule": store.schedule_fields(schedule),
                "usage_filters": [store.filter_fields(one) for one in filters],
            },
            "custom_fields": new.custom_fields,
            "now": workspace.now,
            "actor": workspace.actor,
        }
        if not await store.insert(connection, values):
            raise Conflict(f"uniqueness_key: {new.uniqueness_key!r} has been used already")
        await touches.customers(connection, [new.customer_id])
        return await _existing(connection, contract.id, new.customer_id)


async def get(workspace: Workspace, contract_id: UUID, customer_id: UUID) -> Row:
    """A customer's contract, archived or not. Raises NotFound."""
    async with workspace.transaction() as connection:
        return await _existing(connection, contract_id, customer_id)


async def page(workspace: Workspace, wanted: ContractFilter, request: PageRequest) -> Page[Row]:
    """A customer's contracts by age. Raises NotFound for an unknown customer."""
    filters = {
        "customer_id": wanted.customer_id,
        "archived": wanted.include_archived,
        "covering": wanted.covering_date,
        "from": wanted.starting_at,
    }
    async with workspace.transaction() as connection:
        await customers.require(connection, wanted.customer_id)
        rows = await store.select_page(
            connection, filters=filters, after=request.after_row(2), fetch=request.fetch
        )
    return request.page_of(rows, age_key("contract_id"))


async def update_end_date(
    workspace: Workspace, contract_id: UUID, customer_id: UUID, ending_before: datetime | None
) -> None:
    """Move a contract's end; None opens it. Raises Invalid, NotFound."""
    async with workspace.transaction() as connection:
        row = await _locked(connection, contract_id, customer_id)
        changed = {**row, "ending_before": ending_before}
        require(contract_issues(store.contract_of(changed)))
        await store.update(connection, changed)
        await touches.customers(connection, [customer_id])


async def set_usage_filter(
    workspace: Workspace, contract_id: UUID, customer_id: UUID, usage_filter: UsageFilter
) -> None:
    """Let the contract take other usage from the filter's start on. Raises Invalid, NotFound."""
    async with workspace.transaction() as connection:
        row = await _locked(connection, contract_id, customer_id)
        terms = dict(row["terms"])
        terms["usage_filters"] = [
            *terms.get("usage_filters", []),
            store.filter_fields(usage_filter),
        ]
        require(contract_issues(store.contract_of({**row, "terms": terms})))
        await _require_group_key(connection, row["rate_card_id"], usage_filter)
        await store.update(connection, {**row, "terms": terms})
        await touches.customers(connection, [customer_id])


async def archive(workspace: Workspace, contract_id: UUID, customer_id: UUID) -> None:
    """Archive a contract for good: it is no longer rated. Raises NotFound."""
    async with workspace.transaction() as connection:
        await _locked(connection, contract_id, customer_id, archived_too=True)
        await store.archive(connection, contract_id, workspace.now)
        await touches.customers(connection, [customer_id])


async def _rate_card(connection: Connection, new: NewContract) -> UUID | None:
    if new.rate_card_id is not None and new.rate_card_alias is not None:
        raise Invalid("rate_card_alias", "must be left out beside rate_card_id")
    rate_card_id, named = new.rate_card_id, "rate_card_id"
    if new.rate_card_alias is not None:
        named = "rate_card_alias"
        rate_card_id = await rate_card_aliases.card_at(
            connection, new.rate_card_alias, new.starting_at
        )
        if rate_card_id is None:
            raise Invalid(named, f"{new.rate_card_alias!r} means no rate card at starting_at")
    if rate_card_id is None:
        return None
    cards = await rate_cards.select(connection, [rate_card_id])
    if not cards:
        raise NotFound("rate card", rate_card_id)
    if cards[0]["archived_at"] is not None:
        raise Invalid(named, "the rate card is archived")
    return rate_card_id


async def _require_group_key(
    connection: Connection, rate_card_id: UUID | None, usage_filter: UsageFilter
) -> None:
    """Raise Invalid where nothing the card sells is counted by the filter's property."""
    if rate_card_id is not None:
        counted = await products.metrics_sold(connection, rate_card_id)
        require(usage_filter_issues(usage_filter, counted))


async def _existing(connection: Connection, contract_id: UUID, customer_id: UUID) -> Row:
    row = await store.select(connection, contract_id, customer_id)
    if row is None:
        raise NotFound("contract", contract_id)
    return row


async def _locked(
    connection: Connection, contract_id: UUID, customer_id: UUID, *, archived_too: bool = False
) -> Row:
    row = await store.lock(connection, contract_id, customer_id)
    if row is None:
        raise NotFound("contract", contract_id)
    if row["archived_at"] is not None and not archived_too:
        raise Invalid("contract_id", "the contract is archived")
    return row
