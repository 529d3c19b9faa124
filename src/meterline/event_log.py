"""Which log the settings name, and how each role opens it. With `wiring`, the only place that knows the adapters."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from meterline.services.growth import GrowingLog
from meterline.settings import Settings
from meterline.stream.log import LogBacklog, LogReader, LogWriter, RecordLookup


@dataclass(frozen=True, slots=True)
class EventLog:
    """The log of an installation. `create` gives a new one its partitions and leaves an existing one as it is."""

    create: Callable[[], None]
    open_writer: Callable[[], AbstractAsyncContextManager[LogWriter]]
    open_lookup: Callable[[], AbstractAsyncContextManager[RecordLookup]]
    open_backlog: Callable[[], AbstractAsyncContextManager[LogBacklog]]
    open_reader: Callable[[], LogReader]
    growing: Callable[[], GrowingLog]


def event_log(settings: Settings) -> EventLog:
    """Return Kafka's log where one is set, else PostgreSQL's. Connects to nothing yet."""
    return _in_postgres(settings) if settings.kafka is None else _in_kafka(settings)


def _in_postgres(settings: Settings) -> EventLog:
    import psycopg

    from meterline.log.postgres import PostgresLogReader, PostgresLogWriter, create_partitions
    from meterline.log.postgres_backlog import PostgresLogBacklog
    from meterline.log.postgres_growth import GrowingPostgresLog

    url = settings.database_url

    def create() -> None:
        with psycopg.connect(
            url, autocommit=True, options="-c role=meterline_pipeline"
        ) as connection:
            create_partitions(connection, settings.log_partitions)

    return EventLog(
        create,
        open_writer=lambda: PostgresLogWriter(url),
        open_lookup=lambda: PostgresLogWriter(url),
        open_backlog=lambda: PostgresLogBacklog(url),
        open_reader=lambda: PostgresLogReader(url),
        growing=lambda: GrowingPostgresLog(url),
    )


def _in_kafka(settings: Settings) -> EventLog:
    from meterline.log.kafka.backlog import KafkaLogBacklog
    from meterline.log.kafka.growth import GrowingKafkaLog
    from meterline.log.kafka.lookup import KafkaRecordLookup
    from meterline.log.kafka.reader import KafkaLogReader
    from meterline.log.kafka.topic import Topic, create_topic
    from meterline.log.kafka.writer import KafkaLogWriter

    assert settings.kafka is not None
    topic = Topic(settings.kafka, settings.kafka_topic, settings.kafka_options)
    return EventLog(
        create=lambda: create_topic(topic, settings.log_partitions),
        open_writer=lambda: KafkaLogWriter(topic),
        open_lookup=lambda: KafkaRecordLookup(topic),
        open_backlog=lambda: KafkaLogBacklog(topic),
        open_reader=lambda: KafkaLogReader(topic),
        growing=lambda: GrowingKafkaLog(topic),
    )
