"""GET /v1/pipeline/unmatched: what was accepted and became nothing."""

from __future__ import annotations

from datetime import date, datetime

from litestar import get

from meterline.api.requests import Limit, NextPage, Reply, page_request
from meterline.services.unmatched import unmatched
from meterline.services.workspace import Workspace


class UnmatchedEventType(Reply):
    """Events of a type that matched no metric; the days are UTC days of their timestamps."""

    event_type: str
    events: int
    first_day: date
    last_day: date


class UnmatchedIngestKey(Reply):
    """Events of a customer_id that is no customer's id or alias."""

    ingest_key: str
    events: int
    first_at: datetime
    last_at: datetime


class UnmatchedReply(Reply):
    """The counts are of everything, the lists a page: event types first, then ingest keys."""

    events_without_metric: int
    events_without_customer: int
    event_types: list[UnmatchedEventType]
    ingest_keys: list[UnmatchedIngestKey]
    next_page: str | None


@get("/v1/pipeline/unmatched")
async def get_unmatched(
    workspace: Workspace, limit: Limit = None, next_page: NextPage = None
) -> UnmatchedReply:
    """Events without a metric, and events without a customer."""
    found = await unmatched(workspace, page_request("unmatched", next_page, limit))
    return UnmatchedReply(
        events_without_metric=found.events_without_metric,
        events_without_customer=found.events_without_customer,
        event_types=[UnmatchedEventType(**row) for row in found.event_types],
        ingest_keys=[UnmatchedIngestKey(**row) for row in found.ingest_keys],
        next_page=found.next_page,
    )


routes = [get_unmatched]
