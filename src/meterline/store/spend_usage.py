"""Usage as the spend stage reads it: everything that was added up for thousands of ingest keys, in one statement.

The ids of a key's series begin with the same 64 bits, so they are one range of each index, and neither the keys nor
what the series stand for need be looked up. Metrics that are not sums are read by `store.usage`.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from psycopg.rows import tuple_row

from meterline.store.database import Connection
from meterline.store.spend import array
from meterline.store.usage import Spans

# {rollup} and {live} say in which span a bucket lies.
_SUMS: LiteralString = """
SELECT uuid_send(series_id), span, sum(quantity)
  FROM unnest(%(firsts)s::uuid[], %(lasts)s::uuid[]) AS wanted (first, last)
 CROSS JOIN LATERAL (
       SELECT r.series_id, {rollup} AS span, r.quantity
         FROM unnest(%(grains)s::"char"[], %(lows)s::integer[], %(highs)s::integer[])
              AS tile (grain, low, high)
         JOIN usage_rollup r ON r.environment_id = %(environment_id)s
              AND r.series_id >= wanted.first AND r.series_id <= wanted.last
              AND r.grain = tile.grain AND r.hour >= tile.low AND r.hour < tile.high
        WHERE r.fold = 's'
        UNION ALL
       SELECT l.series_id, {live}, l.quantity
         FROM usage_live l
        WHERE l.environment_id = %(environment_id)s
          AND l.series_id >= wanted.first AND l.series_id <= wanted.last
          AND l.hour >= %(start)s AND l.hour < %(end)s AND l.fold = 's') bucket
 GROUP BY series_id, span
"""

_SUMS_IN_ONE_SPAN = _SUMS.replace("{rollup}", "0").replace("{live}", "0")
_SUMS_BY_SPAN = _SUMS.replace("{rollup}", "width_bucket(r.hour, %(cuts)s::integer[]) - 1").replace(
    "{live}", "width_bucket(l.hour, %(cuts)s::integer[]) - 1"
)

_SERIES = """
SELECT uuid_send(series_id), metric_id, group_values FROM usage_series
 WHERE environment_id = %(environment_id)s AND series_id = ANY (%(series_ids)s)
"""

SumRow = tuple[bytes, int, Decimal]
"""A series' id, the number of the span, and the sum."""

SeriesRow = tuple[bytes, UUID, dict[str, str | None]]
"""A series' id, its metric, and the values of all the metric's group properties."""


async def sums_of_keys(
    connection: Connection, environment_id: int, prefixes: Iterable[bytes], spans: Spans
) -> list[SumRow]:
    """Return the sums of every series whose id begins with one of `prefixes` (8 bytes each), in no order.

    Series of every metric that adds up are among them.
    """
    ordered = sorted(prefix.hex() for prefix in prefixes)  # as the indexes are
    arguments = {
        "environment_id": environment_id,
        "firsts": array(f"{prefix}0000000000000000" for prefix in ordered),
        "lasts": array(f"{prefix}ffffffffffffffff" for prefix in ordered),
        **spans.parameters(),
    }
    async with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        # Most periods are not cut, and looking for the span of each row would be a tenth of the cost.
        statement = _SUMS_BY_SPAN if len(spans.cuts) > 2 else _SUMS_IN_ONE_SPAN
        await cursor.execute(statement, arguments)
        return await cursor.fetchall()


async def series(
    connection: Connection, environment_id: int, series_ids: Iterable[bytes]
) -> list[SeriesRow]:
    """Return what these series stand for, in no order."""
    arguments = {
        "environment_id": environment_id,
        "series_ids": [UUID(bytes=one) for one in series_ids],
    }
    async with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        await cursor.execute(_SERIES, arguments)
        return await cursor.fetchall()
