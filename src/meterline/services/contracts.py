"""Contracts: made, ended, filtered and archived. What they hold is checked in `contract_making`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from meterline.core.contract import Contract, Transition, UsageFilter, contract_issues
from meterline.core.contract.override import Prioritization
from meterline.core.errors import Invalid, require
from meterline.core.invoice import InvoiceStatus
from meterline.core.ledger.grant import Grant
from meterline.core.lifecycle import Account, Change, applied, edit_issues, void
from meterline.core.period import Frequency, StatementDay, StatementSchedule, is_hour
from meterline.services import books, customers
from meterline.services.contract_edits import Edit, edit
from meterline.services.contract_making import made_grant, surroundings, with_parts
from meterline.services.contract_parts import NOTHING, NewParts
from meterline.services.contract_views import existing
from meterline.services.contract_writes import (
    add_grants,
    finish,
    hold,
    locked,
    require_group_key,
)
from meterline.services.custom_fields import Entity, claim
from meterline.services.errors import Conflict, NotFound
from meterline.services.grant_edits import account_of, with_terms
from meterline.services.workspace import Workspace
from meterline.store import contracts as store
from meterline.store import grants as grant_store
from meterline.store import rate_card_aliases, rate_cards
from meterline.store.database import Connection, Row


@dataclass(frozen=True, slots=True)
class StatementTerms:
    """The usage statement schedule as asked for. `invoices_from`: no usage invoice before it (migration)."""

    frequency: Frequency = Frequency.MONTHLY
    day: StatementDay = StatementDay.FIRST_OF_MONTH
    billing_anchor_date: datetime | None = None
    invoices_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewContract:
    """A contract as asked for. `shown`: terms that are only kept and shown again. `contract_id`: made by whoever
    made the parts' ids, else here.
    """

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
    contract_id: UUID | None = None
    parts: NewParts = NOTHING
    transition: Transition | None = None


async def create(workspace: Workspace, new: NewContract) -> Row:
    """Add a contract. Raises Invalid, NotFound, Conflict for a used uniqueness_key or value."""
    contract_id = new.contract_id or workspace.new_id()
    async with workspace.transaction() as connection:
        await _claim(connection, contract_id, new)
        customer = await customers.require(connection, new.customer_id)
        if customer["archived_at"] is not None:
            raise Invalid("customer_id", "the customer is archived")
        await hold(workspace, connection, new.customer_id)
        contract = _contract(contract_id, new, await _rate_card(connection, new), workspace.now)
        require(contract_issues(contract))
        if new.usage_filter is not None:
            await require_group_key(connection, contract.rate_card_id, new.usage_filter)
        held = await grant_store.of_customers(connection, [new.customer_id])
        own = [grant.id for grant in held.get(new.customer_id, ())]
        around = await surroundings(connection, contract.rate_card_id, new.parts, grant_ids=own)
        contract = with_parts(contract, new.parts, around)
        grants = [made_grant(part, contract, around) for part in new.parts.grants]
        if contract.transition is not None:
            await _renew(workspace, connection, contract, contract.transition)
        await _insert(workspace, connection, new, contract)
        await add_grants(workspace, connection, zip(new.parts.grants, grants, strict=True))
        await finish(workspace, connection, new.customer_id)
        row = await store.select(connection, contract_id, new.customer_id)
    assert row is not None
    return row


async def get(workspace: Workspace, contract_id: UUID, customer_id: UUID) -> Row:
    """The row of a customer's contract, archived or not. Raises NotFound."""
    async with workspace.transaction() as connection:
        return await existing(connection, contract_id, customer_id)


async def update_end_date(
    workspace: Workspace,
    contract_id: UUID,
    customer_id: UUID,
    ending_before: datetime | None,
    *,
    may_end_before_finalized: bool = False,
) -> None:
    """Move a contract's end; None opens it. An edit like others. Raises Invalid, NotFound."""
    wanted = Edit(
        contract_id,
        customer_id,
        lambda _: _end_json(ending_before),
        fields={"ending_before": ending_before},
        end_field="ending_before",
        may_end_before_finalized=may_end_before_finalized,
    )
    await edit(workspace, wanted)


async def set_usage_filter(
    workspace: Workspace, contract_id: UUID, customer_id: UUID, usage_filter: UsageFilter
) -> None:
    """Let the contract take other usage from the filter's start on. An edit like others. Raises Invalid, NotFound."""
    wanted = Edit(
        contract_id,
        customer_id,
        lambda _: json.dumps({"add_usage_filters": [store.filter_fields(usage_filter)]}).encode(),
        usage_filter=usage_filter,
    )
    await edit(workspace, wanted)


