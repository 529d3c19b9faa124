"""/v1/contracts/seatBalances: what each seat of a contract has left."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from litestar.types import ControllerRouterHandler

from meterline.api.contract_shapes_grants import LedgerEntryReply, ledger_entry_reply
from meterline.api.requests import Body, Instant, Reply, body_page_request, optional_instant
from meterline.api.wire import post
from meterline.core.decimals import plain
from meterline.core.errors import Invalid
from meterline.core.ledger.grant import GrantKind
from meterline.services import seat_balances
from meterline.services.balances import GrantFilter, Listing
from meterline.services.grant_views import GrantView
from meterline.services.workspace import Workspace

LIMIT, LIMIT_MAX = Decimal(25), 100


class ListSeatBalances(Body):
    customer_id: UUID
    contract_id: UUID
    covering_date: Instant | None = None
    starting_at: Instant | None = None
    effective_before: Instant | None = None
    seat_ids: list[str] | None = None
    subscription_ids: list[UUID] | None = None
    skip_missing_seat_ids: bool = False
    include_credits_and_commits: bool = False
    include_ledgers: bool = False
    cursor: str | None = None
    limit: Decimal | None = None


class SeatBalanceReply(Reply):
    balance: Decimal
    starting_balance: Decimal
    credit_type_id: UUID
    access_type: str


class SeatGrantReply(Reply):
    id: UUID
    balance: Decimal
    start_date: datetime
    end_date: datetime
    access_type: str
    credit_type_id: UUID
    ledger_entries: list[LedgerEntryReply] | None = None


class SeatReply(Reply):
    seat_id: str
    balances: list[SeatBalanceReply]
    commits: list[SeatGrantReply] | None = None
    credits: list[SeatGrantReply] | None = None


class SeatPagination(Reply, kw_only=True, omit_defaults=False):
    seats_included: int
    seats_available_for_next_page: int
    next_page: str | None


class SeatBalancesReply(Reply):
    data: list[SeatReply]
    pagination: SeatPagination


@post("/v1/contracts/seatBalances/list", scope="read")
async def list_seat_balances(workspace: Workspace, data: ListSeatBalances) -> SeatBalancesReply:
    """What each seat of a contract has left of its own commits and credits."""
    covering = optional_instant("covering_date", data.covering_date)
    starting_at = optional_instant("starting_at", data.starting_at)
    before = optional_instant("effective_before", data.effective_before)
    if covering is not None and (starting_at or before):
        raise Invalid("covering_date", "must be left out beside starting_at and effective_before")
    wanted = seat_balances.SeatListing(
        data.contract_id,
        Listing(
            GrantFilter(data.customer_id, of_contracts=True),
            covering=covering,
            starting_at=starting_at,
            effective_before=before,
        ),
        None if data.subscription_ids is None else frozenset(data.subscription_ids),
        None if data.seat_ids is None else tuple(data.seat_ids),
        data.skip_missing_seat_ids,
    )
    request = body_page_request(
        "seat-balances",
        data.cursor,
        LIMIT if data.limit is None else data.limit,
        wanted,
        limit_max=LIMIT_MAX,
        cursor_field="cursor",
    )
    with_grants = data.include_credits_and_commits
    found = await seat_balances.page(
        workspace,
        wanted,
        request,
        with_grants=with_grants,
        with_ledgers=with_grants and data.include_ledgers,
    )
    return SeatBalancesReply(
        data=[_seat(view, with_grants=with_grants) for view in found.page.rows],
        pagination=SeatPagination(
            seats_included=len(found.page.rows),
            seats_available_for_next_page=found.more,
            next_page=found.page.next_page,
        ),
    )


def _seat(view: seat_balances.SeatView, *, with_grants: bool) -> SeatReply:
    credit = GrantKind.CREDIT
    grants = [(one.grant.kind, _grant(one)) for one in view.grants]
    return SeatReply(
        seat_id=view.seat_id,
        balances=[
            SeatBalanceReply(
                balance=plain(one.balance),
                starting_balance=plain(one.granted),
                credit_type_id=one.credit_type_id,
                access_type=one.access_type,
            )
            for one in view.balances
        ],
        commits=[one for kind, one in grants if kind is not credit] if with_grants else None,
        credits=[one for kind, one in grants if kind is credit] if with_grants else None,
    )


def _grant(view: GrantView) -> SeatGrantReply:
    grant = view.grant
    assert view.balance is not None, "it was asked for"
    return SeatGrantReply(
        id=grant.id,
        balance=plain(view.balance),
        start_date=min(one.starting_at for one in grant.segments),
        end_date=max(one.ending_before for one in grant.segments),
        access_type=grant.access_type,
        credit_type_id=grant.credit_type.id,
        ledger_entries=None
        if view.ledger is None
        else [ledger_entry_reply(grant.kind, one) for one in view.ledger],
    )


routes: list[ControllerRouterHandler] = [list_seat_balances]
