"""The metering step of a worker cycle: columns, duplicates, metrics, partial sums, one fenced transaction.

The transaction, in order: 0 through the turnstile; 1 new ids into the seen index; 2 partial sums of the writer's
slot; 3 what matched no metric, what was parked, and whose usage changed; 4 the offsets, under their epochs. All or
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl
import psycopg
import structlog

from meterline.core.metric import BillableMetric
from meterline.metering import columns, parking, sql
from meterline.metering.compile import wanted_properties
from meterline.metering.costs import StepCosts
from meterline.metering.fold import HOUR_MICROSECONDS, Folded, fold
from meterline.metering.metrics import live_metrics
from meterline.metering.seen import SeenIndex
from meterline.metering.turnstile import MustBeAlone, Turnstile
from meterline.metering.usage_writer import UsageWriter
from meterline.store import routing
from meterline.stream.crash import point
from meterline.stream.cycle import Move
from meterline.stream.errors import Backpressure, Fenced, Indeterminate
from meterline.stream.log import Record

logger = structlog.get_logger()

# The batch statements look ids up one by one in large indexes; scanning those must never seem cheaper, whatever
# stale statistics say. A transaction that stops half-way must not hold its locks for long.
OPTIONS = (
    "-c role=meterline_pipeline -c timezone=UTC -c jit=off -c synchronous_commit=on"
    " -c enable_seqscan=off -c enable_bitmapscan=off -c statement_timeout=60s"
    " -c idle_in_transaction_session_timeout=10s -c temp_buffers=32MB -c work_mem=32MB"
)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as columns, with the metrics it is to be folded by."""

    records: Sequence[Record]
    columns: columns.Columns
    metrics: dict[int, list[BillableMetric]]


