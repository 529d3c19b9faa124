"""Reading from Kafka: partitions assigned by hand, from the offsets that PostgreSQL keeps.

No consumer group decides anything: who owns a partition is settled by `store.ownership`, and where to go on is in the
transaction that used the events. So Kafka's own offsets, rebalances and generations cannot tear or lose anything.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient

from meterline.log.kafka.topic import Topic, count_partitions, end_offsets
from meterline.log.kafka.wire import record_of
from meterline.stream.errors import Backpressure
from meterline.stream.log import PartitionEnd, Position, Record

MESSAGES_A_TURN = 1_000
TURN_SECONDS = 0.05
# A broker that is away this long is an outage, which the worker waits out.
READ_SECONDS_MAX = 10.0


class _Ahead:
    """What was fetched of one partition and not handed out. `next_offset`: of the next message to come."""

    __slots__ = ("events", "next_offset", "records")

    def __init__(self, offset: int) -> None:
        self.records: deque[Record] = deque()
        self.events = 0
        self.next_offset = offset

    @property
    def position(self) -> int:
        """The offset of the next record to be handed out."""
        return self.records[0].offset if self.records else self.next_offset

    def add(self, record: Record) -> None:
        self.records.append(record)
        self.events += record.events
        self.next_offset = record.offset + 1

    def take(self, events_limit: int) -> list[Record]:
        """The next records: at least one if there is any, and no more once the limit is reached."""
        taken: list[Record] = []
        events = 0
        while self.records and events < events_limit:
            record = self.records.popleft()
            taken.append(record)
            events += record.events
        self.events -= events
        return taken


class KafkaLogReader:
    """Reads from one thread."""

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._admin = AdminClient(topic.client())
        # A client that has not seen the topic yet takes seconds over its first question about offsets.
        count_partitions(self._admin, topic)
        self._consumer = Consumer(
            topic.client(
                {
                    "group.id": f"{topic.name}-readers",  # needed by the client; nothing is kept under it
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    # An offset that is gone means events that are gone: that must be said, never skipped.
                    "auto.offset.reset": "error",
                    "isolation.level": "read_committed",
                    "fetch.wait.max.ms": 100,
                    "fetch.error.backoff.ms": 50,
                    "queued.max.messages.kbytes": 64 * 1024,
                    "fetch.message.max.bytes": 16 * 1024 * 1024,
                }
            )
        )
        self._ahead: dict[int, _Ahead] = {}

    def ends(self) -> list[PartitionEnd]:
        ends = end_offsets(self._admin, self._topic)
        return [PartitionEnd(partition, end) for partition, end in sorted(ends.items())]

    def read(self, positions: Sequence[Position], *, events_limit: int) -> list[Record]:
        self._turn_to(positions)
        if not positions:
            return []
        share = max(1, events_limit // len(positions))
        self._fetch(share)
        return [
            record
            for position in sorted(positions, key=lambda one: one.partition)
            for record in self._ahead[position.partition].take(share)
        ]

    def wait(self, timeout_seconds: float) -> None:
        if not self._ahead:  # nothing is assigned, so nothing can come
            time.sleep(timeout_seconds)
        elif not any(ahead.records for ahead in self._ahead.values()):
            self._keep(self._arrived(timeout_seconds))

    def close(self) -> None:
        self._consumer.close()

    def _turn_to(self, positions: Sequence[Position]) -> None:
        """Assign these partitions, if they or their positions are not those of the last read."""
        wanted = {position.partition: position.offset for position in positions}
        if wanted == {partition: ahead.position for partition, ahead in self._ahead.items()}:
            return
        self._ahead = {partition: _Ahead(offset) for partition, offset in wanted.items()}
        self._consumer.assign(
            [
                TopicPartition(self._topic.name, partition, offset)
                for partition, offset in wanted.items()
            ]
        )

    def _fetch(self, share: int) -> None:
        """Fetch until each partition has its share, or all there is. What has come already is not waited for."""
        self._keep(self._arrived(0))
        short = [partition for partition, ahead in self._ahead.items() if ahead.events < share]
        if not short or sum(ahead.events for ahead in self._ahead.values()) * 2 >= share * len(
            self._ahead
        ):
            return
        ends = end_offsets(self._admin, self._topic, short)
        deadline = time.monotonic() + READ_SECONDS_MAX
        while any(
            self._ahead[partition].events < share and self._ahead[partition].next_offset < end
            for partition, end in ends.items()
        ):
            if time.monotonic() > deadline:
                raise Backpressure("Kafka does not deliver what it has")
            self._keep(self._arrived(TURN_SECONDS))

    def _arrived(self, timeout_seconds: float) -> list[Any]:
        """The messages that are there, waiting for a first one. (`consume` alone would wait for all of them.)"""
        first = self._consumer.poll(timeout_seconds)
        if first is None:
            return []
        return [first, *self._consumer.consume(MESSAGES_A_TURN, 0)]

    def _keep(self, messages: Iterable[Any]) -> None:
        for message in messages:
            error = message.error()
            if error is not None:
                if error.code() in {KafkaError._PARTITION_EOF, KafkaError._ALL_BROKERS_DOWN}:
                    continue
                raise Backpressure(f"Kafka cannot be read: {error}")
            ahead = self._ahead.get(message.partition())
            # Messages of an assignment before this one may still come.
            if ahead is not None and message.offset() >= ahead.next_offset:
                ahead.add(record_of(message))
