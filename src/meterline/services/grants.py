"""Commits and credits of customers: given, ended, edited, and corrected by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from meterline.core.decimals import decimal_issues
from meterline.core.edits import AccessEdit, GrantEdit, InvoiceEdit, SegmentEdit
from meterline.core.errors import Invalid, require
from meterline.core.ids import derived_id
from meterline.core.ledger.grant import Grant, GrantKind, GrantSegment
from meterline.core.ledger.posting import manual
from meterline.core.lifecycle import Change, edit_issues
from meterline.services import books, customers
from meterline.services.contract_edits import Edit, Named, edit
from meterline.services.contract_making import made_grant, surroundings
from meterline.services.contract_parts import NOTHING, NewPart, NewParts, PlannedGrant
from meterline.services.contract_writes import finish, hold
from meterline.services.custom_fields import claim
from meterline.services.errors import Conflict, NotFound
from meterline.services.grant_edits import account_of, checked_grant, merged, with_terms
from meterline.services.workspace import Workspace
from meterline.store import contracts as contract_store
from meterline.store import grants as store
from meterline.store.database import Connection, Row

COMMITS = (GrantKind.PREPAID, GrantKind.POSTPAID)
CREDITS = (GrantKind.CREDIT,)


@dataclass(frozen=True, slots=True)
class ManualEntry:
    """A correction by hand of what is left of a segment. `amount` below zero takes away.

    `at` None: the segment's start. `contract_id`: whose commit or credit it must be, where given.
    """

    customer_id: UUID
    grant_id: UUID
    segment_id: UUID
    amount: Decimal
    reason: str
    contract_id: UUID | None = None
    at: datetime | None = None
    uniqueness_key: str | None = None


@dataclass(frozen=True, slots=True)
class GrantChange:
    """An edit of a commit or credit as asked for. `described`: what its contract's history shows, if it is of
    one, as JSON."""

    customer_id: UUID
    kinds: Sequence[GrantKind]
    edit: GrantEdit
    shown: Mapping[str, Any] = field(default_factory=dict)
    product_ids: frozenset[UUID] = frozenset()
    described: bytes = b"{}"


async def create(
    workspace: Workspace, part: NewPart[PlannedGrant], uniqueness_key: str | None
) -> UUID:
    """Give a customer a commit or credit. Raises Invalid, NotFound; Conflict for a used uniqueness_key or value."""
    planned = part.value.grant
    parts = NewParts(grants=(part,))
    async with workspace.transaction() as connection:
        for entity, bearer_id, values in parts.bearers():
            await claim(connection, entity, bearer_id, values)
        customer = await customers.require(connection, planned.customer_id)
        if customer["archived_at"] is not None:
            raise Invalid("customer_id", "the customer is archived")
        await hold(workspace, connection, planned.customer_id)
        card_id = await _billed_card(connection, planned)
        around = await surroundings(connection, card_id, parts)
        grant = made_grant(part, None, around)
        extras = store.GrantExtras(workspace.actor, uniqueness_key, part.shown, part.custom_fields)
        if not await store.insert(connection, grant, extras):
            raise Conflict(f"uniqueness_key: {uniqueness_key!r} has been used already")
        await finish(workspace, connection, grant.customer_id)
    return grant.id


async def change(workspace: Workspace, wanted: GrantChange) -> None:
    """Edit a commit or credit, the customer's own or a contract's. Raises Invalid, NotFound.

    That of a contract is in the contract's history.
    """
    async with workspace.transaction() as connection:
        row = await _existing(connection, wanted.edit.id, wanted.customer_id, wanted.kinds)
    if row["contract_id"] is not None:
        await _change_of_contract(workspace, row["contract_id"], wanted)
        return
    async with workspace.transaction() as connection:
        await hold(workspace, connection, wanted.customer_id)
        row = await _existing(connection, wanted.edit.id, wanted.customer_id, wanted.kinds)
        before = store.grant_of(row)
        if before.archived_at is not None:
            raise Invalid(_id_field(wanted.kinds), "is archived")
        account = await account_of(workspace, connection, wanted.customer_id)
        after_ids = replace(before, **_links(wanted.edit))
        card_id = await _billed_card(connection, after_ids)
        around = await surroundings(connection, card_id, NOTHING, product_ids=wanted.product_ids)
        grant = checked_grant(before, wanted.edit, None, around, "")
        require(edit_issues(account, with_terms(account, None, [grant])))
        await store.update(connection, grant, shown=merged(row["shown"], wanted.shown))
        await finish(workspace, connection, wanted.customer_id)


async def update_end_date(
    workspace: Workspace,
    customer_id: UUID,
    grant_id: UUID,
    kinds: Sequence[GrantKind],
    *,
    access_ending_before: datetime | None,
    invoices_ending_before: datetime | None = None,
) -> None:
    """End what can be spent, or what is invoiced, earlier: later segments and items go, the last one is cut.

    Raises Invalid, NotFound.
    """
    async with workspace.transaction() as connection:
        grant = store.grant_of(await _existing(connection, grant_id, customer_id, kinds))
    wanted = GrantEdit(
        grant_id,
        access=None
        if access_ending_before is None
        else _shortened(grant.segments, access_ending_before),
        invoice=None
        if invoices_ending_before is None
        else _without_later_items(grant, invoices_ending_before),
    )
    await change(workspace, GrantChange(customer_id, kinds, wanted))


async def archive(
    workspace: Workspace, customer_id: UUID, grant_id: UUID, kinds: Sequence[GrantKind]
) -> None:
    """Archive a commit or credit for good: what is left of it expires. Raises Invalid, NotFound.

    That of a contract is in the contract's history.
    """
    field_name = _id_field(kinds)
    async with workspace.transaction() as connection:
        row = await _existing(connection, grant_id, customer_id, kinds)
    if row["contract_id"] is not None:
        named = [Named(field_name, grant_id)]
        verb = "archive_credits" if kinds == CREDITS else "archive_commits"
        shown = json.dumps({verb: [{"id": str(grant_id)}]}).encode()
        wanted = Edit(
            row["contract_id"],
            customer_id,
            lambda _: shown,
            archived_commits=[] if kinds == CREDITS else named,
            archived_credits=named if kinds == CREDITS else [],
        )
        await edit(workspace, wanted)
        return
    async with workspace.transaction() as connection:
        await hold(workspace, connection, customer_id)
        grant = store.grant_of(await _existing(connection, grant_id, customer_id, kinds))
        if grant.archived_at is not None:
            raise Invalid(field_name, "is archived")
        archived = replace(grant, archived_at=workspace.now)
        account = await account_of(workspace, connection, customer_id)
        for issue in edit_issues(account, with_terms(account, None, [archived])):
            raise Invalid(field_name, issue.message)
        await store.update(connection, archived)
        await finish(workspace, connection, customer_id)


async def add_manual_entry(workspace: Workspace, wanted: ManualEntry) -> None:
    """Correct what is left of a commit or credit by hand. Raises Invalid, NotFound; Conflict for a used key."""
    require(decimal_issues("amount", wanted.amount, negative=True))
    if not wanted.reason:
        raise Invalid("reason", "must not be empty")
    async with workspace.transaction() as connection:
        await hold(workspace, connection, wanted.customer_id)
        kinds = (*COMMITS, *CREDITS)
        row = await _existing(connection, wanted.grant_id, wanted.customer_id, kinds)
        grant = store.grant_of(row)
        segment = _adjusted_segment(grant, wanted, workspace.now)
        cause = (
            workspace.new_id()
            if wanted.uniqueness_key is None
            else derived_id("manual-entry", wanted.uniqueness_key)
        )
        at = segment.starting_at if wanted.at is None else wanted.at
        entry = manual(grant, segment.id, wanted.amount, reason=wanted.reason, at=at, cause=cause)
        account = await account_of(workspace, connection, wanted.customer_id)
        if any(one.id == entry.id for one in account.entries):
            raise Conflict(f"uniqueness_key: {wanted.uniqueness_key!r} has been used already")
        await books.write(connection, {wanted.customer_id: [Change(entries=(entry,))]})
        await finish(workspace, connection, wanted.customer_id)


def _adjusted_segment(grant: Grant, wanted: ManualEntry, now: datetime) -> GrantSegment:
    """The segment a manual entry is about. Raises Invalid."""
    if grant.archived_at is not None:
        raise Invalid("id", "is archived")
    if wanted.contract_id is not None and wanted.contract_id != grant.contract_id:
        raise Invalid("contract_id", "is not the contract the commit or credit is of")
    segment = next((one for one in grant.segments if one.id == wanted.segment_id), None)
    if segment is None:
        raise Invalid("segment_id", "names no segment of the commit or credit")
    if segment.starting_at > now:
        raise Invalid("segment_id", "has not begun: edit its amount instead")
    if wanted.at is not None:
        if not segment.starting_at <= wanted.at < segment.ending_before:
            raise Invalid("timestamp", "must lie in the segment")
        if wanted.at > now:
            raise Invalid("timestamp", "must not be in the future")
    return segment


async def _change_of_contract(workspace: Workspace, contract_id: UUID, wanted: GrantChange) -> None:
    of_customer = _links(wanted.edit)
    for name in of_customer:
        raise Invalid(name, "must be left out: the commit or credit is a contract's own")
    edits = [("", wanted.edit)]
    is_credit = wanted.kinds == CREDITS
    await edit(
        workspace,
        Edit(
            contract_id,
            wanted.customer_id,
            lambda _: wanted.described,
            commits=[] if is_credit else edits,
            credits=edits if is_credit else [],
            shown={wanted.edit.id: wanted.shown},
            product_ids=wanted.product_ids,
        ),
    )


def _links(wanted: GrantEdit) -> dict[str, Any]:
    """The changes of what ties a customer's own grant to contracts."""
    names = ("applicable_contract_ids", "invoice_contract_id")
    return {name: wanted.changes[name] for name in names if name in wanted.changes}


