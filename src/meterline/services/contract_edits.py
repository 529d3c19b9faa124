"""Edits of contracts, and their history.

An edit is checked as a whole and takes effect as a whole. Drafts follow it at once, for they are computed from terms;
what is billed already stays, and an edit that would change it is refused (`lifecycle.edit_issues`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from meterline.core.catalogue import Product
from meterline.core.charges import extension_issues, fixed_ends, quantity_issues, seat_issues
from meterline.core.contract import Contract, UsageFilter, contract_issues
from meterline.core.contract.subscription import Subscription
from meterline.core.edits import (
    ChargeEdit,
    GrantEdit,
    RecurringEdit,
    SubscriptionEdit,
    edited_charge,
    edited_recurring,
    edited_subscription,
    named,
    replaced,
)
from meterline.core.errors import Invalid, Issue, require
from meterline.core.invoice import InvoiceStatus
from meterline.core.ledger.grant import Grant, GrantKind
from meterline.core.ledger.rules import recurring_issues
from meterline.core.lifecycle import Account, edit_issues
from meterline.core.period import is_hour
from meterline.services.contract_making import (
    Surroundings,
    made_grant,
    surroundings,
    with_parts,
)
from meterline.services.contract_parts import NOTHING, NewParts
from meterline.services.contract_views import existing, snapshot
from meterline.services.contract_writes import (
    add_grants,
    finish,
    hold,
    locked,
    require_group_key,
)
from meterline.services.custom_fields import claim
from meterline.services.errors import Conflict
from meterline.services.grant_edits import account_of, checked_grant, merged, with_terms
from meterline.services.grant_views import TERMS_ONLY, Books, GrantView
from meterline.services.workspace import Workspace
from meterline.store import contract_edits as store
from meterline.store import contracts as contract_store
from meterline.store import grant_pages
from meterline.store import grants as grant_store
from meterline.store.database import Connection, Row


@dataclass(frozen=True, slots=True)
class Named:
    """A part an edit archives or removes, and where the edit names it."""

    place: str
    id: UUID


@dataclass(frozen=True, slots=True)
class Edited:
    """What came of an edit, for whoever shows it: the contract after it, and which of its parts are new."""

    contract: Contract
    shown: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    added: frozenset[UUID] = frozenset()
    added_grants: Sequence[GrantView] = ()
    products: Mapping[UUID, Product] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit as asked for; what it does not name stays as it is.

    Edits of parts come with where they were sent ("update_commits[0]."). `fields`: new values of `ending_before`,
    `name` and `net_payment_terms_days`. `shown`: new values of what is only shown, by part. `describe` makes what the
    history shows, a JSON object.
    """

    contract_id: UUID
    customer_id: UUID
    describe: Callable[[Edited], bytes]
    add: NewParts = NOTHING
    commits: Sequence[tuple[str, GrantEdit]] = ()
    credits: Sequence[tuple[str, GrantEdit]] = ()
    recurring: Sequence[tuple[str, GrantKind, RecurringEdit]] = ()
    charges: Sequence[tuple[str, ChargeEdit]] = ()
    subscriptions: Sequence[tuple[str, SubscriptionEdit]] = ()
    archived_commits: Sequence[Named] = ()
    archived_credits: Sequence[Named] = ()
    archived_charges: Sequence[Named] = ()
    removed_overrides: Sequence[Named] = ()
    usage_filter: UsageFilter | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    shown: Mapping[UUID, Mapping[str, Any]] = field(default_factory=dict)
    product_ids: frozenset[UUID] = frozenset()
    may_end_before_finalized: bool = False
    uniqueness_key: str | None = None
    end_field: str = "update_contract_end_date"


@dataclass(frozen=True, slots=True)
class PastEdit:
    """An edit as its history shows it."""

    id: UUID
    at: datetime
    uniqueness_key: str | None
    shown: bytes


