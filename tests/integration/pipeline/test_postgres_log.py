"""What an append in PostgreSQL says when it cannot, and that nothing was kept when it says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from tests.support.roles import Tokens, events_kept

from meterline.log.postgres import PostgresLogWriter, create_partitions
from meterline.stream.errors import Backpressure, Indeterminate
from meterline.stream.log import NewRecord

RECORDS = [NewRecord(1, 0, 1, b"a"), NewRecord(1, 1, 2, b"b\nc")]


def append(url: str) -> None:
    async def once() -> None:
        async with PostgresLogWriter(url) as log:
            await log.append(RECORDS)

    asyncio.run(once())


@contextmanager
def locked_partition(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Partition 1 is held by somebody who does not let go."""
    with (
        psycopg.connect(url, options="-c role=meterline_pipeline") as connection,
        connection.transaction(force_rollback=True),
    ):
        connection.execute("SELECT 1 FROM log_partition WHERE partition = 1 FOR UPDATE")
        yield connection


def test_without_a_partition_of_time_it_refuses(database_url: str, tokens: Tokens) -> None:
    name = f"log_record_p{datetime.now(UTC):%Y%m%d}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"ALTER TABLE log_record DETACH PARTITION {name}".encode())
    with pytest.raises(Backpressure):
        append(database_url)
    assert events_kept(database_url) == 0


def test_behind_a_lock_it_refuses_in_time_and_goes_on_later(
    database_url: str, tokens: Tokens
) -> None:
    with locked_partition(database_url):
        began = time.monotonic()
        with pytest.raises(Backpressure):
            append(database_url)
        assert time.monotonic() - began < 8
    assert events_kept(database_url) == 0
    append(database_url)
    assert events_kept(database_url) == 3


def test_when_its_session_is_ended_nobody_knows(database_url: str, tokens: Tokens) -> None:
    async def ended() -> None:
        async with PostgresLogWriter(database_url) as log:
            appending = asyncio.create_task(log.append(RECORDS))
            await asyncio.to_thread(_end_session_waiting_for_lock, database_url)
            with pytest.raises(Indeterminate):
                await appending

    with locked_partition(database_url):
        asyncio.run(ended())
    assert events_kept(database_url) == 0


def _end_session_waiting_for_lock(url: str) -> None:
    deadline = time.monotonic() + 4
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchall()
            if ended:
                return
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_an_unknown_partition_is_a_fault_of_the_program(database_url: str, tokens: Tokens) -> None:
    async def once() -> None:
        async with PostgresLogWriter(database_url) as log:
            await log.append([NewRecord(1, 99, 1, b"a")])

    with pytest.raises(RuntimeError, match="appended 0 of 1"):
        asyncio.run(once())


@pytest.mark.parametrize("partitions", [1, 3, 8, 20])
def test_the_number_of_partitions_is_chosen_once(
    database_url: str, tokens: Tokens, partitions: int
) -> None:
    with psycopg.connect(
        database_url, autocommit=True, options="-c role=meterline_pipeline"
    ) as connection:
        create_partitions(connection, partitions)
        assert connection.execute("SELECT count(*) FROM log_partition").fetchone() == (8,)


def test_a_log_without_partitions_cannot_be_opened(database_url: str) -> None:
    async def once() -> None:
        async with PostgresLogWriter(database_url):
            raise AssertionError("it was opened")

    with pytest.raises(RuntimeError, match="no partitions"):
        asyncio.run(once())
