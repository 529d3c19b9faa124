"""The event log in PostgreSQL: the default, where one machine is enough.

A partition is a counter row and rows of log_record. Appending moves the counters and inserts the records in one
statement, so one round trip and one commit keep a whole group of requests. Values are compressed with zstd here;
nobody else sees the compressed form.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any

import psycopg
import zstandard
from psycopg import errors
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from meterline.log import sql
from meterline.stream.crash import point
from meterline.stream.errors import Backpressure, Indeterminate
from meterline.stream.log import NewRecord, PartitionEnd, Position, Record

CHANNEL = "meterline_log"
# Level 1: the events of a record repeat each other's keys, and higher levels cost more than they save.
ZSTD_LEVEL = 1
# A waiting reader is woken at most this often: its cycle takes longer anyway, and each notice costs a round trip.
NOTIFY_INTERVAL_SECONDS = 0.02
# One partition's share of a read, in records: bounds what the window function below it has to look at.
RECORDS_LIMIT = 4_000
# Refuse rather than queue behind a log that does not answer. The server rolls back at the first limit.
# Durable before it is acknowledged, whatever the server's own default is.
_OPTIONS = "-c role=meterline_pipeline -c timezone=UTC -c jit=off -c synchronous_commit=on"
APPEND_OPTIONS = f"{_OPTIONS} -c statement_timeout=5s"
READ_OPTIONS = f"{_OPTIONS} -c statement_timeout=30s"


class PostgresLogWriter:
    """Appends from one event loop. Open with `async with`."""

    def __init__(self, url: str) -> None:
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            url,
            kwargs={
                "autocommit": True,
                "options": APPEND_OPTIONS,
                "row_factory": tuple_row,
                "application_name": "log append",
            },
            min_size=2,
            max_size=2,  # one appends, one notifies
            open=False,
            timeout=2,
        )
        self._compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
        self._partitions = 0
        self._notified_at = 0.0

    async def __aenter__(self) -> PostgresLogWriter:
        await self._pool.open()
        try:
            async with self._pool.connection(timeout=30) as connection:
                cursor = await connection.execute(sql.ROUTED_OVER)
                row = await cursor.fetchone()
            self._partitions = int(row[0]) if row else 0
            if self._partitions == 0:
                raise RuntimeError(
                    "the log has no partitions: run the migrations and `create_partitions`"
                )
        except BaseException:
            await self._pool.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    @property
    def partitions(self) -> int:
        return self._partitions

    async def route_over(self, partitions: int) -> None:
        """Have `partitions` from here on: they exist."""
        self._partitions = partitions

    async def append(self, records: Sequence[NewRecord]) -> None:
        """Keep the records in one commit. Raises Backpressure or Indeterminate."""
        arguments = {
            "environments": [record.environment_id for record in records],
            "partitions": [record.partition for record in records],
            "events": [record.events for record in records],
            "values": [self._compressor.compress(record.value) for record in records],
        }
        point("append:before")
        sent = False
        try:
            async with self._pool.connection() as connection:
                sent = True
                cursor = await connection.execute(sql.APPEND, arguments, binary=True)
        except (errors.OperationalError, errors.CheckViolation, PoolTimeout) as error:
            # An error with a SQLSTATE came from the server, which then rolled back: disk full, no time partition,
            # cancelled, shutting down. Without one the connection broke, and what was sent may have been kept.
            state = getattr(error, "sqlstate", None)
            if sent and (state is None or state.startswith("57P")):
                raise Indeterminate(f"the log's answer was lost: {error}") from error
            raise Backpressure(f"the log does not accept events: {error}") from error
        if cursor.rowcount != len(records):
            raise RuntimeError(f"appended {cursor.rowcount} of {len(records)} records")
        point("append:after")
        await self._notify()

    async def _notify(self) -> None:
        """Wake the readers. Lossy by intent: they look by themselves soon after."""
        now = time.monotonic()
        if now - self._notified_at < NOTIFY_INTERVAL_SECONDS:
            return
        self._notified_at = now
        with contextlib.suppress(psycopg.Error, PoolTimeout):
            async with self._pool.connection() as connection:
                await connection.execute("NOTIFY " + CHANNEL)

    async def fetch(self, environment_id: int, places: Sequence[tuple[int, int]]) -> list[Record]:
        """Return the records of `environment_id` at (partition, offset), those that are still kept."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                sql.FETCH,
                {
                    "partitions": [partition for partition, _ in places],
                    "offsets": [offset for _, offset in places],
                },
                binary=True,
            )
            rows = await cursor.fetchall()
        decompressor = zstandard.ZstdDecompressor()
        return [_record(row, decompressor) for row in rows if row[0] == environment_id]


class PostgresLogReader:
    """Reads from one thread."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(
            url,
            autocommit=True,
            options=READ_OPTIONS,
            row_factory=tuple_row,
            application_name="log read",
        )
        self._connection.execute("LISTEN " + CHANNEL)
        self._decompressor = zstandard.ZstdDecompressor()

    def ends(self) -> list[PartitionEnd]:
        return [PartitionEnd(*row) for row in self._connection.execute(sql.ENDS)]

    def read(self, positions: Sequence[Position], *, events_limit: int) -> list[Record]:
        if not positions:
            return []
        rows = self._connection.execute(
            sql.READ,
            {
                "partitions": [position.partition for position in positions],
                "offsets": [position.offset for position in positions],
                "since": [position.appended_at for position in positions],
                "records_limit": RECORDS_LIMIT,
                "events_limit": max(1, events_limit // len(positions)),
            },
            binary=True,
        ).fetchall()
        return [_record(row, self._decompressor) for row in rows]

    def wait(self, timeout_seconds: float) -> None:
        for _ in self._connection.notifies(timeout=timeout_seconds, stop_after=1):
            pass

    def close(self) -> None:
        self._connection.close()


def _record(row: tuple[Any, ...], decompressor: zstandard.ZstdDecompressor) -> Record:
    environment_id, partition, offset, events, appended_at, value = row
    return Record(
        environment_id, partition, offset, events, appended_at, decompressor.decompress(value)
    )


def create_partitions(connection: psycopg.Connection[Any], partitions: int) -> None:
    """Give a new log its partitions, and route over them; one that has some is left as it is."""
    existing = connection.execute(sql.COUNT_PARTITIONS).fetchone()
    if existing is not None and existing[0] == 0:
        connection.execute(sql.CREATE_PARTITIONS, {"partitions": partitions})
        connection.execute(sql.BEGIN_ROUTING, {"partitions": partitions})