async def edit(workspace: Workspace, wanted: Edit) -> PastEdit:
    """Change a contract as asked for, wholly or not at all. Raises Invalid, NotFound, Conflict."""
    async with workspace.transaction() as connection:
        for entity, bearer_id, values in wanted.add.bearers():
            await claim(connection, entity, bearer_id, values)
        await hold(workspace, connection, wanted.customer_id)
        row = await locked(connection, wanted.contract_id, wanted.customer_id)
        if wanted.usage_filter is not None:
            await require_group_key(connection, row["rate_card_id"], wanted.usage_filter)
        account = await account_of(workspace, connection, wanted.customer_id)
        held = await grant_pages.of_contracts(connection, [wanted.contract_id])
        views = Books(workspace.now, TERMS_ONLY).views(held)
        around = await surroundings(
            connection,
            row["rate_card_id"],
            wanted.add,
            grant_ids=[one.id for one in account.grants],
            product_ids=wanted.product_ids,
        )
        contract = _edited_contract(row, wanted, around, workspace.now, _billed(account))
        changed = _edited_grants(views, wanted, contract, around, workspace.now)
        added = [made_grant(part, contract, around) for part in wanted.add.grants]
        after = with_terms(account, contract, [*changed, *added])
        may_end = wanted.may_end_before_finalized
        found = edit_issues(account, after, may_end_before_finalized=may_end)
        require(_renamed(found, wanted.end_field))
        written = _row_after(row, contract, wanted)
        await contract_store.update(connection, written)
        kept = {view.grant.id: view for view in views}
        for grant in changed:
            shown = merged(kept[grant.id].shown, wanted.shown.get(grant.id, {}))
            await grant_store.update(connection, grant, shown=shown)
        await add_grants(workspace, connection, zip(wanted.add.grants, added, strict=True))
        outcome = Edited(
            contract,
            written["terms"].get("shown", {}),
            wanted.add.ids(),
            [
                GrantView(grant, shown=part.shown, custom_fields=part.custom_fields)
                for part, grant in zip(wanted.add.grants, added, strict=True)
            ],
            around.products,
        )
        past = await _keep(workspace, connection, wanted, outcome, snapshot(row, views))
        await finish(workspace, connection, wanted.customer_id)
    return past


async def history(workspace: Workspace, contract_id: UUID, customer_id: UUID) -> list[PastEdit]:
    """The edits of a contract, oldest first. Raises NotFound."""
    async with workspace.transaction() as connection:
        await existing(connection, contract_id, customer_id)
        rows = await store.select(connection, contract_id)
    return [
        PastEdit(row["edit_id"], row["edited_at"], row["uniqueness_key"], row["shown"].encode())
        for row in rows
    ]


def _billed(account: Account) -> frozenset[UUID]:
    """The charges and schedule items on the account's final invoices."""
    return frozenset(
        line.source_id
        for invoice in account.invoices
        if invoice.status is InvoiceStatus.FINALIZED
        for line in invoice.line_items
        if line.source_id is not None
    )


def _edited_contract(
    row: Row, wanted: Edit, around: Surroundings, now: datetime, billed: Collection[UUID]
) -> Contract:
    contract = contract_store.contract_of(row)
    end = wanted.fields.get("ending_before", contract.ending_before)
    contract = replace(contract, subscriptions=fixed_ends(contract, end, billed), **wanted.fields)
    if wanted.usage_filter is not None:
        contract = replace(contract, usage_filters=(*contract.usage_filters, wanted.usage_filter))
    require(_renamed(contract_issues(contract), wanted.end_field))
    for place, kind, recurring in wanted.recurring:
        contract = _edited_recurring(contract, kind, recurring, place)
    for place, charge in wanted.charges:
        at = f"{place}scheduled_charge_id"
        old = named(_charges(contract), charge.id, at, "scheduled charge")
        made = edited_charge(old, charge, place)
        contract = replace(contract, scheduled_charges=replaced(contract.scheduled_charges, made))
    for place, subscription in wanted.subscriptions:
        contract = _edited_subscription(contract, subscription, place, billed)
    return with_parts(_without(contract, wanted, now), wanted.add, around)


def _edited_recurring(
    contract: Contract, kind: GrantKind, wanted: RecurringEdit, place: str
) -> Contract:
    noun = "credit" if kind is GrantKind.CREDIT else "commit"
    of_kind = [one for one in contract.recurring_grants if one.kind is kind]
    old = named(of_kind, wanted.id, f"{place}recurring_{noun}_id", f"recurring {noun}")
    made = edited_recurring(old, wanted, place)
    changed = replace(contract, recurring_grants=replaced(contract.recurring_grants, made))
    before = recurring_issues(old, contract)
    require(
        Issue(f"{place}{issue.field}", issue.message)
        for issue in recurring_issues(made, changed)
        if issue not in before
    )
    return changed


def _edited_subscription(
    contract: Contract, wanted: SubscriptionEdit, place: str, billed: Collection[UUID]
) -> Contract:
    at = f"{place}subscription_id"
    old = named(contract.subscriptions, wanted.id, at, "subscription")
    made = edited_subscription(old, wanted, place)
    issues = []
    if "ending_before" in wanted.changes:
        issues += _end_issues(made, contract)
        issues += extension_issues(old, contract, made.ending_before, billed)
    issues += quantity_issues(made, contract, wanted.quantities)
    if wanted.seats:
        issues += seat_issues(made, contract, wanted.seats)
    require(Issue(f"{place}{issue.field}", issue.message) for issue in issues)
    return replace(contract, subscriptions=replaced(contract.subscriptions, made))


