"""/v1/events/search: what became of single events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec

from meterline.api.components import Components
from meterline.api.requests import Body, Reply
from meterline.api.v1.metrics import MetricDetail, metric_detail
from meterline.api.wire import post
from meterline.services import events
from meterline.services.events import FoundEvent
from meterline.services.workspace import Workspace

TRANSACTION_IDS_MAX = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TransactionId = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class SearchEvents(Body, rename={"transaction_ids": "transactionIds"}):
    transaction_ids: Annotated[list[TransactionId], msgspec.Meta(max_length=TRANSACTION_IDS_MAX)]


class MatchedCustomer(Reply):
    id: UUID
    name: str


class EventRow(Reply):
    id: UUID
    transaction_id: str
    customer_id: str
    event_type: str
    timestamp: datetime
    properties: dict[str, Any]
    is_duplicate: bool
    processed_at: datetime
    matched_billable_metrics: list[MetricDetail]
    matched_customer: MatchedCustomer | None = None


@post("/v1/events/search", scope="read")
async def search_events(
    workspace: Workspace, components: Components, data: SearchEvents
) -> list[EventRow]:
    """Every arrival of the events asked for, in the last 34 days."""
    found = await events.search(
        workspace, components.records, data.transaction_ids, components.clock()
    )
    return [_row(one) for one in found]


def _row(found: FoundEvent) -> EventRow:
    event = found.event
    return EventRow(
        id=found.id,
        transaction_id=event.transaction_id,
        customer_id=event.customer_id,
        event_type=event.event_type,
        timestamp=_EPOCH + timedelta(microseconds=event.timestamp),
        properties=event.properties,
        is_duplicate=found.is_duplicate,
        processed_at=found.processed_at,
        matched_customer=None
        if found.customer is None
        else MatchedCustomer(id=found.customer[0], name=found.customer[1]),
        matched_billable_metrics=[metric_detail(row) for row in found.metrics],
    )


routes = [search_events]
