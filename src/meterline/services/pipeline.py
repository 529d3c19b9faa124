"""The pipeline's status: lag in events, freshness in seconds, who owns what.

`lag_events` is 0 only when every acknowledged event is metered and the spend of its customer is rated. Freshness is
the age of the oldest event of which that is not true, 0 when there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from meterline.store import pipeline as store
from meterline.store.database import Database


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """One partition: offsets count records, the rest counts events."""

    partition: int
    end_offset: int
    next_offset: int
    appended: int
    metered: int
    owner: int | None
    metered_at: datetime | None

    @property
    def lag_events(self) -> int:
        return self.appended - self.metered


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A live worker and how many partitions it owns."""

    slot: int
    partitions: int
    heartbeat_at: datetime


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """The whole pipeline at `now`. Freshness is exact in real seconds whatever an environment's clock says."""

    now: datetime
    events_appended: int
    events_metered: int
    lag_unmetered: int
    lag_unrated: int
    freshness_seconds: float
    partitions: list[PartitionStatus]
    workers: list[WorkerStatus]

    @property
    def lag_events(self) -> int:
        return self.lag_unmetered + self.lag_unrated


async def status(database: Database, now: datetime) -> PipelineStatus:
    """Return where the pipeline stands. `now` is the wall clock."""
    async with database.installation() as connection:
        # One snapshot: an event that is metered meanwhile would else be in neither count or in both.
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        rows = await store.partitions(connection)
        unmetered = await store.oldest_unmetered(connection)
        unrated = await store.unrated(connection)
        workers = await store.workers(connection)
    partitions = [
        PartitionStatus(
            row["partition"],
            row["end_offset"],
            row["next_offset"],
            row["appended"],
            row["metered"],
            row["owner"],
            row["metered_at"],
        )
        for row in rows
    ]
    oldest = [row["appended_at"] for row in (unmetered, unrated) if row and row["appended_at"]]
    appended = sum(partition.appended for partition in partitions)
    metered = sum(partition.metered for partition in partitions)
    return PipelineStatus(
        now=now,
        events_appended=appended,
        events_metered=metered,
        lag_unmetered=appended - metered,
        lag_unrated=unrated["events"] if unrated else 0,
        freshness_seconds=max(0.0, (now - min(oldest)).total_seconds()) if oldest else 0.0,
        partitions=partitions,
        workers=[
            WorkerStatus(row["slot"], row["partitions"], row["heartbeat_at"]) for row in workers
        ],
    )
