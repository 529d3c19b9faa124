"""What came in and became nothing: event types without a metric, ingest keys without a customer.

Both are lists by name that one cursor pages through: first all event types, then all keys.
"""

from __future__ import annotations

from dataclasses import dataclass

from meterline.services.paging import Key, Page, PageRequest
from meterline.services.workspace import Workspace
from meterline.store import unmatched as store
from meterline.store.database import Row

_EVENT_TYPE, _INGEST_KEY = "event_type", "ingest_key"


@dataclass(frozen=True, slots=True)
class Unmatched:
    """Counts of everything unmatched, and a page of where it came from."""

    events_without_metric: int
    events_without_customer: int
    event_types: list[Row]
    ingest_keys: list[Row]
    next_page: str | None


async def unmatched(workspace: Workspace, request: PageRequest) -> Unmatched:
    """Return the counts and a page: at most `request.limit` event types and ingest keys together."""
    kind, name = request.after_row(2)
    environment_id = workspace.environment_id
    async with workspace.transaction() as connection:
        no_metric, no_customer = await store.totals(connection, environment_id)
        rows: list[Row] = []
        if kind in (None, _EVENT_TYPE):
            rows += await store.event_types(
                connection, environment_id, after=name, fetch=request.fetch
            )
            name = None
        if len(rows) < request.fetch:
            rows += await store.ingest_keys(
                connection, environment_id, after=name, fetch=request.fetch - len(rows)
            )
    page: Page[Row] = request.page_of(rows, _key)
    return Unmatched(
        no_metric,
        no_customer,
        [row for row in page.rows if _EVENT_TYPE in row],
        [row for row in page.rows if _INGEST_KEY in row],
        page.next_page,
    )


def _key(row: Row) -> Key:
    kind = _EVENT_TYPE if _EVENT_TYPE in row else _INGEST_KEY
    return (kind, row[kind])
