"""The worker cycle over a log, a sink and an ownership in memory: positions, failures, hand-overs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from meterline.stream.cycle import Claim, Cycle, Move, Pace
from meterline.stream.errors import Backpressure, Fenced, Indeterminate
from meterline.stream.log import PartitionEnd, Position, Record

START = datetime(2026, 11, 20, tzinfo=UTC)


class LogInMemory:
    """Records by partition. `on_wait` is called whenever the cycle has nothing to read."""

    def __init__(self, on_wait: Callable[[], None] = lambda: None) -> None:
        self.records: dict[int, list[Record]] = {}
        self.reads: list[list[Position]] = []
        self.on_wait = on_wait
        self.waits: list[float] = []

    def append(self, partition: int, events: int = 1) -> None:
        kept = self.records.setdefault(partition, [])
        offset = len(kept)
        at = START + timedelta(seconds=offset)
        kept.append(Record(1, partition, offset, events, at, b"%d/%d" % (partition, offset)))

    def ends(self) -> list[PartitionEnd]:
        raise AssertionError("the cycle has no need of it")

    def read(self, positions: Sequence[Position], *, events_limit: int) -> list[Record]:
        self.reads.append(list(positions))
        found: list[Record] = []
        for position in positions:
            events = 0
            for record in self.records.get(position.partition, [])[position.offset :]:
                if events >= events_limit:
                    break
                found.append(record)
                events += record.events
        return found

    def wait(self, timeout_seconds: float) -> None:
        self.waits.append(timeout_seconds)
        self.on_wait()

    def close(self) -> None:
        """Nothing to release."""


class Store:
    """What is committed: values, and how far each partition is, under its epoch."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.next: dict[int, int] = {}
        self.epochs: dict[int, int] = {}
        self.moves: list[Move] = []
        self.failures: list[Exception] = []
        self.prepared: list[list[bytes]] = []
        self.before_commit: Callable[[], None] = lambda: None
        self.singly: list[list[bytes]] = []

    def prepare(self, records: Sequence[Record]) -> list[bytes]:
        self.prepared.append([record.value for record in records])
        return [record.value for record in records]

    def commit(self, prepared: list[bytes], moves: Sequence[Move]) -> None:
        self.before_commit()
        if self.failures:
            raise self.failures.pop(0)
        self._keep(prepared, moves)

    def commit_singly(self, records: Sequence[Record], moves: Sequence[Move]) -> None:
        self.singly.append([record.value for record in records])
        self._keep([record.value for record in records], moves)

    def _keep(self, values: list[bytes], moves: Sequence[Move]) -> None:
        for move in moves:
            stored = (self.epochs[move.partition], self.next.get(move.partition, 0))
            if stored != (move.epoch, move.expected):
                raise Fenced(f"{move} against {stored}")
        for move in moves:
            self.next[move.partition] = move.next
        self.values += values
        self.moves += moves


class Owner:
    """Owns what the test says, from where the store stands."""

    def __init__(self, store: Store, *partitions: int) -> None:
        self.store = store
        self.wanted = set(partitions)
        self.owned: set[int] | None = None
        self.settled_at: list[tuple[int, int]] = []  # values committed and prepared by then

    def changed(self) -> bool:
        return self.owned != self.wanted

    def settle(self) -> dict[int, Claim]:
        prepared = sum(map(len, self.store.prepared))
        self.settled_at.append((len(self.store.values), prepared))
        self.owned = set(self.wanted)
        claims = {}
        for partition in self.owned:
            self.store.epochs[partition] = self.store.epochs.get(partition, 0) + 1
            claims[partition] = Claim(
                self.store.epochs[partition],
                Position(partition, self.store.next.get(partition, 0), START),
            )
        return claims


