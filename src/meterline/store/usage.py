"""Reading usage: series by ingest key, and their parts in one or many spans of hours.

A caller describes time by `Spans`: ascending cuts, and the runs of rollup buckets that tile what
lies between them. Every bucket lies inside one span, so its first hour tells which. Live rows are
added by their hour. Each statement reads one snapshot, so a row is seen either live or moved to the
rollup, never both and never neither. The parts of a series are aggregated inside a LATERAL
subquery: whatever the planner believes, it costs one index range a series and run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import msgspec
from psycopg.rows import tuple_row

from meterline.core.period import Tile
from meterline.store.database import Connection

# The driver's own way with jsonb costs ten times as much, and a customer may have thousands of series.
_group_values = msgspec.json.Decoder(dict[str, str | None])


class SeriesRow(NamedTuple):
    """What a series stands for. `group_values` holds every group property of the metric."""

    series_id: UUID
    ingest_key: str
    metric_id: UUID
    group_values: dict[str, str | None]


class QuantityRow(NamedTuple):
    """The sum or maximum of one span: `series` and `span` count from 0, in the order asked for."""

    series: int
    span: int
    quantity: Decimal


class LatestRow(NamedTuple):
    """The last value of one span: `at` in microseconds since 1970, `event_id` breaks ties."""

    series: int
    span: int
    quantity: Decimal
    at: int
    event_id: UUID


class MembersRow(NamedTuple):
    """The distinct values of one span."""

    series: int
    span: int
    members: list[str]


@dataclass(frozen=True, slots=True)
class Spans:
    """Consecutive spans of hours: span i is cuts[i] <= hour < cuts[i + 1].

    `tiles` cover all of them exactly, disjoint, and none of their buckets crosses a cut.
    """

    cuts: Sequence[int]
    tiles: Sequence[Tile]

    def __post_init__(self) -> None:
        assert len(self.cuts) >= 2
        assert all(a < b for a, b in zip(self.cuts, self.cuts[1:], strict=False))

    def parameters(self) -> dict[str, Any]:
        """The arguments that the statements below name."""
        return {
            "cuts": list(self.cuts),
            "start": self.cuts[0],
            "end": self.cuts[-1],
            "grains": [tile.grain for tile in self.tiles],
            "lows": [tile.first_hour for tile in self.tiles],
            "highs": [tile.end_hour for tile in self.tiles],
        }


SERIES: LiteralString = """
SELECT s.series_id, s.ingest_key, s.metric_id, s.group_values::text
  FROM unnest(%(ingest_keys)s::text[]) AS wanted (ingest_key)
  JOIN usage_series s ON s.environment_id = %(environment_id)s
       AND s.ingest_key = wanted.ingest_key
 WHERE s.metric_id = ANY (%(metric_ids)s::uuid[])
"""

# {aggregate} and {grouping} say how the buckets of one series become its parts.
_PARTS: LiteralString = """
SELECT wanted.place::integer - 1, part.*
  FROM unnest(%(series_ids)s::uuid[]) WITH ORDINALITY AS wanted (series_id, place)
 CROSS JOIN LATERAL (
       SELECT {aggregate}
         FROM (SELECT width_bucket(hour, %(cuts)s::integer[]) - 1 AS span, {columns}
                 FROM unnest(%(grains)s::"char"[], %(lows)s::integer[], %(highs)s::integer[])
                      AS tile (grain, low, high)
                 JOIN {table}_rollup r ON r.environment_id = %(environment_id)s
                      AND r.series_id = wanted.series_id AND r.grain = tile.grain
                      AND r.hour >= tile.low AND r.hour < tile.high
                UNION ALL
               SELECT width_bucket(hour, %(cuts)s::integer[]) - 1, {columns}
                 FROM {table}_live l
                WHERE l.environment_id = %(environment_id)s AND l.series_id = wanted.series_id
                  AND l.hour >= %(start)s AND l.hour < %(end)s) bucket
        {grouping}) part