def _shortened(segments: Sequence[GrantSegment], end: datetime) -> AccessEdit:
    return AccessEdit(
        update=tuple(
            SegmentEdit(one.id, ending_before=end)
            for position, one in enumerate(segments)
            if one.starting_at < end and (one.ending_before > end or position == len(segments) - 1)
        ),
        remove=tuple(one.id for one in segments if one.starting_at >= end),
    )


def _without_later_items(grant: Grant, end: datetime) -> InvoiceEdit | None:
    if grant.invoice is None:
        raise Invalid("invoices_ending_before", "cannot be set: there is no invoice schedule")
    late = tuple(one.id for one in grant.invoice.items if one.timestamp >= end)
    return InvoiceEdit(remove=late)


def _id_field(kinds: Sequence[GrantKind]) -> str:
    return "credit_id" if tuple(kinds) == CREDITS else "commit_id"


async def _existing(
    connection: Connection, grant_id: UUID, customer_id: UUID, kinds: Sequence[GrantKind]
) -> Row:
    for row in await store.select(connection, [grant_id]):
        if row["customer_id"] == customer_id and row["kind"] in kinds:
            return row
    noun = "commit or credit" if len(kinds) > len(COMMITS) else _id_field(kinds)[:-3]
    raise NotFound(noun, grant_id)


async def _billed_card(connection: Connection, grant: Grant) -> UUID | None:
    """The rate card of the contract that a customer's own grant is invoiced on, or of the first it may pay for.

    Raises Invalid for contracts that are not the customer's.
    """
    card_id = None
    linked = [("invoice_contract_id", grant.invoice_contract_id)]
    linked += [
        (f"applicable_contract_ids[{position}]", one)
        for position, one in enumerate(grant.applicable_contract_ids or ())
    ]
    for place, contract_id in linked:
        if contract_id is None:
            continue
        row = await contract_store.select(connection, contract_id, grant.customer_id)
        if row is None:
            raise Invalid(place, "names no contract of the customer")
        if row["archived_at"] is not None:
            raise Invalid(place, "the contract is archived")
        card_id = card_id or row["rate_card_id"]
    return card_id
