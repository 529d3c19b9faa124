"""Fold a batch of events into the partial sums of each metric: one row a customer's key, group values and hour.

Pure: columns in, columns out. Folding is commutative and associative, so batches may be cut and ordered as the log
happens to give them. Sums are exact (see `quantities`); money is never computed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from hashlib import blake2b

import polars as pl

from meterline.core.metric import Aggregation, BillableMetric
from meterline.metering import quantities
from meterline.metering.columns import property_column
from meterline.metering.compile import match

HOUR_MICROSECONDS = 3_600_000_000
DAY_HOURS = 24
# An index entry of PostgreSQL holds 2,704 bytes, and both of these are part of a key. A longer member is told apart
# by its hash; what matched no metric is shown by the beginning of its type.
MEMBER_BYTES_MAX = 1_000
UNMATCHED_TYPE_LENGTH_MAX = 256
_FOLDS = {
    Aggregation.COUNT: "s",
    Aggregation.SUM: "s",
    Aggregation.MAX: "m",
    Aggregation.LATEST: "l",
    Aggregation.UNIQUE: "u",
}


@dataclass(frozen=True, slots=True)
class PartialSums:
    """What one metric gains from a batch.

    `frame`: customer_id, the metric's group properties, hour, and `quantity` (text, exact) with `latest_at` and
    `latest_id` for LATEST, or `member` for UNIQUE. `fold` is as in the table usage_live, or 'u' for members.
    """

    metric: BillableMetric
    fold: str
    frame: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Refused:
    """A metric could not read an event: `row` of the batch, and why."""

    row: int
    metric: BillableMetric
    reason: str


@dataclass(frozen=True, slots=True)
class Folded:
    """A batch folded for one environment. `unmatched`: event_type, day (since 1970) and events."""

    sums: list[PartialSums]
    refused: list[Refused]
    unmatched: pl.DataFrame


def fold(frame: pl.DataFrame, metrics: Sequence[BillableMetric]) -> Folded:
    """Fold the events of one environment, already free of duplicates, by its live `metrics`."""
    frame = frame.with_columns(
        (pl.col("timestamp") // HOUR_MICROSECONDS).cast(pl.Int32).alias("hour"),
        *(match(metric).alias(_mask(place)) for place, metric in enumerate(metrics)),
    )
    sums: list[PartialSums] = []
    refused: list[Refused] = []
    for place, metric in enumerate(metrics):
        matched = frame.filter(pl.col(_mask(place)))
        if matched.height:
            sums += _fold_metric(matched, metric, refused)
    return Folded(sums, refused, _unmatched(frame, len(metrics)))


def _mask(place: int) -> str:
    return f"matches:{place}"


def _unmatched(frame: pl.DataFrame, metrics: int) -> pl.DataFrame:
    if metrics:
        frame = frame.filter(~pl.any_horizontal(_mask(place) for place in range(metrics)))
    day = (pl.col("hour") // DAY_HOURS).alias("day")
    event_type = pl.col("event_type").str.head(UNMATCHED_TYPE_LENGTH_MAX)
    return frame.group_by(event_type, day).agg(pl.len().alias("events"))


def _fold_metric(
    matched: pl.DataFrame, metric: BillableMetric, refused: list[Refused]
) -> list[PartialSums]:
    keys = ["customer_id", *(property_column(name) for name in metric.group_properties), "hour"]
    kind = _FOLDS[metric.aggregation]
    if metric.aggregation is Aggregation.COUNT:
        counted = matched.group_by(keys).agg(pl.len().cast(pl.String).alias("quantity"))
        return [PartialSums(metric, kind, counted)]
    assert metric.aggregation_key is not None
    column = property_column(metric.aggregation_key)
    if metric.aggregation is Aggregation.UNIQUE:
        members = matched.select(*keys, pl.col(column).alias("member")).unique()
        return [PartialSums(metric, kind, members.with_columns(_short(members["member"])))]
    read = quantities.parse(matched[column])
    if read.null_count():
        unread = matched.filter(read.is_null())
        reason = f"property {metric.aggregation_key!r}: {quantities.UNREADABLE}"
        refused += [Refused(row, metric, reason) for row in unread["row"].to_list()]
    sizes = quantities.limited(read, metric.event_minimum, metric.event_maximum)
    readable = matched.select(*keys, "timestamp", "id", sizes.alias("quantity")).drop_nulls(
        "quantity"
    )
    if not readable.height:
        return []
    if metric.aggregation is Aggregation.LATEST:
        return [PartialSums(metric, kind, _latest(readable, keys))]
    if metric.aggregation is Aggregation.MAX:
        folded = readable.group_by(keys).agg(pl.col("quantity").max())
    elif quantities.may_overflow(readable["quantity"]):
        return [PartialSums(metric, kind, _sum_large(readable, keys))]
    else:
        folded = readable.group_by(keys).agg(pl.col("quantity").sum())
    return [PartialSums(metric, kind, folded.with_columns(pl.col("quantity").cast(pl.String)))]


def _short(members: pl.Series) -> pl.Series:
    """Replace what is too long for an index by its hash, which is as distinct."""
    if not (members.str.len_bytes() > MEMBER_BYTES_MAX).any():
        return members
    texts = [
        text if len(encoded) <= MEMBER_BYTES_MAX else f"blake2b:{blake2b(encoded).hexdigest()}"
        for text, encoded in ((text, text.encode()) for text in members.to_list())
    ]
    return pl.Series(members.name, texts, dtype=pl.String)


def _latest(readable: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """The last value by event time, then by id: which one does not depend on the order of arrival."""
    return (
        readable.sort("timestamp", "id")
        .group_by(keys, maintain_order=True)
        .agg(
            pl.col("quantity").last().cast(pl.String),
            pl.col("timestamp").last().alias("latest_at"),
            pl.col("id").last().alias("latest_id"),
        )
    )


def _sum_large(readable: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Sum beyond what a column holds."""
    gathered = readable.group_by(keys).agg("quantity")
    with localcontext() as context:
        context.prec = 80
        totals = [format(sum(values, Decimal(0)), "f") for values in gathered["quantity"].to_list()]
    return gathered.drop("quantity").with_columns(pl.Series("quantity", totals, dtype=pl.String))
