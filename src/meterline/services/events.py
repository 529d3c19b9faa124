"""What became of single events: for sampling and for questions, not for reading usage.

The seen index says in which records of the log an event arrived; the records hold the events
themselves. An event that was accepted a moment ago is found once it is metered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from meterline.core.metric import BillableMetric
from meterline.metering.event import StoredEvent, decode_line
from meterline.services.customers import customers_of_keys
from meterline.services.workspace import Workspace
from meterline.store import events as store
from meterline.store import metrics as metric_store
from meterline.store.database import Connection, Row
from meterline.store.events import SeenPlace
from meterline.store.partitions import DEDUPLICATION_DAYS
from meterline.stream.log import Record, RecordLookup
from meterline.stream.routing import event_id

ARRIVALS_MAX = 500
"""Arrivals looked into for one search: each may cost reading a record of some thousand events."""
METRICS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An arrival of an event, with the customer (id, name) and metric rows it matches as of now."""

    id: UUID
    event: StoredEvent
    is_duplicate: bool
    processed_at: datetime
    customer: tuple[UUID, str] | None
    metrics: list[Row]


class _Arrival(NamedTuple):
    place: SeenPlace
    event: StoredEvent


async def search(
    workspace: Workspace,
    records: RecordLookup,
    transaction_ids: Iterable[str],
    wall_clock: datetime,
) -> list[FoundEvent]:
    """Return the arrivals of these events in the last 34 days, in the order asked, then of time.

    `wall_clock`: the installation's, by which arrivals are kept also in a sandbox.
    """
    wanted = {UUID(bytes=event_id(workspace.environment_id, one)): one for one in transaction_ids}
    since = wall_clock - timedelta(days=DEDUPLICATION_DAYS)
    async with workspace.transaction() as connection:
        places = await store.places(
            connection, workspace.environment_id, list(wanted), since=since, rows_max=ARRIVALS_MAX
        )
    kept = await records.fetch(
        workspace.environment_id,
        sorted({(place.partition, place.record_offset) for place in places}),
    )
    order = {identity: number for number, identity in enumerate(wanted)}
    arrivals = sorted(
        (arrival for record in kept for arrival in _arrivals(record, places, wanted)),
        key=lambda one: (order[one.place.event_id], one.place.repeated, one.place.seen_at),
    )
    async with workspace.transaction() as connection:
        return await _described(connection, arrivals)


def _arrivals(
    record: Record, places: Iterable[SeenPlace], wanted: dict[UUID, str]
) -> Iterator[_Arrival]:
    """The arrivals that lie in `record`. Where one event is in it several times, the first line is
    the one that was not a repeat.
    """
    here: dict[UUID, list[SeenPlace]] = defaultdict(list)
    for place in places:
        if (place.partition, place.record_offset) == (record.partition, record.offset):
            here[place.event_id].append(place)
    lines = record.value.split(b"\n")
    for identity, of_event in here.items():
        found = _events(lines, wanted[identity])
        ordered = sorted(of_event, key=lambda place: place.repeated)
        yield from map(_Arrival, ordered, found)


def _events(lines: Iterable[bytes], transaction_id: str) -> Iterator[StoredEvent]:
    """The events of that id, in order. A line that is no event was parked, and is passed over."""
    text = msgspec.json.encode(transaction_id)
    for line in lines:
        if text not in line:
            continue
        try:
            event = decode_line(line)
        except msgspec.MsgspecError:
            continue
        if event.transaction_id == transaction_id:
            yield event


async def _described(connection: Connection, arrivals: Sequence[_Arrival]) -> list[FoundEvent]:
    owners = await customers_of_keys(connection, {one.event.customer_id for one in arrivals})
    names = await store.customer_names(connection, list(set(owners.values())))
    rows = await metric_store.select_page(
        connection, archived=False, after=(None, None), fetch=METRICS_MAX
    )
    metrics = [(metric_store.metric_of(row), row) for row in rows]
    return [
        FoundEvent(
            place.event_id,
            event,
            place.repeated,
            place.seen_at,
            (owners[event.customer_id], names[owners[event.customer_id]])
            if event.customer_id in owners
            else None,
            [row for metric, row in metrics if _matches(metric, event)],
        )
        for place, event in arrivals
    ]


def _matches(metric: BillableMetric, event: StoredEvent) -> bool:
    return metric.matches(event.event_type, event.properties)
