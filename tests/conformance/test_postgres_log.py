"""The log in PostgreSQL keeps what the protocol promises."""

from __future__ import annotations

import psycopg
import pytest
from tests.conformance.log import PARTITIONS, LogConformance, Logs

from meterline.log.postgres import PostgresLogReader, PostgresLogWriter, create_partitions


@pytest.fixture
def logs(database_url: str) -> Logs:
    with psycopg.connect(
        database_url, autocommit=True, options="-c role=meterline_pipeline"
    ) as connection:
        create_partitions(connection, PARTITIONS)
    return Logs(
        open_writer=lambda: PostgresLogWriter(database_url),
        open_reader=lambda: PostgresLogReader(database_url),
        open_lookup=lambda: PostgresLogWriter(database_url),
    )


class TestPostgresLog(LogConformance):
    """The whole suite."""