class Bench:
    """A cycle with everything around it in memory, on a clock that only pauses move."""

    def __init__(self, *partitions: int, pace: Pace | None = None) -> None:
        self.stopped = False
        self.log = LogInMemory(self._stop)
        self.store = Store()
        self.owner = Owner(self.store, *partitions)
        self.now = 0.0
        self.pauses: list[float] = []
        self.cycle = Cycle(
            self.log,
            self.store,
            self.owner,
            pace or Pace(),
            monotonic=lambda: self.now,
            pause=self._pause,
        )

    def run(self) -> None:
        """Run until there is nothing left to read."""
        self.stopped = False
        self.cycle.run(lambda: self.stopped)

    def _stop(self) -> None:
        self.stopped = True

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def test_everything_is_committed_once_and_in_order() -> None:
    bench = Bench(0, 1, pace=Pace(events_limit=3))
    for number in range(20):
        bench.log.append(number % 2)
    bench.run()
    for partition in (0, 1):
        own = [value for value in bench.store.values if value.startswith(b"%d/" % partition)]
        assert own == [b"%d/%d" % (partition, offset) for offset in range(10)]
    assert bench.store.next == {0: 10, 1: 10}


def test_moves_say_where_from_where_to_how_many_and_how_recent() -> None:
    bench = Bench(4)
    bench.log.append(4, events=5)
    bench.log.append(4, events=7)
    bench.run()
    assert bench.store.moves == [Move(4, 1, 0, 2, 12, START + timedelta(seconds=1))]


def test_only_owned_partitions_are_read() -> None:
    bench = Bench(1)
    for partition in range(3):
        bench.log.append(partition)
    bench.run()
    assert bench.store.values == [b"1/0"]
    assert {position.partition for read in bench.log.reads for position in read} == {1}


def test_without_partitions_it_waits() -> None:
    bench = Bench()
    bench.log.append(0)
    bench.run()
    assert bench.store.values == []
    assert bench.log.waits


def test_a_batch_is_read_and_prepared_while_the_last_one_commits() -> None:
    bench = Bench(0, pace=Pace(events_limit=1))
    reached = threading.Event()
    held: list[bool] = []

    def before_commit() -> None:
        if not held:  # the first commit waits until the second batch is prepared
            held.append(reached.wait(10))

    original = bench.store.prepare

    def prepare(records: Sequence[Record]) -> list[bytes]:
        if len(bench.store.prepared) == 1:
            reached.set()
        return original(records)

    bench.store.before_commit = before_commit
    bench.store.prepare = prepare  # type: ignore[method-assign]
    for _ in range(3):
        bench.log.append(0)
    bench.run()
    assert held == [True]
    assert bench.store.values == [b"0/0", b"0/1", b"0/2"]


@pytest.mark.parametrize("failure", [Fenced("taken"), Indeterminate("lost"), Backpressure("away")])
@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_failed_commit_ends_the_run_and_keeps_nothing_read_ahead(
    failure: Exception, at: int
) -> None:
    bench = Bench(0, pace=Pace(events_limit=1))
    for _ in range(6):
        bench.log.append(0)
    commits = 0

    def before_commit() -> None:
        nonlocal commits
        commits += 1
        if commits == at:
            bench.store.failures.append(failure)

    bench.store.before_commit = before_commit
    with pytest.raises(type(failure)):
        bench.run()
    assert bench.store.values == [b"0/%d" % offset for offset in range(at - 1)]
    assert len(bench.store.prepared) <= at + 1, "no more than one batch ahead"

    # Its successor goes on from what is committed, and nothing is lost or doubled.
    bench.store.before_commit = lambda: None
    successor = Bench(0)
    successor.log.records, successor.store = bench.log.records, bench.store
    successor.cycle = Cycle(
        successor.log, bench.store, Owner(bench.store, 0), Pace(), pause=lambda _: None
    )
    successor.run()
    assert bench.store.values == [b"0/%d" % offset for offset in range(6)]


def test_another_owner_fences_it() -> None:
    bench = Bench(0, pace=Pace(events_limit=1))
    for _ in range(3):
        bench.log.append(0)

    def taken() -> None:
        if bench.store.values:
            bench.store.epochs[0] += 1

    bench.store.before_commit = taken
    with pytest.raises(Fenced):
        bench.run()
    assert bench.store.values == [b"0/0"]


