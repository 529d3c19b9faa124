"""A metering worker: leases a slot, cycles until stopped, and starts over after an outage or a fence.

Nothing survives from one run to the next: the offsets in PostgreSQL say where to go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol
from uuid import UUID

import psycopg
import structlog

from meterline.metering.seen import PostgresSeen
from meterline.metering.sink import MeteringSink
from meterline.store.ownership import WorkerLease, wait_before_retry
from meterline.stream.cycle import Cycle, Pace
from meterline.stream.errors import Backpressure, Fenced, Indeterminate
from meterline.stream.log import LogReader

logger = structlog.get_logger()

# How often the worker tells what its steps cost.
REPORT_SECONDS = 5.0


class OpenReader(Protocol):
    """Opens a reader of the log."""

    def __call__(self) -> LogReader: ...


def run_worker(
    url: str,
    open_reader: OpenReader,
    *,
    new_id: Callable[[], UUID],
    stopping: Callable[[], bool],
    pace: Pace,
) -> None:
    """Meter until `stopping`. An outage of PostgreSQL is waited out; a fence means starting over as a stranger."""
    attempt = 0
    while not stopping():
        try:
            _run_once(url, open_reader, new_id(), stopping, pace)
            attempt = 0
        except Fenced as fenced:
            logger.warning("fenced", reason=str(fenced))
            attempt = 0
        except (psycopg.Error, Backpressure, Indeterminate) as outage:
            logger.warning("outage", reason=str(outage), attempt=attempt)
            wait_before_retry(attempt)
            attempt += 1


def _run_once(
    url: str,
    open_reader: OpenReader,
    worker_id: UUID,
    stopping: Callable[[], bool],
    pace: Pace,
) -> None:
    reader = open_reader()
    try:
        lease = WorkerLease(url, worker_id, partitions=len(reader.ends()))
        try:
            _meter(url, reader, lease, stopping, pace)
        finally:
            lease.leave()
    finally:
        reader.close()


def _meter(
    url: str,
    reader: LogReader,
    lease: WorkerLease,
    stopping: Callable[[], bool],
    pace: Pace,
) -> None:
    sink = MeteringSink(url, lease.slot, PostgresSeen())
    reported_at = time.monotonic()

    def stopping_and_reporting() -> bool:
        nonlocal reported_at
        if time.monotonic() - reported_at >= REPORT_SECONDS:
            reported_at = time.monotonic()
            _report(lease.slot, sink)
        return stopping()

    try:
        Cycle(reader, sink, lease, pace).run(stopping_and_reporting)
    finally:
        _report(lease.slot, sink)
        sink.close()


def _report(slot: int, sink: MeteringSink) -> None:
    costs = sink.costs
    if costs.cycles:
        logger.info(
            "costs",
            slot=slot,
            events=costs.events,
            duplicates=costs.duplicates,
            cycles=costs.cycles,
            wall={name: round(seconds, 4) for name, seconds in costs.wall.items()},
            cpu={name: round(seconds, 4) for name, seconds in costs.cpu.items()},
        )
