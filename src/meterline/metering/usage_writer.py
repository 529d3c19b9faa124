"""Writes a batch's partial sums, as one writer, inside the cycle's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import polars as pl
import psycopg

from meterline.metering import sql
from meterline.metering.columns import property_column
from meterline.metering.fold import PartialSums
from meterline.metering.series import KnownSeries, group_hash, ingest_key_hash


class UsageWriter:
    """Adds partial sums to the rows of one writer slot."""

    def __init__(self, writer: int) -> None:
        self._writer = writer
        self._known = KnownSeries()
        self._new: set[bytes] = set()

    def write(
        self,
        connection: psycopg.Connection[Any],
        sums: Sequence[tuple[int, PartialSums]],
    ) -> None:
        """Add the sums, each with its environment. `committed` must follow the commit."""
        contributions, members, series = [], [], []
        self._new = set()
        for environment_id, part in sums:
            ids = _series_ids(environment_id, part)
            unknown = self._known.unknown(ids)
            if unknown:
                self._new |= unknown
                series += _series_rows(environment_id, part, ids, unknown)
            placed = part.frame.with_columns(
                pl.lit(environment_id, dtype=pl.Int32).alias("environment_id"),
                pl.Series("series_id", ids, dtype=pl.Binary),
            )
            if part.fold == "u":
                members.append(placed.select("environment_id", "series_id", "hour", "member"))
            else:
                contributions.append(_contributions(placed, part.fold))
        with connection.cursor() as cursor:
            if series:
                _keep_series(cursor, series)
            if contributions:
                with cursor.copy(sql.COPY_CONTRIBUTIONS) as copy:
                    copy.write(_tab_separated(pl.concat(contributions)))
                cursor.execute(sql.ADD_CONTRIBUTIONS, {"writer": self._writer})
            if members:
                with cursor.copy(sql.COPY_MEMBERS) as copy:
                    for environment_id, identity, hour, member in pl.concat(members).iter_rows():
                        copy.write_row((environment_id, UUID(bytes=identity), hour, member))
                cursor.execute(sql.ADD_MEMBERS, {"writer": self._writer})

    def committed(self) -> None:
        """The transaction of the last `write` is durable: its series are known from now on."""
        self._known.remember(self._new)


def _series_ids(environment_id: int, part: PartialSums) -> list[bytes]:
    """The series of each row. Hashes once a distinct key and once a distinct combination of group values."""
    properties = [property_column(name) for name in part.metric.group_properties]
    keys = part.frame["customer_id"].to_list()
    first = {key: ingest_key_hash(environment_id, key) for key in set(keys)}
    if not properties:
        only = group_hash(part.metric.id, ())
        return [first[key] + only for key in keys]
    groups = list(zip(*(part.frame[name].to_list() for name in properties), strict=True))
    second = {values: group_hash(part.metric.id, values) for values in set(groups)}
    return [first[key] + second[values] for key, values in zip(keys, groups, strict=True)]


def _series_rows(
    environment_id: int, part: PartialSums, ids: list[bytes], unknown: set[bytes]
) -> list[tuple[int, UUID, str, UUID, str]]:
    names = part.metric.group_properties
    columns = [part.frame[property_column(name)].to_list() for name in names]
    keys = part.frame["customer_id"].to_list()
    rows = {}
    for place, identity in enumerate(ids):
        if identity in unknown and identity not in rows:
            values = {name: column[place] for name, column in zip(names, columns, strict=True)}
            group_values = msgspec.json.encode(values).decode()
            rows[identity] = (
                environment_id,
                UUID(bytes=identity),
                keys[place],
                part.metric.id,
                group_values,
            )
    return list(rows.values())


def _keep_series(cursor: psycopg.Cursor[Any], rows: list[tuple[int, UUID, str, UUID, str]]) -> None:
    environments, ids, ingest_keys, metrics, group_values = (
        list(column) for column in zip(*rows, strict=True)
    )
    cursor.execute(
        sql.KEEP_SERIES,
        {
            "environments": environments,
            "ids": ids,
            "ingest_keys": ingest_keys,
            "metrics": metrics,
            "group_values": group_values,
        },
    )


def _contributions(placed: pl.DataFrame, fold: str) -> pl.DataFrame:
    latest = "latest_at" in placed.columns
    return placed.select(
        "environment_id",
        pl.col("series_id").bin.encode("hex"),
        "hour",
        pl.lit(fold).alias("fold"),
        "quantity",
        (pl.col("latest_at") if latest else pl.lit(None, dtype=pl.Int64)).alias("latest_at"),
        (pl.col("latest_id").bin.encode("hex") if latest else pl.lit(None, dtype=pl.String)).alias(
            "latest_id"
        ),
    )


def _tab_separated(rows: pl.DataFrame) -> bytes:
    """COPY's text form. Only numbers and hexadecimal ids are in it, so nothing needs escaping."""
    return rows.write_csv(
        separator="\t", include_header=False, null_value="\\N", quote_style="never"
    ).encode()