def test_what_is_under_way_is_committed_before_partitions_change_hands() -> None:
    bench = Bench(0, 1, pace=Pace(events_limit=1))
    for _ in range(12):
        bench.log.append(0)
        bench.log.append(1)

    def give_away() -> None:
        if len(bench.store.values) == 4:
            bench.owner.wanted = {1}

    bench.store.before_commit = give_away
    bench.run()
    first, second = bench.owner.settled_at
    assert first == (0, 0)
    assert second[0] == second[1] >= 4, "all that was prepared is committed before it settles"
    assert bench.store.next[1] == 12
    assert bench.store.next[0] < 12
    assert len(bench.store.values) == len(set(bench.store.values))


def test_a_batch_that_cannot_be_derived_is_done_singly_and_blocks_nothing() -> None:
    bench = Bench(0, pace=Pace(events_limit=1))
    for _ in range(4):
        bench.log.append(0)
    bench.store.failures += [ValueError("a poisonous event"), KeyError("another")]
    bench.run()
    assert bench.store.values == [b"0/%d" % offset for offset in range(4)]
    assert bench.store.singly == [[b"0/0"], [b"0/1"]]
    assert bench.store.next == {0: 4}


def test_a_batch_that_cannot_be_prepared_is_done_singly_in_its_turn() -> None:
    bench = Bench(0, pace=Pace(events_limit=1))
    for _ in range(4):
        bench.log.append(0)
    original = bench.store.prepare

    def prepare(records: Sequence[Record]) -> list[bytes]:
        if records[0].offset == 2:
            raise ValueError("a poisonous event")
        return original(records)

    bench.store.prepare = prepare  # type: ignore[method-assign]
    bench.run()
    assert bench.store.values == [b"0/%d" % offset for offset in range(4)]
    assert bench.store.singly == [[b"0/2"]]


def test_a_store_that_is_away_while_preparing_ends_the_run() -> None:
    bench = Bench(0)
    bench.log.append(0)

    def prepare(records: Sequence[Record]) -> list[bytes]:
        raise Backpressure("away")

    bench.store.prepare = prepare  # type: ignore[method-assign]
    with pytest.raises(Backpressure):
        bench.run()
    assert (bench.store.values, bench.store.singly) == ([], [])


def test_partitions_gained_are_read_from_where_their_last_owner_left_them() -> None:
    bench = Bench(0)
    bench.store.next[7] = 2
    for _ in range(4):
        bench.log.append(7)
    bench.log.append(0)
    bench.log.on_wait = lambda: (
        bench._stop() if 7 in bench.owner.wanted else bench.owner.wanted.add(7)
    )
    bench.run()
    assert bench.store.values == [b"0/0", b"7/2", b"7/3"]


def test_a_stop_finishes_the_commit_under_way() -> None:
    bench = Bench(0)
    bench.log.append(0)
    polls = 0

    def stopping() -> bool:
        nonlocal polls
        polls += 1
        return polls > 1

    bench.cycle.run(stopping)
    assert bench.store.values == [b"0/0"]


def test_a_failure_of_the_last_commit_is_not_swallowed_by_the_stop() -> None:
    bench = Bench(0)
    bench.log.append(0)
    bench.store.failures.append(Indeterminate("lost"))
    polls = iter([False, True])
    with pytest.raises(Indeterminate):
        bench.cycle.run(lambda: next(polls))


def test_small_batches_are_paced_and_large_ones_are_not() -> None:
    bench = Bench(0, pace=Pace(events_limit=10, cycle_seconds_min=0.25))
    bench.log.append(0, events=1)
    bench.run()
    assert bench.pauses == [0.25]
    bench = Bench(0, pace=Pace(events_limit=10, cycle_seconds_min=0.25))
    bench.log.append(0, events=5)
    bench.run()
    assert bench.pauses == []


@pytest.mark.parametrize("missing", [0, 1])
def test_a_log_that_skips_a_record_is_caught(missing: int) -> None:
    bench = Bench(0)
    for _ in range(3):
        bench.log.append(0)
    del bench.log.records[0][missing]
    with pytest.raises(AssertionError, match=r"skipped|gap"):
        bench.run()
    assert bench.store.values == []
