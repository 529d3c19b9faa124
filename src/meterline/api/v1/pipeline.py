"""GET /v1/pipeline: is everything that was acknowledged metered and rated, and how far behind is it?"""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import get

from meterline.api.components import Components
from meterline.services import pipeline


class Partition(msgspec.Struct):
    """One partition; `lag_events` are appended and not metered."""

    partition: int
    owner: int | None
    end_offset: int
    next_offset: int
    lag_events: int
    metered_at: datetime | None


class Worker(msgspec.Struct):
    """A live metering worker."""

    slot: int
    partitions: int
    heartbeat_at: datetime


class Pipeline(msgspec.Struct):
    """The pipeline. `lag_events` is 0 only when every acknowledged event is metered and its spend is rated."""

    lag_events: int
    lag_unmetered: int
    lag_unrated: int
    freshness_seconds: float
    events_appended: int
    events_metered: int
    partitions: list[Partition]
    workers: list[Worker]


@get("/v1/pipeline")
async def get_pipeline(components: Components) -> Pipeline:
    """Lag, freshness, partitions and workers of the installation."""
    status = await pipeline.status(components.database, components.backlog, components.clock())
    return Pipeline(
        lag_events=status.lag_events,
        lag_unmetered=status.lag_unmetered,
        lag_unrated=status.lag_unrated,
        freshness_seconds=round(status.freshness_seconds, 3),
        events_appended=status.events_appended,
        events_metered=status.events_metered,
        partitions=[
            Partition(
                one.partition,
                one.owner,
                one.end_offset,
                one.next_offset,
                one.lag_events,
                one.metered_at,
            )
            for one in status.partitions
        ],
        workers=[Worker(one.slot, one.partitions, one.heartbeat_at) for one in status.workers],
    )


routes = [get_pipeline]
