"""What benchmarks of single stages stand on: a server of their own, and usage written as a worker would have."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from meterline.core.metric import BillableMetric
from meterline.metering.series import group_hash, ingest_key_hash
from meterline.store.embedded import EmbeddedPostgres
from meterline.store.migrate import migrate
from meterline.store.partitions import ensure_partitions

Bucket = tuple[str, int, int]
"""A row of the rollup: its grain, its first hour, and the quantity."""

_STAGING = "CREATE TEMPORARY TABLE staged (LIKE usage_series) ON COMMIT DROP"
_ROLLED_UP = """
INSERT INTO usage_rollup (environment_id, series_id, grain, hour, fold, quantity)
SELECT environment_id, series_id, grain, hour, 's', quantity
  FROM staged, unnest(%(grains)s::"char"[], %(hours)s::integer[], %(quantities)s::integer[])
               AS bucket (grain, hour, quantity)
 ORDER BY series_id, grain, hour
"""


@contextmanager
def server() -> Iterator[str]:
    """The URL of a fresh server with the schema, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="meterline-bench-"))
    folder.chmod(0o755)
    postgres = EmbeddedPostgres(folder / "data")
    postgres.start()
    try:
        migrate(postgres.url)
        ensure_partitions(postgres.url, datetime.now(UTC))
        yield postgres.url
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def alias(number: int) -> str:
    """The ingest alias that the copied customer of a number has."""
    return f"customer-{number:05d}"


def model(number: int) -> str:
    """A value of the metrics' group property."""
    return f"model-{number}"


def stage_series(
    connection: psycopg.Connection[Any],
    environment_id: int,
    measured: Sequence[BillableMetric],
    *,
    customers: int,
    models: int,
) -> None:
    """Make the series of every customer, metric and model; those of this transaction are in `staged`."""
    places = [
        (second, str(metric.id), msgspec.json.encode({"model": value}).decode())
        for metric in measured
        for value in map(model, range(models))
        for second in [group_hash(metric.id, [value])]
    ]
    connection.execute(_STAGING)
    with connection.cursor().copy("COPY staged FROM STDIN") as copy:
        for number in range(customers):
            first = ingest_key_hash(environment_id, alias(number))
            for second, metric_id, values in places:
                series_id = UUID(bytes=first + second)
                copy.write_row((environment_id, series_id, alias(number), metric_id, values))
    connection.execute("INSERT INTO usage_series SELECT * FROM staged ORDER BY series_id")


def roll_up(connection: psycopg.Connection[Any], buckets: Sequence[Bucket]) -> None:
    """Give every series that is staged these buckets."""
    grains, hours, quantities = zip(*buckets, strict=True)
    values = {"grains": list(grains), "hours": list(hours), "quantities": list(quantities)}
    connection.execute(_ROLLED_UP, values)
