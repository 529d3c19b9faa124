"""/v1/contracts/getSubscription...History: what a subscription has had and cost over time."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from meterline.api.requests import Body, Instant, Reply, body_page_request, optional_instant
from meterline.api.wire import post
from meterline.core.decimals import plain
from meterline.services import subscriptions
from meterline.services.subscriptions import SeatSpan, SubscriptionKey
from meterline.services.workspace import Workspace

SEATS_LIMIT_MAX = 10


class GetQuantityHistory(Body):
    contract_id: UUID
    customer_id: UUID
    subscription_id: UUID


class QuantityRow(Reply):
    quantity: Decimal
    unit_price: Decimal
    total: Decimal


class QuantityStretchReply(Reply):
    starting_at: datetime
    data: list[QuantityRow]


class QuantityHistoryDetail(Reply):
    subscription_id: UUID
    history: list[QuantityStretchReply]
    fiat_credit_type_id: UUID | None = None
    custom_credit_type_id: UUID | None = None


class QuantityHistoryReply(Reply):
    data: QuantityHistoryDetail


class GetSeatsHistory(Body):
    contract_id: UUID
    customer_id: UUID
    subscription_id: UUID
    covering_date: Instant | None = None
    starting_at: Instant | None = None
    ending_before: Instant | None = None
    cursor: str | None = None
    limit: Decimal | None = None


class SeatsRow(Reply):
    assigned_seat_ids: list[str]
    total_quantity: int
    starting_at: datetime
    ending_before: datetime | None


class SeatsHistoryReply(Reply):
    data: list[SeatsRow]
    next_page: str | None


@post("/v1/contracts/getSubscriptionQuantityHistory", scope="read")
async def get_subscription_quantity_history(
    workspace: Workspace, data: GetQuantityHistory
) -> QuantityHistoryReply:
    """Quantity and price over time, up to now."""
    key = SubscriptionKey(data.customer_id, data.contract_id, data.subscription_id)
    found = await subscriptions.quantity_history(workspace, key)
    fiat, custom = found.fiat_credit_type, found.custom_credit_type
    return QuantityHistoryReply(
        data=QuantityHistoryDetail(
            subscription_id=data.subscription_id,
            history=[
                QuantityStretchReply(
                    starting_at=stretch.starting_at,
                    data=[
                        QuantityRow(
                            quantity=plain(piece.quantity),
                            unit_price=plain(piece.unit_price),
                            total=plain(piece.amount),
                        )
                        for piece in stretch.pieces
                    ],
                )
                for stretch in found.stretches
            ],
            fiat_credit_type_id=fiat.id if fiat else None,
            custom_credit_type_id=custom.id if custom else None,
        )
    )


@post("/v1/contracts/getSubscriptionSeatsHistory", scope="read")
async def get_subscription_seats_history(
    workspace: Workspace, data: GetSeatsHistory
) -> SeatsHistoryReply:
    """The seats over time, past and planned."""
    key = SubscriptionKey(data.customer_id, data.contract_id, data.subscription_id)
    span = SeatSpan(
        optional_instant("covering_date", data.covering_date),
        optional_instant("starting_at", data.starting_at),
        optional_instant("ending_before", data.ending_before),
    )
    request = body_page_request(
        "subscription-seats",
        data.cursor,
        data.limit,
        key,
        span,
        limit_max=SEATS_LIMIT_MAX,
        cursor_field="cursor",
    )
    page = await subscriptions.seats_page(workspace, key, span, request)
    return SeatsHistoryReply(
        data=[
            SeatsRow(
                assigned_seat_ids=list(stretch.seats.ids),
                total_quantity=stretch.seats.total,
                starting_at=stretch.starting_at,
                ending_before=stretch.ending_before,
            )
            for stretch in page.rows
        ],
        next_page=page.next_page,
    )


routes = [get_subscription_quantity_history, get_subscription_seats_history]
