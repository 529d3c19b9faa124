"""Contracts as they are looked at: their terms now, at the beginning, or as of a date, with commits and credits.

Every edit keeps what was before it, so an older state is read and never computed backwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from meterline.core.catalogue import Product
from meterline.core.contract import Contract
from meterline.core.errors import Invalid
from meterline.core.ledger.grant import Grant
from meterline.services import customers, grant_views, products
from meterline.services.errors import NotFound
from meterline.services.grant_views import GrantView, Wanted
from meterline.services.paging import Page, PageRequest, age_key
from meterline.services.workspace import Workspace
from meterline.store import codec, contract_edits, grant_pages
from meterline.store import contracts as store
from meterline.store.database import Connection, Row


@dataclass(frozen=True, slots=True)
class ContractFilter:
    """Which contracts of a customer a list shows; None does not restrict."""

    customer_id: UUID
    covering_date: datetime | None = None
    starting_at: datetime | None = None
    include_archived: bool = False


@dataclass(frozen=True, slots=True)
class ContractState:
    """A contract's terms at some time. `terms`: as stored, with what is only shown again."""

    contract: Contract
    terms: Mapping[str, Any]
    grants: tuple[GrantView, ...]

    def shown(self, part_id: UUID) -> Mapping[str, Any]:
        """What is only shown again of one part."""
        found: Mapping[str, Any] = self.terms.get("shown", {}).get(str(part_id), {})
        return found


@dataclass(frozen=True, slots=True)
class ContractView:
    """A contract to be shown. `initial`: as it was made, where asked for; `successor`: the contract that renews it."""

    row: Row
    state: ContractState
    products: Mapping[UUID, Product]
    initial: ContractState | None = None
    successor: UUID | None = None


async def get(
    workspace: Workspace,
    contract_id: UUID,
    customer_id: UUID,
    *,
    as_of: datetime | None = None,
    wanted: Wanted = grant_views.TERMS_ONLY,
    with_initial: bool = False,
) -> ContractView:
    """A customer's contract, archived or not. Raises NotFound; Invalid for a ledger as of a date."""
    if as_of is not None and wanted.reads_books:
        field = "include_ledgers" if wanted.ledgers else "include_balance"
        raise Invalid(field, "must be left out beside as_of_date")
    async with grant_views.reading(workspace, customer_id, wanted) as (connection, books):
        row = await existing(connection, contract_id, customer_id)
        initial = await _initial_states(connection, [row]) if with_initial else None
        (view,) = await _views(connection, [row], books, initial, as_of)
    return view


async def page(
    workspace: Workspace,
    wanted: ContractFilter,
    request: PageRequest,
    *,
    shown: Wanted = grant_views.TERMS_ONLY,
    with_initial: bool = False,
) -> Page[ContractView]:
    """A customer's contracts by age. Raises NotFound for an unknown customer."""
    filters = {
        "customer_id": wanted.customer_id,
        "archived": wanted.include_archived,
        "covering": wanted.covering_date,
        "from": wanted.starting_at,
    }
    async with grant_views.reading(workspace, wanted.customer_id, shown) as (connection, books):
        await customers.require(connection, wanted.customer_id)
        rows = await store.select_page(
            connection, filters=filters, after=request.after_row(2), fetch=request.fetch
        )
        listed = request.page_of(rows, age_key("contract_id"))
        initial = await _initial_states(connection, listed.rows) if with_initial else None
        views = await _views(connection, listed.rows, books, initial)
    return Page(views, listed.next_page)


async def existing(connection: Connection, contract_id: UUID, customer_id: UUID) -> Row:
    """The row of a customer's contract. Raises NotFound."""
    row = await store.select(connection, contract_id, customer_id)
    if row is None:
        raise NotFound("contract", contract_id)
    return row


