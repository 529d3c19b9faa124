"""The event log as the engine sees it. Adapters live in `meterline.log`; one conformance suite holds them all.

Promises every adapter keeps:
- `append` returns only once every record is durable; records of one call are all kept or none.
- Offsets of a partition start at 0, have no gaps, and become visible in order.
- `read` returns records of one partition in offset order and never skips one that is visible.
What it does not promise: an order between partitions, or that a failed `append` was not kept (`Indeterminate`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class NewRecord:
    """Events of one environment bound for one partition: `value` is one JSON object a line."""

    environment_id: int
    partition: int
    events: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """A record read back: `offset` is its place in `partition`, `appended_at` when it became durable."""

    environment_id: int
    partition: int
    offset: int
    events: int
    appended_at: datetime
    value: bytes


@dataclass(frozen=True, slots=True)
class Position:
    """Where to read a partition from. `appended_at` is that of the last record consumed: older
    time partitions need not be searched."""

    partition: int
    offset: int
    appended_at: datetime


@dataclass(frozen=True, slots=True)
class PartitionEnd:
    """The end of a partition: the offset of the next record to come."""

    partition: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a partition is consumed: the next offset, and the events consumed since ever."""

    offset: int = 0
    events: int = 0


@dataclass(frozen=True, slots=True)
class Backlog:
    """What lies behind a mark: where the partition ends, how many events are between, and since when the first waits.

    `events` is 0 only when there are none; a log that counts records alone estimates it from the events a record had.
    """

    partition: int
    next_offset: int
    events: int
    oldest_at: datetime | None


class LogWriter(Protocol):
    """The appending side, used by the gateway."""

    @property
    def partitions(self) -> int:
        """Partitions of the log, numbered from 0."""

    async def route_over(self, partitions: int) -> None:
        """Have `partitions` from here on: the log has grown, and they exist."""

    async def append(self, records: Sequence[NewRecord]) -> None:
        """Keep all records durably, or raise Backpressure (nothing kept) or Indeterminate."""


class LogReader(Protocol):
    """The reading side, used by a worker, from one thread."""

    def ends(self) -> list[PartitionEnd]:
        """The end of every partition, by number."""

    def read(self, positions: Sequence[Position], *, events_limit: int) -> list[Record]:
        """Records from each position on, by partition and offset, holding about `events_limit` events in all."""

    def wait(self, timeout_seconds: float) -> None:
        """Return when something may have been appended, or after the timeout."""

    def close(self) -> None:
        """Release what the reader holds."""


class LogBacklog(Protocol):
    """What is in the log and not consumed yet."""

    async def behind(self, marks: Mapping[int, Mark]) -> list[Backlog]:
        """The backlog of every partition, by number; one without a mark is not consumed at all."""


class RecordLookup(Protocol):
    """Single records by place, for whoever asks what became of an event."""

    async def fetch(self, environment_id: int, places: Sequence[tuple[int, int]]) -> list[Record]:
        """The records of `environment_id` at (partition, offset), in any order; those no longer kept are left out."""
