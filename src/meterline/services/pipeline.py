"""The pipeline's status: lag in events, freshness in seconds, who owns what.

`lag_events` is 0 only when every acknowledged event is metered and the spend of its customer is rated. Freshness is
the age of the oldest event of which that is not true, 0 when there is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from meterline.store import pipeline as store
from meterline.store.database import Database, Row
from meterline.stream.log import Backlog, LogBacklog, Mark


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """One partition: offsets count records, the rest counts events."""

    partition: int
    end_offset: int
    next_offset: int
    lag_events: int
    metered: int
    owner: int | None
    metered_at: datetime | None


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


def marks_of(rows: Iterable[Row]) -> dict[int, Mark]:
    """Return how far each partition is metered, of rows of `store.pipeline.partitions`."""
    return {row["partition"]: Mark(row["next_offset"], row["metered"]) for row in rows}


async def status(database: Database, log: LogBacklog, now: datetime) -> PipelineStatus:
    """Return where the pipeline stands. `now` is the wall clock.

    The log is asked after the database, never before: an event that is metered meanwhile counts as behind, and one that
    is behind is never missed.
    """
    async with database.installation() as connection:
        # One snapshot: an event that is metered meanwhile would else be in neither count or in both.
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        rows = {row["partition"]: row for row in await store.partitions(connection)}
        unrated = await store.unrated(connection)
        workers = await store.workers(connection)
    backlogs = await log.behind(marks_of(rows.values()))
    partitions = [_partition(backlog, rows.get(backlog.partition)) for backlog in backlogs]
    oldest = [backlog.oldest_at for backlog in backlogs if backlog.oldest_at is not None]
    if unrated and unrated["appended_at"]:
        oldest.append(unrated["appended_at"])
    metered = sum(partition.metered for partition in partitions)
    behind = sum(partition.lag_events for partition in partitions)
    return PipelineStatus(
        now=now,
        events_appended=metered + behind,
        events_metered=metered,
        lag_unmetered=behind,
        lag_unrated=unrated["events"] if unrated else 0,
        freshness_seconds=max(0.0, (now - min(oldest)).total_seconds()) if oldest else 0.0,
        partitions=partitions,
        workers=[
            WorkerStatus(row["slot"], row["partitions"], row["heartbeat_at"]) for row in workers
        ],
    )


def _partition(backlog: Backlog, row: Row | None) -> PartitionStatus:
    """A partition nobody ever owned has no row."""
    return PartitionStatus(
        backlog.partition,
        backlog.next_offset,
        0 if row is None else row["next_offset"],
        backlog.events,
        0 if row is None else row["metered"],
        None if row is None else row["owner"],
        None if row is None else row["metered_at"],
    )