def snapshot(row: Row, grants: Iterable[GrantView]) -> dict[str, Any]:
    """A contract's state as an edit keeps it, to be shown again as of a date before the edit."""
    return {
        "name": row["name"],
        "ending_before": None if row["ending_before"] is None else row["ending_before"].isoformat(),
        "terms": row["terms"],
        "grants": [
            {
                "grant": codec.to_json(one.grant),
                "shown": dict(one.shown),
                "custom_fields": dict(one.custom_fields),
            }
            for one in grants
        ],
    }


async def _initial_states(connection: Connection, rows: Sequence[Row]) -> dict[UUID, Any]:
    """What the first edit of each contract found; never edited: no entry."""
    return await contract_edits.first_states(connection, [row["contract_id"] for row in rows])


async def _views(
    connection: Connection,
    rows: Sequence[Row],
    books: grant_views.Books,
    initial: Mapping[UUID, Any] | None,
    as_of: datetime | None = None,
) -> list[ContractView]:
    """`initial`: from `_initial_states`; None: not to be shown."""
    if not rows:
        return []
    held = await _grants(connection, rows, books)
    successors = await store.select_successors(connection, rows[0]["customer_id"])
    views = []
    for row in rows:
        contract_id, made = row["contract_id"], row["created_at"]
        now = ContractState(store.contract_of(row), row["terms"], tuple(held[contract_id]))
        state, first = now, None
        if initial is not None:
            first = _restored(row, initial.get(contract_id), now, made)
        if as_of is not None:
            at = max(as_of, made)
            before = await contract_edits.state_at(connection, contract_id, at)
            state = _restored(row, before, now, at)
        views.append(ContractView(row, state, {}, first, successors.get(contract_id)))
    named = _product_ids(state for view in views for state in (view.state, view.initial) if state)
    sold = await products.load(connection, named)
    return [replace(view, products=sold) for view in views]


async def _grants(
    connection: Connection, rows: Sequence[Row], books: grant_views.Books
) -> Mapping[UUID, list[GrantView]]:
    """The commits and credits of contracts, in the order they were made and asked for."""
    held: dict[UUID, list[GrantView]] = defaultdict(list)
    ids = [row["contract_id"] for row in rows]
    for view in books.views(await grant_pages.of_contracts(connection, ids)):
        assert view.grant.contract_id is not None, "they are of contracts"
        held[view.grant.contract_id].append(view)
    for several in held.values():
        several.sort(key=lambda view: (view.grant.created_at, view.shown.get("position", 0)))
    return held


def _restored(
    row: Row, before: Mapping[str, Any] | None, now: ContractState, at: datetime
) -> ContractState:
    """The state at `at`: what the next edit after it found (`before`; None: there was none, so it is the present one).

    Without the grants that were made later, be it by steps.
    """
    present = [one for one in now.grants if one.grant.created_at <= at]
    if before is None:
        return replace(now, grants=tuple(present))
    old = {
        **row,
        "name": before["name"],
        "ending_before": store.instant_of(before["ending_before"]),
        "terms": before["terms"],
    }
    kept = {one["grant"]["id"]: one for one in before["grants"]}
    views = [
        replace(
            one,
            grant=codec.from_json(Grant, kept[str(one.grant.id)]["grant"]),
            shown=kept[str(one.grant.id)]["shown"],
            custom_fields=kept[str(one.grant.id)]["custom_fields"],
        )
        for one in present
        if str(one.grant.id) in kept
    ]
    return ContractState(store.contract_of(old), before["terms"], tuple(views))


def _product_ids(states: Iterable[ContractState]) -> set[UUID]:
    """The products that parts name."""
    found: set[UUID] = set()
    for state in states:
        contract = state.contract
        for parts in (
            contract.scheduled_charges,
            contract.recurring_grants,
            contract.subscriptions,
        ):
            found.update(part.product_id for part in parts)
        found.update(one.grant.product_id for one in state.grants)
        found.update(
            specifier.product_id
            for override in contract.overrides
            for specifier in override.specifiers
            if specifier.product_id is not None
        )
    return found
