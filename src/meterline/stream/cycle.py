"""The worker cycle: poll, derive, commit once. What is derived and the offsets go into one transaction of the sink.

    read -> prepare ----\\            the next batch is read and prepared
             commit  <---/  (one)     while the last one commits

The engine keeps two positions a partition: how far it has read, and how far is committed. Any failure throws away
what is read ahead and goes back to what is committed; nothing else is remembered, so nothing is ever restored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import structlog

from meterline.stream.errors import StreamError
from meterline.stream.log import LogReader, Position, Record

logger = structlog.get_logger()

IDLE_SECONDS = 0.5

Prepared = TypeVar("Prepared")


@dataclass(frozen=True, slots=True)
class Pace:
    """How much a cycle takes on.

    `events_limit`: a batch this large amortises what a transaction costs; more would only make events older.
    `cycle_seconds_min`: cycles start no more often, so that a batch gathers and folds into fewer rows.
    """

    events_limit: int = 60_000
    cycle_seconds_min: float = 0.1


@dataclass(frozen=True, slots=True)
class Claim:
    """A partition owned since `epoch`, and where to go on."""

    epoch: int
    position: Position


@dataclass(frozen=True, slots=True)
class Move:
    """How far a commit takes one partition. It holds only if epoch and `expected` are still what is stored."""

    partition: int
    epoch: int
    expected: int
    next: int
    events: int
    position_at: datetime


class Sink(Protocol[Prepared]):
    """What a batch becomes."""

    def prepare(self, records: Sequence[Record]) -> Prepared:
        """Derive what can be derived without the transaction. Runs while another batch commits."""

    def commit(self, prepared: Prepared, moves: Sequence[Move]) -> None:
        """Commit what was derived and the moves, in one transaction.

        Raises Fenced when a move does not hold and Backpressure when the store is away (nothing was kept then),
        Indeterminate when the answer of COMMIT is lost. Anything else is a batch that cannot be derived.
        """

    def commit_singly(self, records: Sequence[Record], moves: Sequence[Move]) -> None:
        """Derive event by event, parking those that fail, and commit them and the moves in one transaction.

        The way out when a batch cannot be derived: slow, but no event ever blocks its partition. Raises as `commit`.
        """


class Ownership(Protocol):
    """Who owns which partition."""

    def changed(self) -> bool:
        """Whether `settle` would change what this worker owns."""

    def settle(self) -> dict[int, Claim]:
        """Release what should be another's, claim what should be ours, and return all that is owned now."""


class Cycle(Generic[Prepared]):
    """Runs one worker until stopped or fenced."""

    def __init__(
        self,
        reader: LogReader,
        sink: Sink[Prepared],
        ownership: Ownership,
        pace: Pace,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._reader = reader
        self._sink = sink
        self._ownership = ownership
        self._pace = pace
        self._monotonic = monotonic
        self._pause = pause
        self._claims: dict[int, Claim] = {}
        self._reading: dict[int, Position] = {}

    def run(self, stopping: Callable[[], bool]) -> None:
        """Cycle until `stopping` says so, then finish the commit under way. Raises what a commit raises."""
        with ThreadPoolExecutor(1, thread_name_prefix="commit") as committer:
            under_way: Future[None] | None = None
            while not stopping():
                if self._ownership.changed():
                    _finish(under_way)
                    under_way = None
                    self._settle()
                started = self._monotonic()
                records = self._reader.read(
                    list(self._reading.values()), events_limit=self._pace.events_limit
                )
                if not records:
                    _finish(under_way)
                    under_way = None
                    self._reader.wait(IDLE_SECONDS)
                    continue
                prepared = self._prepare(records)
                _finish(under_way)
                moves = self._advance(records)
                under_way = committer.submit(self._commit, prepared, records, moves)
                if sum(record.events for record in records) < self._pace.events_limit // 2:
                    self._pause(
                        max(0.0, started + self._pace.cycle_seconds_min - self._monotonic())
                    )
            _finish(under_way)

    def _prepare(self, records: Sequence[Record]) -> Prepared | None:
        """Prepare a batch; None when that fails by the batch's own fault."""
        try:
            return self._sink.prepare(records)
        except StreamError:
            raise
        except Exception:  # whatever is wrong with an event must cost that event, not its partition
            logger.exception("batch_not_prepared", events=sum(record.events for record in records))
            return None

    def _commit(
        self, prepared: Prepared | None, records: Sequence[Record], moves: Sequence[Move]
    ) -> None:
        if prepared is not None:
            try:
                self._sink.commit(prepared, moves)
            except StreamError:
                raise
            except Exception:  # as above: rolled back, and done again one by one
                logger.exception("batch_not_committed", events=sum(move.events for move in moves))
            else:
                return
        self._sink.commit_singly(records, moves)

    def _settle(self) -> None:
        self._claims = self._ownership.settle()
        self._reading = {partition: claim.position for partition, claim in self._claims.items()}

    def _advance(self, records: Sequence[Record]) -> list[Move]:
        """Move the reading positions past `records` and return the moves that commit it."""
        by_partition: dict[int, list[Record]] = {}
        for record in records:
            by_partition.setdefault(record.partition, []).append(record)
        moves = []
        for partition, consumed in by_partition.items():
            last = consumed[-1]
            expected = self._reading[partition].offset
            assert consumed[0].offset == expected, "the log skipped a record"
            assert last.offset - expected + 1 == len(consumed), "the log has a gap"
            moves.append(
                Move(
                    partition,
                    self._claims[partition].epoch,
                    expected,
                    last.offset + 1,
                    sum(record.events for record in consumed),
                    last.appended_at,
                )
            )
            self._reading[partition] = Position(partition, last.offset + 1, last.appended_at)
        return moves


def _finish(commit: Future[None] | None) -> None:
    """Wait for the commit under way, and raise what it raised."""
    if commit is not None:
        commit.result()
