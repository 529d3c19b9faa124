"""The topic that is the log: where it is, how it is made, and how many partitions it has."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without saying so
    AdminClient,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)

from meterline.stream.errors import Backpressure

METADATA_SECONDS_MAX = 10.0
RETRY_SECONDS = 0.05

# Log append time: the age of a record is then the broker's to tell, and never falls within a partition.
TOPIC_SETTINGS = {
    "message.timestamp.type": "LogAppendTime",
    "cleanup.policy": "delete",
    "retention.ms": str(35 * 24 * 3600 * 1000),  # the window of duplicates, and a day
}


Setting = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Topic:
    """A cluster and the topic in it.

    `options`: librdkafka's settings as they are (SASL, TLS, client.rack, ...); they may hold a password.
    """

    bootstrap: str
    name: str = "meterline-events"
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def client(self, settings: Mapping[str, Setting] | None = None) -> dict[str, Setting]:
        """Return a client's settings. The operator's options go before ours, except what safety rests on."""
        return {
            "bootstrap.servers": self.bootstrap,
            "socket.keepalive.enable": True,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1000,
            # New partitions and new leaders are noticed soon: by default it takes minutes.
            "topic.metadata.refresh.interval.ms": 10_000,
            "log_level": 3,
            **self.options,
            **(settings or {}),
        }


def count_partitions(admin: AdminClient, topic: Topic) -> int:
    """Return the number of partitions, 0 where there is no topic. Raises Backpressure when no broker answers."""
    try:
        found = admin.list_topics(topic.name, timeout=METADATA_SECONDS_MAX).topics[topic.name]
    except KafkaException as error:
        raise Backpressure(f"Kafka does not answer: {error}") from error
    if found.error is not None and found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return 0
    if found.error is not None:
        raise Backpressure(f"the topic {topic.name} cannot be used: {found.error}")
    return len(found.partitions)


def end_offsets(
    admin: AdminClient, topic: Topic, partitions: Iterable[int] | None = None
) -> dict[int, int]:
    """Return the offset of the next record of these partitions (None: of all).

    Asks the leaders; while a leader changes they say so, which is no outage yet. Raises Backpressure for one.
    """
    asked = range(count_partitions(admin, topic)) if partitions is None else partitions
    latest = {TopicPartition(topic.name, one): OffsetSpec.latest() for one in asked}  # type: ignore[no-untyped-call]
    deadline = time.monotonic() + METADATA_SECONDS_MAX
    while latest:
        try:
            found = admin.list_offsets(latest, request_timeout=METADATA_SECONDS_MAX)
            return {
                place.partition: future.result(METADATA_SECONDS_MAX).offset
                for place, future in found.items()
            }
        except (KafkaException, TimeoutError) as error:
            if time.monotonic() > deadline:
                raise Backpressure(f"Kafka does not answer: {error}") from error
            time.sleep(RETRY_SECONDS)
    return {}


def grow_topic(topic: Topic, partitions: int) -> None:
    """Give the topic `partitions` partitions, and return once each has a leader. Never takes one away.

    Raises Backpressure when no broker answers, and KafkaException for what it refuses.
    """
    admin = AdminClient(topic.client())
    if count_partitions(admin, topic) < partitions:
        (grown,) = admin.create_partitions([NewPartitions(topic.name, partitions)]).values()
        grown.result(METADATA_SECONDS_MAX)
    deadline = time.monotonic() + METADATA_SECONDS_MAX
    while count_partitions(admin, topic) < partitions and time.monotonic() < deadline:
        time.sleep(RETRY_SECONDS)
    # By a client that knows nothing yet: one that knew fewer partitions asks again only at its next refresh.
    fresh = AdminClient(topic.client())
    count_partitions(fresh, topic)
    end_offsets(fresh, topic, range(partitions))


def create_topic(topic: Topic, partitions: int) -> None:
    """Make the topic unless there is one. Its replication factor is the brokers' default.

    Raises Backpressure when no broker answers, and KafkaException for what it refuses.
    """
    admin = AdminClient(topic.client())
    if count_partitions(admin, topic):
        return
    (made,) = admin.create_topics(
        [NewTopic(topic.name, partitions, config=TOPIC_SETTINGS)]
    ).values()
    try:
        made.result(METADATA_SECONDS_MAX)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
