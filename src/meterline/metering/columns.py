"""Records of the log become columns, once, holding only the properties that live metrics use.

One frame a cycle: `row` is the place within it, `id` the 128-bit event identity, then the event's own fields and a
text column `p:<name>` for each wanted property (missing and null are the same; numbers and booleans as JSON text).
A record whose lines cannot be read as a whole is read line by line, and the lines that are no events are set apart.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
import polars as pl

from meterline.metering.event import decode_line, encode_line
from meterline.stream.log import Record
from meterline.stream.routing import event_id

PROPERTY = "p:"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line of the log that is no event."""

    environment_id: int
    partition: int
    offset: int
    line: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Columns:
    """The events of a batch, in order of partition and offset."""

    frame: pl.DataFrame
    unreadable: list[Unreadable] = field(default_factory=list)


def property_column(name: str) -> str:
    """Name of the column that holds property `name`."""
    return PROPERTY + name


def decode(records: Sequence[Record], properties: Collection[str]) -> Columns:
    """Return the events of `records` as columns with the wanted `properties`."""
    names = sorted(properties)
    unreadable: list[Unreadable] = []
    try:
        frame = _read([record.value for record in records], names)
        if frame.height != sum(record.events for record in records) or _has_gaps(frame):
            raise pl.exceptions.ComputeError("lines and events differ in number")
        counts = [record.events for record in records]
    except (pl.exceptions.PolarsError, UnicodeDecodeError):
        readable = [_readable_lines(record, unreadable) for record in records]
        frame = _read([b"\n".join(lines) for lines in readable if lines], names)
        counts = [len(lines) for lines in readable]
    return Columns(_with_places(frame, records, counts), unreadable)


def _read(values: list[bytes], names: list[str]) -> pl.DataFrame:
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "transaction_id": pl.String,
        "customer_id": pl.String,
        "event_type": pl.String,
        "timestamp": pl.Int64,
    }
    if names:
        schema["properties"] = pl.Struct(dict.fromkeys(names, pl.String))
    text = io.BytesIO(b"\n".join(values))
    frame = pl.read_ndjson(text, schema=schema) if values else pl.DataFrame(schema=schema)
    return frame.select(
        "transaction_id",
        "customer_id",
        "event_type",
        "timestamp",
        *(pl.col("properties").struct.field(name).alias(property_column(name)) for name in names),
    )


def _has_gaps(frame: pl.DataFrame) -> bool:
    required = frame.select("transaction_id", "customer_id", "event_type", "timestamp")
    return any(column.null_count() for column in required)


def _readable_lines(record: Record, unreadable: list[Unreadable]) -> list[bytes]:
    lines = []
    for line in record.value.split(b"\n"):
        if not line:
            continue
        try:
            lines.append(encode_line(decode_line(line)))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            unreadable.append(
                Unreadable(record.environment_id, record.partition, record.offset, line, str(error))
            )
    return lines


def _with_places(frame: pl.DataFrame, records: Sequence[Record], counts: list[int]) -> pl.DataFrame:
    """Add where each event came from, and who it is."""
    environments = np.repeat([record.environment_id for record in records], counts)
    identities = [
        event_id(environment_id, transaction_id)
        for environment_id, transaction_id in zip(
            environments.tolist(), frame["transaction_id"].to_list(), strict=True
        )
    ]
    return frame.with_columns(
        pl.Series("environment_id", environments, dtype=pl.Int32),
        pl.Series(
            "partition", np.repeat([record.partition for record in records], counts), dtype=pl.Int32
        ),
        pl.Series(
            "record_offset",
            np.repeat([record.offset for record in records], counts),
            dtype=pl.Int64,
        ),
        pl.Series("id", identities, dtype=pl.Binary),
    ).with_row_index("row")
