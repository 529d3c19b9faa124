"""Appending to Kafka: an idempotent producer, and an answer only when every replica in sync has the records.

Unlike PostgreSQL's, an append over several partitions that fails may be kept in part. It is then Indeterminate, nobody
is told that it worked, and what was kept is recognised as a duplicate when its sender tries again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from meterline.log.kafka.topic import METADATA_SECONDS_MAX, Topic, count_partitions
from meterline.log.kafka.wire import headers
from meterline.stream.crash import point
from meterline.stream.errors import Backpressure, Indeterminate
from meterline.stream.log import NewRecord

# As long as the PostgreSQL log may take: a client that waits longer has gone.
DELIVERY_MILLISECONDS_MAX = 5_000
POLL_SECONDS = 0.1
MESSAGE_BYTES_MAX = 16 * 1024 * 1024
# What requests hold is bounded by group commit; this only has to be more than that.
QUEUE_KILOBYTES = 256 * 1024


class KafkaLogWriter:
    """Appends from one event loop. Open with `async with`."""

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._partitions = 0
        self._producer: Producer | None = None
        self._closing = threading.Event()
        self._poller: threading.Thread | None = None

    async def __aenter__(self) -> KafkaLogWriter:
        admin = AdminClient(self._topic.client())
        self._partitions = await asyncio.to_thread(count_partitions, admin, self._topic)
        if self._partitions == 0:
            raise RuntimeError(f"there is no topic {self._topic.name}: run `meterline migrate`")
        self._producer = self._new_producer()
        self._poller = threading.Thread(target=self._poll, name="kafka-deliveries", daemon=True)
        self._poller.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        if self._poller is not None:
            await asyncio.to_thread(self._poller.join)
        if self._producer is not None:
            await asyncio.to_thread(self._producer.flush, DELIVERY_MILLISECONDS_MAX / 1000)

    @property
    def partitions(self) -> int:
        return self._partitions

    async def route_over(self, partitions: int) -> None:
        """Have `partitions` from here on: they exist. Raises Backpressure when no broker answers."""
        assert self._producer is not None, "the writer is open"
        # The producer learns of them at once, rather than at its next look.
        await asyncio.to_thread(self._producer.list_topics, self._topic.name, METADATA_SECONDS_MAX)
        self._partitions = partitions

    async def append(self, records: Sequence[NewRecord]) -> None:
        """Keep the records on every replica in sync. Raises Backpressure or Indeterminate."""
        if any(record.events < 1 for record in records):
            raise ValueError("a record holds at least one event")
        if any(not 0 <= record.partition < self._partitions for record in records):
            raise ValueError("a record is bound for a partition that the log does not have")
        producer = self._producer
        assert producer is not None, "the writer is open"
        point("append:before")
        deliveries = _Deliveries(asyncio.get_running_loop())
        refused = self._send(producer, records, deliveries)
        failure = await deliveries.all_done() if deliveries.sent else None
        if refused is not None and not deliveries.sent:
            raise Backpressure(f"the log does not accept events: {refused}")
        if refused is not None or failure is not None:
            raise Indeterminate(f"the log's answer was lost: {failure or refused}")
        point("append:after")

    def _send(
        self, producer: Producer, records: Sequence[NewRecord], deliveries: _Deliveries
    ) -> Exception | None:
        """Hand the records to the producer; return what made it stop before the last one."""
        try:
            for record in records:
                producer.produce(
                    self._topic.name,
                    record.value,
                    partition=record.partition,
                    headers=headers(record),
                    on_delivery=deliveries.delivered,
                )
                deliveries.sent += 1
        except (BufferError, KafkaException) as error:
            return error
        finally:
            deliveries.sealed = True
        return None

    def _poll(self) -> None:
        """Serve delivery reports."""
        while not self._closing.is_set():
            producer = self._producer
            assert producer is not None
            producer.poll(POLL_SECONDS)

    def _new_producer(self) -> Producer:
        return Producer(
            self._topic.client(
                {
                    "enable.idempotence": True,
                    "acks": "all",
                    # Group commit has gathered already; waiting again would only add to every answer.
                    "linger.ms": 0,
                    "compression.type": self._topic.options.get("compression.type", "lz4"),
                    "delivery.timeout.ms": DELIVERY_MILLISECONDS_MAX,
                    "message.max.bytes": MESSAGE_BYTES_MAX,
                    "queue.buffering.max.kbytes": QUEUE_KILOBYTES,
                }
            )
        )


class _Deliveries:
    """What became of the records of one append. Reports come in the polling thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._done: asyncio.Future[None] = loop.create_future()
        self._reports = 0
        self._failure: Any = None
        self._lock = threading.Lock()
        self.sent = 0
        self.sealed = False

    def delivered(self, error: Any, _: Any) -> None:
        with self._lock:
            self._reports += 1
            self._failure = self._failure or error
        self._look()

    async def all_done(self) -> Any:
        """Return once every record sent has its report: the first failure, or None."""
        self._look()
        await self._done
        return self._failure

    def _look(self) -> None:
        with self._lock:
            complete = self.sealed and self._reports >= self.sent
        if complete:
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self._done.done():
            self._done.set_result(None)
