"""What is in the topic and not consumed yet."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from confluent_kafka.admin import AdminClient

from meterline.log.kafka.lookup import KafkaRecordLookup
from meterline.log.kafka.topic import Topic, end_offsets
from meterline.stream.log import Backlog, Mark

NOTHING = Mark()


class KafkaLogBacklog:
    """Asks the brokers. Kafka counts records, so events are estimated; 0 is exact. Open with `async with`."""

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._admin = AdminClient(topic.client())
        self._lookup = KafkaRecordLookup(topic)

    async def __aenter__(self) -> KafkaLogBacklog:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._lookup.__aexit__()

    async def behind(self, marks: Mapping[int, Mark]) -> list[Backlog]:
        ends = await asyncio.to_thread(end_offsets, self._admin, self._topic)
        lagging = {
            partition: mark.offset
            for partition, end in ends.items()
            if (mark := marks.get(partition, NOTHING)).offset < end
        }
        oldest = await self._lookup.first_after(lagging) if lagging else {}
        return [
            Backlog(
                partition,
                end,
                _events(end, marks.get(partition, NOTHING)),
                oldest[partition].appended_at if partition in oldest else None,
            )
            for partition, end in sorted(ends.items())
        ]


def _events(end: int, mark: Mark) -> int:
    """The records behind a mark, times the events that a record held so far; at least one each."""
    records = max(0, end - mark.offset)
    if not mark.offset:
        return records
    return max(records, records * mark.events // mark.offset)
