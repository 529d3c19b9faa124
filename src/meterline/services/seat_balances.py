"""Balances of single seats: what INDIVIDUAL recurring commits and credits leave each of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from meterline.core.contract import Contract
from meterline.core.decimals import total
from meterline.core.errors import Invalid
from meterline.core.ledger.balances import granted
from meterline.core.ledger.grant import AccessType, Grant
from meterline.services import grant_views
from meterline.services.balances import Listing
from meterline.services.contract_views import existing
from meterline.services.grant_views import Books, GrantView, Wanted
from meterline.services.paging import Page, PageRequest
from meterline.services.workspace import Workspace
from meterline.store import contracts as contract_store
from meterline.store import grant_pages as store

GRANTS_MAX = 100
"""After so many commits and credits a page takes no further seat. Source: Metronome's seat balances."""


@dataclass(frozen=True, slots=True)
class SeatListing:
    """Which seats of a contract, and which of their commits and credits (`grants`), a list shows.

    `subscription_ids` and `seat_ids` None: all. `skip_missing`: seats without a balance are passed over.
    """

    contract_id: UUID
    grants: Listing
    subscription_ids: frozenset[UUID] | None = None
    seat_ids: tuple[str, ...] | None = None
    skip_missing: bool = False


@dataclass(frozen=True, slots=True)
class SeatBalance:
    """What a seat has left of one credit type; `granted`: what it began with."""

    credit_type_id: UUID
    access_type: AccessType
    balance: Decimal
    granted: Decimal


@dataclass(frozen=True, slots=True)
class SeatView:
    """A seat's balances, and the commits and credits they are sums of."""

    seat_id: str
    balances: tuple[SeatBalance, ...]
    grants: tuple[GrantView, ...]


@dataclass(frozen=True, slots=True)
class SeatPage:
    """Seats by id. `more`: how many follow."""

    page: Page[SeatView]
    more: int


async def page(
    workspace: Workspace,
    wanted: SeatListing,
    request: PageRequest,
    *,
    with_grants: bool = False,
    with_ledgers: bool = False,
) -> SeatPage:
    """The seats of a contract and what each has left. Raises NotFound; Invalid for a seat that has no balance."""
    customer_id = wanted.grants.grants.customer_id
    shown = Wanted(balance=True, ledgers=with_ledgers)
    async with grant_views.reading(workspace, customer_id, shown) as (connection, books):
        row = await existing(connection, wanted.contract_id, customer_id)
        rows = await store.of_contracts(connection, [wanted.contract_id])
    makers = _makers(contract_store.contract_of(row), wanted.subscription_ids)
    of_seats: dict[str, list[GrantView]] = defaultdict(list)
    for view in books.views(rows):
        grant = view.grant
        counts = grant.archived_at is None and grant.recurring_grant_id in makers
        if grant.seat_id is not None and counts and wanted.grants.shows(grant):
            of_seats[grant.seat_id].append(view)
    seat_ids = _seat_ids(of_seats, wanted)
    if request.after is not None:
        (after,) = request.after
        seat_ids = [seat_id for seat_id in seat_ids if seat_id > after]
    count = _room(seat_ids[: request.limit], of_seats) if with_grants else request.limit
    views = [_seat(seat_id, of_seats[seat_id], books) for seat_id in seat_ids[: count + 1]]
    cut = PageRequest(request.listing, count).page_of(views, lambda view: (view.seat_id,))
    return SeatPage(cut, len(seat_ids) - len(cut.rows))


def _makers(contract: Contract, subscription_ids: frozenset[UUID] | None) -> set[UUID]:
    """The recurring commits and credits of these subscriptions."""
    return {
        one.id
        for one in contract.recurring_grants
        if one.subscription_id is not None
        and (subscription_ids is None or one.subscription_id in subscription_ids)
    }


def _seat_ids(of_seats: Iterable[str], wanted: SeatListing) -> list[str]:
    known = set(of_seats)
    if wanted.seat_ids is None:
        return sorted(known)
    for position, seat_id in enumerate(wanted.seat_ids):
        if seat_id not in known and not wanted.skip_missing:
            raise Invalid(f"seat_ids[{position}]", "names no seat with commits or credits")
    return sorted(known & set(wanted.seat_ids))


def _room(seat_ids: Sequence[str], of_seats: dict[str, list[GrantView]]) -> int:
    """How many seats a page takes when it shows their commits and credits: at least one."""
    counted = 0
    for taken, seat_id in enumerate(seat_ids):
        if counted >= GRANTS_MAX:
            return taken
        counted += len(of_seats[seat_id])
    return max(1, len(seat_ids))


def _seat(seat_id: str, views: Sequence[GrantView], books: Books) -> SeatView:
    of_units: dict[tuple[UUID, AccessType], list[Grant]] = defaultdict(list)
    for view in views:
        of_units[view.grant.credit_type.id, view.grant.access_type].append(view.grant)
    return SeatView(
        seat_id,
        tuple(
            SeatBalance(
                credit_type_id,
                access_type,
                total(books.balance(grant) for grant in grants),
                total(_granted(grant, books.now) for grant in grants),
            )
            for (credit_type_id, access_type), grants in of_units.items()
        ),
        tuple(views),
    )


def _granted(grant: Grant, now: datetime) -> Decimal:
    return granted(grant, at=now)
