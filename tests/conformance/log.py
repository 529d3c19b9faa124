"""What every adapter of the event log must do, whatever it is made of.

An adapter's own file defines the fixture `logs` (see `Logs`) and a subclass of `LogConformance` whose name begins
with Test.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from meterline.stream.log import LogReader, LogWriter, NewRecord, Position, Record, RecordLookup

PARTITIONS = 4
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Logs:
    """A fresh log of PARTITIONS partitions. Writers and readers of it may be opened any number of times."""

    open_writer: Callable[[], AbstractAsyncContextManager[LogWriter]]
    open_reader: Callable[[], LogReader]
    open_lookup: Callable[[], AbstractAsyncContextManager[RecordLookup]]

    def append(self, *records: NewRecord) -> None:
        """Append in one call of a writer of its own."""

        async def once() -> None:
            async with self.open_writer() as writer:
                await writer.append(records)

        asyncio.run(once())

    def read(self, *positions: Position, events_limit: int = 1_000_000) -> list[Record]:
        """Read once with a reader of its own."""
        reader = self.open_reader()
        try:
            return reader.read(positions, events_limit=events_limit)
        finally:
            reader.close()


def new(
    partition: int, value: bytes, *, environment_id: int = 1, events: int | None = None
) -> NewRecord:
    """A record whose events are its lines."""
    count = value.count(b"\n") + 1 if events is None else events
    return NewRecord(environment_id, partition, count, value)


def start(partition: int, offset: int = 0) -> Position:
    return Position(partition, offset, EPOCH)


def after(record: Record) -> Position:
    return Position(record.partition, record.offset + 1, record.appended_at)


EVERYWHERE = [start(partition) for partition in range(PARTITIONS)]


class LogConformance:
    """The suite. Subclass it beside a fixture `logs`."""

    def test_an_empty_log(self, logs: Logs) -> None:
        assert logs.read(*EVERYWHERE) == []
        assert logs.read() == []
        reader = logs.open_reader()
        try:
            assert [(end.partition, end.next_offset) for end in reader.ends()] == [
                (partition, 0) for partition in range(PARTITIONS)
            ]
        finally:
            reader.close()

    def test_a_writer_knows_the_partitions(self, logs: Logs) -> None:
        async def count() -> int:
            async with logs.open_writer() as writer:
                return writer.partitions

        assert asyncio.run(count()) == PARTITIONS

    def test_a_record_comes_back_as_it_went_in(self, logs: Logs) -> None:
        values = [b"a", b'{"a": 1}\n{"b": "\xc3\xa9"}', bytes(range(256)) * 40, b"\0" * 70_000]
        values.append(random.Random(1).randbytes(300_000))
        before = datetime.now(UTC)
        for value in values:
            logs.append(new(2, value, environment_id=7, events=3))
        found = logs.read(start(2))
        assert [record.value for record in found] == values
        for offset, record in enumerate(found):
            assert (record.environment_id, record.partition, record.offset, record.events) == (
                *(7, 2, offset),
                3,
            )
            assert record.appended_at.tzinfo is not None
            assert before - timedelta(minutes=1) < record.appended_at
            assert record.appended_at < datetime.now(UTC) + timedelta(minutes=1)

    def test_offsets_begin_at_zero_in_each_partition_and_follow_the_order_of_appending(
        self, logs: Logs
    ) -> None:
        logs.append(new(0, b"a"), new(3, b"b"), new(0, b"c"))
        logs.append(new(3, b"d"))
        logs.append(new(0, b"e", environment_id=2), new(0, b"f"))
        found = [(one.partition, one.offset, one.value) for one in logs.read(*EVERYWHERE)]
        assert found == [
            *((0, 0, b"a"), (0, 1, b"c"), (0, 2, b"e"), (0, 3, b"f")),
            *((3, 0, b"b"), (3, 1, b"d")),
        ]

    def test_ends_count_records(self, logs: Logs) -> None:
        logs.append(new(0, b"a\nb"), new(0, b"c"), new(2, b"d\ne\nf"))
        reader = logs.open_reader()
        try:
            ends = [(end.partition, end.next_offset) for end in reader.ends()]
        finally:
            reader.close()
        assert ends == [(0, 2), (1, 0), (2, 1), (3, 0)]

    def test_reading_begins_at_any_offset(self, logs: Logs) -> None:
        logs.append(*(new(1, b"%d" % number) for number in range(10)))
        whole = logs.read(start(1))
        for offset in range(10):
            assert logs.read(start(1, offset)) == whole[offset:]
        for record in whole:
            assert logs.read(after(record)) == whole[record.offset + 1 :]
        assert logs.read(start(1, 10)) == []
        assert logs.read(start(1, 99)) == []

    def test_only_the_partitions_asked_for_are_read(self, logs: Logs) -> None:
        logs.append(*(new(partition, b"%d" % partition) for partition in range(PARTITIONS)))
        found = logs.read(start(3), start(1))
        assert {record.partition for record in found} == {1, 3}
        assert [record.partition for record in logs.read(start(0), start(1, 1))] == [0]

    @pytest.mark.parametrize("events_limit", [1, 2, 7, 40])
    def test_a_limited_read_is_a_beginning_and_progress_is_certain(
        self, logs: Logs, events_limit: int
    ) -> None:
        """However small the limit against the records, reading on gets everything, in order."""
        sizes = [1, 5, 1, 1, 20, 3, 1, 1, 1, 2]
        for partition in (0, 2):
            logs.append(*(new(partition, b"\n".join([b"x"] * size)) for size in sizes))
        positions = {0: start(0), 2: start(2)}
        reads = 0
        seen: dict[int, list[int]] = {0: [], 2: []}
        while found := logs.read(*positions.values(), events_limit=events_limit):
            reads += 1
            # No more than the limit, but for the last record of each partition, which is never cut.
            assert sum(record.events for record in found) <= events_limit + 2 * max(sizes)
            for record in found:
                assert record.offset == positions[record.partition].offset
                positions[record.partition] = after(record)
                seen[record.partition].append(record.events)
        assert seen == {0: sizes, 2: sizes}
        assert reads >= 2 * sum(sizes) / (events_limit + 2 * max(sizes))

    def test_a_reader_sees_what_is_appended_after_it_was_opened(self, logs: Logs) -> None:
        reader = logs.open_reader()
        try:
            assert reader.read([start(0)], events_limit=10) == []
            logs.append(new(0, b"a"))
            (found,) = reader.read([start(0)], events_limit=10)
            logs.append(new(0, b"b"))
            assert [one.value for one in reader.read([after(found)], events_limit=10)] == [b"b"]
            assert reader.ends()[0].next_offset == 2
        finally:
            reader.close()

    def test_waiting_ends_when_something_is_appended(self, logs: Logs) -> None:
        reader = logs.open_reader()
        try:
            reader.wait(0.0)  # what was announced before does not count
            timer = threading.Timer(0.3, lambda: logs.append(new(0, b"a")))
            began = time.monotonic()
            timer.start()
            while not reader.read([start(0)], events_limit=1):
                assert time.monotonic() - began < 15
                reader.wait(10)
            assert time.monotonic() - began < 5
            timer.join()
        finally:
            reader.close()

    def test_waiting_ends_at_the_timeout(self, logs: Logs) -> None:
        reader = logs.open_reader()
        try:
            began = time.monotonic()
            reader.wait(0.2)
            assert 0.15 <= time.monotonic() - began < 2
        finally:
            reader.close()

    def test_an_append_is_kept_whole_or_not_at_all(self, logs: Logs) -> None:
        """Nothing remains of a call in which one record has no place in the log."""
        logs.append(new(0, b"before"))

        async def wrong() -> None:
            async with logs.open_writer() as writer:
                await writer.append([new(0, b"a"), new(1, b"b", events=0), new(2, b"c")])

        with pytest.raises(Exception):  # noqa: B017, PT011 - which one is the adapter's own affair
            asyncio.run(wrong())
        assert [record.value for record in logs.read(*EVERYWHERE)] == [b"before"]
        logs.append(new(0, b"after"))
        assert [record.offset for record in logs.read(start(0))] == [0, 1]

    def test_appenders_at_once_leave_no_gap_and_keep_every_record_once(self, logs: Logs) -> None:
        def values(writer: int, turn: int) -> list[NewRecord]:
            rng = random.Random(f"{writer}/{turn}")
            return [
                new(rng.randrange(PARTITIONS), b"%d/%d/%d" % (writer, turn, place))
                for place in range(rng.randint(1, 6))
            ]

        run_writers(logs, 6, 25, values)
        found = logs.read(*EVERYWHERE)
        for partition in range(PARTITIONS):
            own = [record for record in found if record.partition == partition]
            assert [record.offset for record in own] == list(range(len(own)))
            assert all(a.appended_at <= b.appended_at for a, b in pairwise(own))
            for writer in range(6):  # each writer's own order is kept
                turns = [_place(record) for record in own if _place(record)[0] == writer]
                assert turns == sorted(turns)
        sent = sorted(
            record.value
            for writer in range(6)
            for turn in range(25)
            for record in values(writer, turn)
        )
        assert sorted(record.value for record in found) == sent

    def test_nothing_is_skipped_while_appends_race_with_reads(self, logs: Logs) -> None:
        """Readers follow from offset to offset. One that sees an offset before an earlier one is visible skips it."""
        per_writer = 40
        done = threading.Event()
        problems: list[BaseException] = []
        seen: list[list[bytes]] = [[], []]

        def follow(values: list[bytes]) -> None:
            reader = logs.open_reader()
            try:
                positions = {one.partition: one for one in EVERYWHERE}
                while True:
                    last_round = done.is_set()
                    found = reader.read(list(positions.values()), events_limit=50)
                    for record in found:
                        assert record.offset == positions[record.partition].offset
                        positions[record.partition] = after(record)
                        values.append(record.value)
                    if last_round and not found:
                        return
                    if not found:
                        reader.wait(0.05)
            except BaseException as problem:
                problems.append(problem)
            finally:
                reader.close()

        readers = [threading.Thread(target=follow, args=(values,)) for values in seen]
        for reader in readers:
            reader.start()
        try:
            run_writers(
                logs,
                4,
                per_writer,
                lambda writer, turn: [
                    new(place % PARTITIONS, b"%d/%d/%d" % (writer, turn, place))
                    for place in range(writer, writer + 3)
                ],
            )
        finally:
            done.set()
            for reader in readers:
                reader.join(60)
        assert problems == []
        for values in seen:
            assert len(values) == len(set(values)) == 4 * per_writer * 3

    def test_single_records_are_found_by_place_within_an_environment(self, logs: Logs) -> None:
        logs.append(new(0, b"a"), new(1, b"b"), new(1, b"c", environment_id=2))

        def fetched(environment_id: int, *places: tuple[int, int]) -> list[bytes]:
            async def fetch() -> Sequence[Record]:
                async with logs.open_lookup() as lookup:
                    return await lookup.fetch(environment_id, places)

            return sorted(record.value for record in asyncio.run(fetch()))

        assert fetched(1, (0, 0), (1, 0)) == [b"a", b"b"]
        assert fetched(2, (1, 1)) == [b"c"]
        assert fetched(1, (1, 1)) == [], "another environment's record is not shown"
        assert fetched(1, (0, 7), (9, 0)) == []
        assert fetched(1) == []


def _place(record: Record) -> tuple[int, int, int]:
    writer, turn, place = record.value.split(b"/")
    return int(writer), int(turn), int(place)


def run_writers(
    logs: Logs, writers: int, turns: int, records: Callable[[int, int], list[NewRecord]]
) -> None:
    """Run writers at once, in two threads with event loops of their own, each appending turn by turn."""

    async def write(number: int) -> None:
        async with logs.open_writer() as writer:
            for turn in range(turns):
                await writer.append(records(number, turn))

    async def some(numbers: range) -> None:
        await asyncio.gather(*(write(number) for number in numbers))

    failures: list[BaseException] = []

    def in_thread(numbers: range) -> None:
        try:
            asyncio.run(some(numbers))
        except BaseException as failure:
            failures.append(failure)

    threads = [
        threading.Thread(target=in_thread, args=(range(first, writers, 2),)) for first in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert failures == []