def _end_issues(subscription: Subscription, contract: Contract) -> list[Issue]:
    end = subscription.ending_before
    if end is None:
        return []
    issues = []
    if not is_hour(end):
        issues.append(Issue("ending_before", "must be on an hour boundary, in UTC"))
    if end <= subscription.starting_at:
        issues.append(Issue("ending_before", "must be after starting_at"))
    if contract.ending_before is not None and end > contract.ending_before:
        issues.append(Issue("ending_before", "must not be after the contract ends"))
    return issues


def _without(contract: Contract, wanted: Edit, now: datetime) -> Contract:
    """The contract without the overrides that are removed, and with the charges archived that are to be."""
    for one in wanted.removed_overrides:
        named(contract.overrides, one.id, one.place, "override")
    for one in wanted.archived_charges:
        charge = named(_charges(contract), one.id, one.place, "scheduled charge")
        if charge.archived_at is not None:
            raise Invalid(one.place, "is archived")
    removed = {one.id for one in wanted.removed_overrides}
    archived = {one.id for one in wanted.archived_charges}
    return replace(
        contract,
        overrides=tuple(one for one in contract.overrides if one.id not in removed),
        scheduled_charges=tuple(
            replace(one, archived_at=now) if one.id in archived else one
            for one in contract.scheduled_charges
        ),
    )


def _charges(contract: Contract) -> list[Any]:
    return [one for one in contract.scheduled_charges if not one.is_discount]


def _edited_grants(
    views: Sequence[GrantView],
    wanted: Edit,
    contract: Contract,
    around: Surroundings,
    now: datetime,
) -> list[Grant]:
    """The commits and credits the edit changes, as they are after it."""
    present = {view.grant.id: view.grant for view in views}
    changed: dict[UUID, Grant] = {}
    kinds = (
        ("commit", wanted.commits, wanted.archived_commits),
        ("credit", wanted.credits, wanted.archived_credits),
    )
    for noun, edits, archived in kinds:
        of_kind = [
            one for one in present.values() if (one.kind is GrantKind.CREDIT) == (noun == "credit")
        ]
        for place, one in edits:
            named(of_kind, one.id, f"{place}{noun}_id", noun)
            grant = changed.get(one.id, present[one.id])
            if grant.archived_at is not None:
                raise Invalid(f"{place}{noun}_id", "is archived")
            changed[one.id] = checked_grant(grant, one, contract, around, place)
        for each in archived:
            named(of_kind, each.id, each.place, noun)
            grant = changed.get(each.id, present[each.id])
            if grant.archived_at is not None:
                raise Invalid(each.place, "is archived")
            changed[each.id] = replace(grant, archived_at=now)
    return list(changed.values())


def _row_after(row: Row, contract: Contract, wanted: Edit) -> Row:
    """The contract's row with the terms after the edit."""
    terms = {
        name: value
        for name, value in row["terms"].items()
        if name not in (*contract_store.PARTS, "transition")
    }
    terms |= contract_store.part_fields(contract)
    terms["usage_filters"] = [contract_store.filter_fields(one) for one in contract.usage_filters]
    if contract.net_payment_terms_days is None:
        terms.pop("net_payment_terms_days", None)
    else:
        terms["net_payment_terms_days"] = contract.net_payment_terms_days
    shown = {**terms.get("shown", {}), **wanted.add.shown()}
    grants = {identity for _, one in (*wanted.commits, *wanted.credits) for identity in [one.id]}
    for identity, fields in wanted.shown.items():
        if identity not in grants:
            shown[str(identity)] = merged(shown.get(str(identity), {}), fields)
    if shown:
        terms["shown"] = shown
    return {
        **row,
        "name": contract.name,
        "ending_before": contract.ending_before,
        "terms": terms,
    }


def _renamed(issues: Sequence[Issue], end_field: str) -> list[Issue]:
    """Issues of the contract itself, with its end as the caller named it."""
    return [
        issue._replace(field=end_field) if issue.field == "ending_before" else issue
        for issue in issues
    ]


async def _keep(
    workspace: Workspace,
    connection: Connection,
    wanted: Edit,
    outcome: Edited,
    before: Mapping[str, Any],
) -> PastEdit:
    """Add the edit to the contract's history."""
    past = store.ContractEdit(
        id=workspace.new_id(),
        contract_id=wanted.contract_id,
        customer_id=wanted.customer_id,
        at=workspace.now,
        actor=workspace.actor,
        shown=wanted.describe(outcome),
        before=before,
        uniqueness_key=wanted.uniqueness_key,
    )
    if not await store.insert(connection, past):
        raise Conflict(f"uniqueness_key: {wanted.uniqueness_key!r} has been used already")
    return PastEdit(past.id, past.at, past.uniqueness_key, past.shown)
