"""A topic grows by partitions, in place."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from confluent_kafka.admin import AdminClient

from meterline.log.kafka.topic import Topic, end_offsets, grow_topic


@dataclass(frozen=True, slots=True)
class GrowingKafkaLog:
    """The log in a topic."""

    topic: Topic

    @property
    def name(self) -> str:
        return f"kafka topic {self.topic.name}"

    async def grow(self, partitions: int) -> None:
        await asyncio.to_thread(grow_topic, self.topic, partitions)

    async def ends(self) -> dict[int, int]:
        admin = AdminClient(self.topic.client())
        return await asyncio.to_thread(end_offsets, admin, self.topic)
