"""Writes a batch's partial sums, as one writer, inside the cycle's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString

import msgspec
import polars as pl
import psycopg

from meterline.metering import sql
from meterline.metering.columns import property_column
from meterline.metering.costs import StepCosts
from meterline.metering.fold import PartialSums
from meterline.metering.series import KnownSeries, group_hash, ingest_key_hash


class UsageWriter:
    """Adds partial sums to the rows of one writer slot."""

    def __init__(self, writer: int, costs: StepCosts) -> None:
        self._writer = writer
        self._costs = costs
        self._known = KnownSeries()
        self._new: set[str] = set()

    def write(
        self,
        connection: psycopg.Connection[Any],
        sums: Sequence[tuple[int, PartialSums]],
    ) -> None:
        """Add the sums, each with its environment. `committed` must follow the commit."""
        contributions, members, series = [], [], []
        self._new = set()
        with self._costs.step("series"):
            for environment_id, part in sums:
                placed = with_series(environment_id, part)
                unknown = self._known.unknown(placed["series_id"].to_list())
                if unknown:
                    self._new |= unknown
                    series.append(_new_series(placed, part, unknown))
                if part.fold == "u":
                    members.append(placed.select("environment_id", "series_id", "hour", "member"))
                else:
                    contributions.append(_contributions(placed, part.fold))
        with connection.cursor() as cursor:
            if series:
                with self._costs.step("new series"):
                    _copy(cursor, sql.COPY_SERIES, pl.concat(series))
                    cursor.execute(sql.KEEP_SERIES)
            if contributions:
                # In the order of the index: neighbours are then written together.
                rows = pl.concat(contributions).sort("series_id", "hour")
                with self._costs.step("copy"):
                    _copy(cursor, sql.COPY_CONTRIBUTIONS, rows)
                with self._costs.step("upsert"):
                    cursor.execute(sql.ADD_CONTRIBUTIONS, {"writer": self._writer})
            if members:
                with self._costs.step("members"):
                    _copy(cursor, sql.COPY_MEMBERS, pl.concat(members))
                    cursor.execute(sql.ADD_MEMBERS, {"writer": self._writer})

    def committed(self) -> None:
        """The transaction of the last `write` is durable: its series are known from now on."""
        self._known.remember(self._new)


def with_series(environment_id: int, part: PartialSums) -> pl.DataFrame:
    """Add environment_id, series_id (hexadecimal) and group_values (JSON) to each row of `part`.

    Hashes once a distinct ingest key and once a distinct combination of group values.
    """
    frame, names = part.frame, part.metric.group_properties
    keys = frame.select(pl.col("customer_id").unique())
    keys = keys.with_columns(
        pl.Series(
            "first_half",
            [ingest_key_hash(environment_id, key).hex() for key in keys["customer_id"].to_list()],
            dtype=pl.String,
        )
    )
    columns = [property_column(name) for name in names]
    frame = frame.join(keys, on="customer_id", maintain_order="none")
    if not columns:
        frame = frame.with_columns(
            pl.lit(group_hash(part.metric.id, ()).hex()).alias("second_half"),
            pl.lit("{}").alias("group_values"),
        )
    else:
        groups = frame.select(columns).unique()
        rows = list(groups.iter_rows())
        groups = groups.with_columns(
            pl.Series("second_half", [group_hash(part.metric.id, row).hex() for row in rows]),
            pl.Series(
                "group_values",
                [msgspec.json.encode(dict(zip(names, row, strict=True))).decode() for row in rows],
            ),
        )
        frame = frame.join(groups, on=columns, nulls_equal=True, maintain_order="none")
    return frame.with_columns(
        pl.lit(environment_id, dtype=pl.Int32).alias("environment_id"),
        (pl.col("first_half") + pl.col("second_half")).alias("series_id"),
    )


def _new_series(placed: pl.DataFrame, part: PartialSums, unknown: set[str]) -> pl.DataFrame:
    return (
        placed.filter(pl.col("series_id").is_in(list(unknown)))
        .unique("series_id")
        .select(
            "environment_id",
            "series_id",
            pl.col("customer_id").alias("ingest_key"),
            pl.lit(str(part.metric.id)).alias("metric_id"),
            "group_values",
        )
    )


def _contributions(placed: pl.DataFrame, fold: str) -> pl.DataFrame:
    latest = "latest_at" in placed.columns
    return placed.select(
        "environment_id",
        "series_id",
        "hour",
        pl.lit(fold).alias("fold"),
        "quantity",
        (pl.col("latest_at") if latest else pl.lit(None, dtype=pl.Int64)).alias("latest_at"),
        (pl.col("latest_id").bin.encode("hex") if latest else pl.lit(None, dtype=pl.String)).alias(
            "latest_id"
        ),
    )


def _copy(cursor: psycopg.Cursor[Any], statement: LiteralString, rows: pl.DataFrame) -> None:
    """Send `rows` in COPY's CSV form: text is quoted, null is not, so that it is no empty string."""
    with cursor.copy(statement) as copy:
        copy.write(rows.write_csv(include_header=False, quote_style="non_numeric").encode())
