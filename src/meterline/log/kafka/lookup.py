"""Single records by place, for the search of events: a consumer of its own, turned to each place."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from meterline.log.kafka.topic import Topic, end_offsets
from meterline.log.kafka.wire import record_of
from meterline.stream.errors import Backpressure
from meterline.stream.log import Record

SECONDS_MAX = 5.0


class KafkaRecordLookup:
    """Finds records for any number of callers, one call at a time. Open with `async with`."""

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._turn = threading.Lock()
        self._admin = AdminClient(topic.client())
        self._consumer: Consumer | None = None

    async def __aenter__(self) -> KafkaRecordLookup:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._consumer is not None:
            await asyncio.to_thread(self._consumer.close)

    async def fetch(self, environment_id: int, places: Sequence[tuple[int, int]]) -> list[Record]:
        """Return the records of `environment_id` at (partition, offset), those that are still kept."""
        if not places:
            return []
        found = await asyncio.to_thread(self._fetch, places)
        return [record for record in found if record.environment_id == environment_id]

    async def first_after(self, offsets: Mapping[int, int]) -> dict[int, Record]:
        """Return the first record of each partition at or after its offset. There is one in each."""
        return await asyncio.to_thread(self._first_after, offsets)

    def _fetch(self, places: Sequence[tuple[int, int]]) -> list[Record]:
        ends = end_offsets(self._admin, self._topic)
        queues: dict[int, list[int]] = defaultdict(list)
        for partition, offset in sorted(set(places), reverse=True):
            if offset < ends.get(partition, 0):
                queues[partition].append(offset)
        found = []
        while queues:
            wanted = {partition: offsets.pop() for partition, offsets in queues.items()}
            records = self._first_after(wanted)
            found += [one for one in records.values() if one.offset == wanted[one.partition]]
            queues = {partition: offsets for partition, offsets in queues.items() if offsets}
        return found

    def _first_after(self, offsets: Mapping[int, int]) -> dict[int, Record]:
        with self._turn:
            try:
                return self._turned_to(self._open(), offsets)
            except KafkaException as error:
                raise Backpressure(f"Kafka does not answer: {error}") from error

    def _turned_to(self, consumer: Consumer, offsets: Mapping[int, int]) -> dict[int, Record]:
        """Assign the partitions, and take one message of each."""
        consumer.assign(
            [
                TopicPartition(self._topic.name, partition, offset)
                for partition, offset in offsets.items()
            ]
        )
        found: dict[int, Record] = {}
        deadline = time.monotonic() + SECONDS_MAX
        while len(found) < len(offsets):
            message = consumer.poll(0.1)
            if time.monotonic() > deadline:
                raise Backpressure("Kafka does not deliver what it has")
            if message is None:
                continue
            if message.error() is not None:
                raise Backpressure(f"Kafka cannot be read: {message.error()}")
            record = record_of(message)
            found.setdefault(record.partition, record)
        consumer.unassign()
        return found

    def _open(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(
                self._topic.client(
                    {
                        "group.id": f"{self._topic.name}-lookup",
                        "enable.auto.commit": False,
                        "auto.offset.reset": "earliest",
                        "isolation.level": "read_committed",
                        "fetch.wait.max.ms": 10,
                    }
                )
            )
        return self._consumer