class MeteringSink:
    """Derives usage from records. `prepare` runs on the reading thread, `commit` on the committing one."""

    def __init__(
        self,
        url: str,
        writer: int,
        seen: SeenIndex,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._catalogue = psycopg.connect(
            url, autocommit=True, options=OPTIONS, application_name="metering"
        )
        self._connection = psycopg.connect(
            url, autocommit=True, options=OPTIONS, application_name="metering"
        )
        self._connection.execute(sql.CREATE_STAGING)
        self._seen = seen
        self._writer = writer
        self._clock = clock
        self.costs = StepCosts()
        self._usage = UsageWriter(writer, self.costs)
        self._turnstile = Turnstile()

    def close(self) -> None:
        self._catalogue.close()
        self._connection.close()

    def prepare(self, records: Sequence[Record]) -> Batch:
        """Decode the records to the columns that their environments' live metrics need."""
        point("cycle:read")
        with self._outages():
            batch = self._decode(records)
        point("cycle:prepared")
        return batch

    def commit(self, prepared: Batch, moves: Sequence[Move]) -> None:
        """Commit the batch and the moves. Raises Fenced, Backpressure or Indeterminate."""
        events = prepared.columns.frame
        alone = self._turnstile.is_for_one(events)
        try:
            self._commit(prepared, moves, alone=alone)
        except MustBeAlone:
            self._commit(prepared, moves, alone=True)
        self._usage.committed()

    def commit_singly(self, records: Sequence[Record], moves: Sequence[Move]) -> None:
        """Commit event by event, each in a savepoint, parking those that fail."""
        now = self._clock()
        with self._committing(moves):
            routing.enter(self._connection, alone=True)
            for record in records:
                for line in record.value.split(b"\n"):
                    single = replace(record, events=1, value=line)
                    try:
                        with self._connection.transaction():
                            self._connection.execute(sql.EMPTY_STAGING)
                            self._derive(self._decode([single]), now)
                    except Exception as error:  # the reason is kept with the event
                        if _is_outage(error):
                            raise
                        logger.exception("event_parked", partition=record.partition)
                        parking.park_line(self._connection, single, f"{error!r}", now)

    def _commit(self, prepared: Batch, moves: Sequence[Move], *, alone: bool) -> None:
        with self._committing(moves):
            with self.costs.step("turnstile"):
                self._turnstile.enter(self._connection, prepared.columns.frame, alone=alone)
            self._derive(prepared, self._clock())

    @contextmanager
    def _committing(self, moves: Sequence[Move]) -> Iterator[None]:
        """The cycle's transaction: the block, then the moves."""
        with self._outages():
            with self._connection.transaction():
                yield
                self._move(moves)
                point("cycle:moved")
                started = self.costs.start()
            self.costs.stop("commit", started)
        point("cycle:committed")
        self.costs.events += sum(move.events for move in moves)
        self.costs.cycles += 1

    @contextmanager
    def _outages(self) -> Iterator[None]:
        """Tell what the store could not do from what was wrong with the batch."""
        try:
            yield
        except psycopg.OperationalError as error:
            if not _is_outage(error):
                raise
            if self._connection.broken:
                raise Indeterminate(f"the answer of COMMIT was lost: {error}") from error
            raise Backpressure(f"the store does not answer: {error}") from error

    def _decode(self, records: Sequence[Record]) -> Batch:
        with self.costs.step("metrics"):
            metrics = live_metrics(self._catalogue, {record.environment_id for record in records})
        with self.costs.step("decode"):
            wanted = wanted_properties(metric for one in metrics.values() for metric in one)
            return Batch(records, columns.decode(records, wanted), metrics)

    def _derive(self, prepared: Batch, now: datetime) -> None:
        events = prepared.columns.frame
        with self.costs.step("seen"):
            new = self._seen.admit(self._connection, events, now)
            admitted = events if new.all() else events.filter(pl.Series(new))
        self.costs.duplicates += events.height - admitted.height
        point("cycle:seen")
        with self.costs.step("fold"):
            folded = {
                environment_id: fold(_of(admitted, environment_id, prepared), metrics)
                for environment_id, metrics in prepared.metrics.items()
            }
        self._usage.write(
            self._connection,
            [(environment, part) for environment, one in folded.items() for part in one.sums],
        )
        with self.costs.step("touch"):
            self._write_unmatched(folded)
            self._write_touches(admitted, prepared)
            parking.park(self._connection, prepared.records, prepared.columns, folded, now)
        point("cycle:added")

    def _write_unmatched(self, folded: dict[int, Folded]) -> None:
        unmatched = [
            (environment_id, *row)
            for environment_id, one in folded.items()
            for row in one.unmatched.iter_rows()
        ]
        if unmatched:
            environments, event_types, days, events = zip(*sorted(unmatched), strict=True)
            self._connection.execute(
                sql.ADD_UNMATCHED,
                {
                    "environments": list(environments),
                    "event_types": list(event_types),
                    "days": list(days),
                    "events": list(events),
                    "writer": self._writer,
                },
            )

    def _write_touches(self, admitted: pl.DataFrame, prepared: Batch) -> None:
        """Tell the spend stage whose usage changed. One row an environment, however many customers."""
        for environment_id in prepared.metrics:
            touched = (
                _of(admitted, environment_id, prepared)
                .with_columns((pl.col("timestamp") // HOUR_MICROSECONDS).alias("hour"))
                .group_by("customer_id")
                .agg(
                    pl.len(),
                    pl.col("hour").min().alias("first_hour"),
                    pl.col("hour").max().alias("last_hour"),
                )
            )
            if touched.height:
                self._connection.execute(
                    sql.TOUCH,
                    {
                        "environment_id": environment_id,
                        "ingest_keys": touched["customer_id"].to_list(),
                        "events": touched["len"].to_list(),
                        "first_hours": touched["first_hour"].to_list(),
                        "last_hours": touched["last_hour"].to_list(),
                        "appended_at": min(
                            record.appended_at
                            for record in prepared.records
                            if record.environment_id == environment_id
                        ),
                    },
                )

    def _move(self, moves: Sequence[Move]) -> None:
        moved: psycopg.Cursor[Any] = self._connection.execute(
            sql.MOVE,
            {
                "partitions": [move.partition for move in moves],
                "epochs": [move.epoch for move in moves],
                "expected": [move.expected for move in moves],
                "next": [move.next for move in moves],
                "events": [move.events for move in moves],
                "positions": [move.position_at for move in moves],
            },
        )
        if moved.rowcount != len(moves):
            raise Fenced(
                f"{len(moves) - moved.rowcount} of {len(moves)} partitions have another owner"
            )


def _is_outage(error: Exception) -> bool:
    """Whether PostgreSQL was away, rather than the batch too large for it (SQLSTATE class 54), at every try."""
    return isinstance(error, psycopg.OperationalError) and not isinstance(
        error, psycopg.errors.ProgramLimitExceeded
    )


def _of(events: pl.DataFrame, environment_id: int, prepared: Batch) -> pl.DataFrame:
    """The events of one environment; nearly always there is but one."""
    if len(prepared.metrics) == 1:
        return events
    return events.filter(pl.col("environment_id") == environment_id)
