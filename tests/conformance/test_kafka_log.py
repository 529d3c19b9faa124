"""The log in Kafka keeps what the protocol promises."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient
from tests.conformance.log import PARTITIONS, LogConformance, Logs

from meterline.log.kafka.lookup import KafkaRecordLookup
from meterline.log.kafka.reader import KafkaLogReader
from meterline.log.kafka.topic import Topic, create_topic
from meterline.log.kafka.writer import KafkaLogWriter


@pytest.fixture
def logs(kafka: str) -> Iterator[Logs]:
    topic = Topic(kafka, f"conformance-{uuid4().hex}")
    create_topic(topic, PARTITIONS)
    yield Logs(
        open_writer=lambda: KafkaLogWriter(topic),
        open_reader=lambda: KafkaLogReader(topic),
        open_lookup=lambda: KafkaRecordLookup(topic),
    )
    AdminClient(topic.client()).delete_topics([topic.name])


class TestKafkaLog(LogConformance):
    """The whole suite."""