"""


def _statement(
    table: LiteralString, columns: LiteralString, aggregate: LiteralString, grouping: LiteralString
) -> LiteralString:
    return (
        _PARTS.replace("{table}", table)
        .replace("{columns}", columns)
        .replace("{aggregate}", aggregate)
        .replace("{grouping}", grouping)
    )


SUMS = _statement("usage", "quantity", "span, sum(quantity)", "GROUP BY span")
MAXIMA = _statement("usage", "quantity", "span, max(quantity)", "GROUP BY span")
LATEST = _statement(
    "usage",
    "quantity, latest_at, latest_id",
    "DISTINCT ON (span) span, quantity, latest_at, latest_id",
    "ORDER BY span, latest_at DESC, latest_id DESC",
)
MEMBERS = _statement("usage_member", "member", "span, array_agg(DISTINCT member)", "GROUP BY span")


LIVE_CUSTOMERS: LiteralString = """
SELECT customer_id FROM customer
 WHERE archived_at IS NULL AND customer_id >= %s ORDER BY customer_id LIMIT %s
"""


async def live_customers(connection: Connection, first: UUID, count: int) -> list[UUID]:
    """Return up to `count` customers that are not archived, by id, from `first` on."""
    cursor = await connection.execute(LIVE_CUSTOMERS, (first, count))
    return [row["customer_id"] for row in await cursor.fetchall()]


async def series_of(
    connection: Connection,
    environment_id: int,
    ingest_keys: Sequence[str],
    metric_ids: Sequence[UUID],
) -> list[SeriesRow]:
    """Return the series filed under `ingest_keys` (each named once) for these metrics.

    In no order.
    """
    arguments = {
        "environment_id": environment_id,
        "ingest_keys": list(ingest_keys),
        "metric_ids": list(metric_ids),
    }
    return [
        SeriesRow(series_id, ingest_key, metric_id, _group_values.decode(group_values))
        for series_id, ingest_key, metric_id, group_values in await _rows(
            connection, SERIES, arguments
        )
    ]


async def sums(
    connection: Connection, environment_id: int, series_ids: Sequence[UUID], spans: Spans
) -> list[QuantityRow]:
    """Return what was added up in each span that has usage (SUM and COUNT metrics)."""
    rows = await _parts(connection, SUMS, environment_id, series_ids, spans)
    return [QuantityRow(*row) for row in rows]


async def maxima(
    connection: Connection, environment_id: int, series_ids: Sequence[UUID], spans: Spans
) -> list[QuantityRow]:
    """Return the greatest value of each span that has usage."""
    rows = await _parts(connection, MAXIMA, environment_id, series_ids, spans)
    return [QuantityRow(*row) for row in rows]


async def latest(
    connection: Connection, environment_id: int, series_ids: Sequence[UUID], spans: Spans
) -> list[LatestRow]:
    """Return the last value of each span that has usage."""
    rows = await _parts(connection, LATEST, environment_id, series_ids, spans)
    return [LatestRow(*row) for row in rows]


async def members(
    connection: Connection, environment_id: int, series_ids: Sequence[UUID], spans: Spans
) -> list[MembersRow]:
    """Return the distinct values of each span that has usage."""
    rows = await _parts(connection, MEMBERS, environment_id, series_ids, spans)
    return [MembersRow(*row) for row in rows]


async def _parts(
    connection: Connection,
    statement: LiteralString,
    environment_id: int,
    series_ids: Sequence[UUID],
    spans: Spans,
) -> list[tuple[Any, ...]]:
    if not series_ids:
        return []
    arguments = {
        "environment_id": environment_id,
        "series_ids": list(series_ids),
        **spans.parameters(),
    }
    return await _rows(connection, statement, arguments)


async def _rows(
    connection: Connection, statement: LiteralString, arguments: dict[str, Any]
) -> list[tuple[Any, ...]]:
    """Plain tuples in the binary form: for the thousands of rows of a running invoice, making dicts
    would cost more than the query."""
    async with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        await cursor.execute(statement, arguments)
        return await cursor.fetchall()