async def archive(
    workspace: Workspace, contract_id: UUID, customer_id: UUID, *, void_invoices: bool = False
) -> None:
    """Archive a contract for good: it bills no more, and its commits and credits go with it. Raises NotFound.

    `void_invoices`: its FINALIZED invoices are voided too. What is left of prepaid commits and credits expires.
    """
    async with workspace.transaction() as connection:
        await hold(workspace, connection, customer_id)
        row = await locked(connection, contract_id, customer_id, archived_too=True)
        if row["archived_at"] is not None:
            return
        account = await account_of(workspace, connection, customer_id)
        changes, grants = _closing(account, contract_id, workspace.now, void_invoices=void_invoices)
        await books.write(connection, {customer_id: changes})
        for grant in grants:
            await grant_store.update(connection, grant)
        await store.archive(connection, contract_id, workspace.now)
        await finish(workspace, connection, customer_id)


def _end_json(ending_before: datetime | None) -> bytes:
    """A new end as the history shows it; there is no way to show that a contract was opened."""
    shown = {} if ending_before is None else {"update_contract_end_date": ending_before.isoformat()}
    return json.dumps(shown).encode()


def _closing(
    account: Account, contract_id: UUID, now: datetime, *, void_invoices: bool
) -> tuple[list[Change], list[Grant]]:
    """What archiving a contract adds to the books, and its grants archived."""
    changes = []
    for invoice in account.invoices:
        final = invoice.status is InvoiceStatus.FINALIZED and invoice.contract_id == contract_id
        if final and void_invoices:
            changes.append(void(account, invoice.id, now))
            account = applied(account, changes[-1])
    grants = [
        replace(grant, archived_at=now)
        for grant in account.grants
        if grant.contract_id == contract_id and grant.archived_at is None
    ]
    return changes, grants


async def _claim(connection: Connection, contract_id: UUID, new: NewContract) -> None:
    await claim(connection, Entity.CONTRACT, contract_id, new.custom_fields)
    for entity, bearer_id, values in new.parts.bearers():
        await claim(connection, entity, bearer_id, values)


def _contract(
    contract_id: UUID, new: NewContract, rate_card_id: UUID | None, now: datetime
) -> Contract:
    statement = new.statement
    if statement.invoices_from is not None and not is_hour(statement.invoices_from):
        raise Invalid(
            "usage_statement_schedule.invoice_generation_starting_at",
            "must be on an hour boundary, in UTC",
        )
    schedule = StatementSchedule.of(
        statement.frequency,
        statement.day,
        contract_start=new.starting_at,
        billing_anchor_date=statement.billing_anchor_date,
    )
    prioritization = new.shown.get("multiplier_override_prioritization")
    return Contract(
        id=contract_id,
        customer_id=new.customer_id,
        rate_card_id=rate_card_id,
        starting_at=new.starting_at,
        ending_before=new.ending_before,
        schedule=schedule,
        usage_filters=() if new.usage_filter is None else (new.usage_filter,),
        name=new.name,
        created_at=now,
        prioritization=Prioritization(prioritization or Prioritization.LOWEST_MULTIPLIER),
        invoices_from=statement.invoices_from,
        transition=new.transition,
    )


async def _insert(
    workspace: Workspace, connection: Connection, new: NewContract, contract: Contract
) -> None:
    shown = new.parts.shown()
    values = {
        "contract_id": contract.id,
        "customer_id": contract.customer_id,
        "name": contract.name,
        "rate_card_id": contract.rate_card_id,
        "starting_at": contract.starting_at,
        "ending_before": contract.ending_before,
        "uniqueness_key": new.uniqueness_key,
        "terms": {
            **new.shown,
            "usage_statement_schedule": store.schedule_fields(
                contract.schedule, contract.invoices_from
            ),
            "usage_filters": [store.filter_fields(one) for one in contract.usage_filters],
            **store.part_fields(contract),
            **({"shown": shown} if shown else {}),
        },
        "custom_fields": new.custom_fields,
        "now": workspace.now,
        "actor": workspace.actor,
    }
    if not await store.insert(connection, values):
        raise Conflict(f"uniqueness_key: {new.uniqueness_key!r} has been used already")


async def _renew(
    workspace: Workspace, connection: Connection, contract: Contract, transition: Transition
) -> None:
    """End the contract that `contract` takes over from where this one starts."""
    field_name = "transition.from_contract_id"
    row = await store.lock(connection, transition.from_contract_id, contract.customer_id)
    if row is None:
        raise Invalid(field_name, "names no contract of the customer")
    if row["archived_at"] is not None:
        raise Invalid(field_name, "the contract is archived")
    if transition.from_contract_id in await store.select_successors(
        connection, contract.customer_id
    ):
        raise Invalid(field_name, "the contract has been renewed already")
    older = store.contract_of(row)
    if contract.starting_at <= older.starting_at:
        raise Invalid("starting_at", "must be after the start of the contract it renews")
    if older.ending_before is not None and older.ending_before < contract.starting_at:
        raise Invalid("starting_at", "must not be after the end of the contract it renews")
    ended = replace(older, ending_before=contract.starting_at)
    account = await account_of(workspace, connection, contract.customer_id)
    for issue in edit_issues(account, with_terms(account, ended, ())):
        raise Invalid("starting_at", issue.message)
    await store.update(connection, {**row, "ending_before": ended.ending_before})


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
