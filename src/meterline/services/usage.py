"""Reading usage for rating and for the usage API: many customers, many metrics, one pass.

What comes out is the core's own form, a `UsageBook` a customer: a row a series and segment, not
merged over a customer's ingest keys, because the core merges rows of one place anyway. Cost: one
index range a series and run of tiles, at most five runs a segment however long the period is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

from meterline.core.decimals import plain
from meterline.core.metric import Aggregation, BillableMetric
from meterline.core.period import Period, Tile, hour_index, tiles
from meterline.core.usage import (
    GroupValues,
    Latest,
    Part,
    SegmentUsage,
    UsageBook,
    UsageRow,
    merge,
    value,
)
from meterline.services.windows import Cuts
from meterline.store import usage as store
from meterline.store.database import Connection
from meterline.store.usage import SeriesRow, Spans

Books = dict[UUID, dict[UUID, list[SegmentUsage]]]


async def period_parts(
    connection: Connection,
    environment_id: int,
    ingest_keys: Mapping[UUID, Sequence[str]],
    metrics: Iterable[BillableMetric],
    cuts: Mapping[UUID, Cuts],
) -> dict[UUID, UsageBook]:
    """Return the usage of every customer in `ingest_keys`, by customer id.

    `cuts` are by metric, ascend, and lie on the hour; the first begins and the last ends what is
    read, as in `RatePlan.cuts`: segment i is cuts[i] <= t < cuts[i + 1]. Every customer has a book,
    and only metrics with usage are in it. One query for the series, and one for each way to
    aggregate and each set of cuts: mostly two in all.
    """
    by_id = {metric.id: metric for metric in metrics}
    owners = _owners(ingest_keys)
    series = await store.series_of(connection, environment_id, list(owners), list(by_id))
    books: Books = {customer_id: defaultdict(list) for customer_id in ingest_keys}
    for (aggregation, between), alike in _read_alike(series, by_id, cuts).items():
        spans = spans_between(between)
        parts = await _parts(connection, environment_id, aggregation, alike, spans)
        rows = [group_values(by_id[one.metric_id], one) for one in alike]
        for number, segment, part in parts:
            found, usage = alike[number], SegmentUsage(rows[number], segment, part)
            for owner in owners[found.ingest_key]:
                books[owner][found.metric_id].append(usage)
    return {customer_id: dict(book) for customer_id, book in books.items()}


def spans_between(cuts: Sequence[datetime]) -> Spans:
    """Return the spans between ascending cuts on the hour, covered by the fewest runs of tiles."""
    runs: list[Tile] = []
    for start, end in pairwise(cuts):
        for tile in tiles(Period(start, end)):
            last = runs[-1] if runs else None
            if last is not None and last.grain == tile.grain and last.end_hour == tile.first_hour:
                runs[-1] = Tile(tile.grain, last.first_hour, tile.end_hour)
            else:
                runs.append(tile)
    return Spans([hour_index(cut) for cut in cuts], runs)


def rolled_up(
    metric: BillableMetric, group_key: Sequence[str], rows: Iterable[UsageRow]
) -> dict[int, dict[GroupValues, Part]]:
    """Merge usage to the grain of `group_key`: by segment, by the values of those properties.

    An empty key merges everything into the group ().
    """
    places = [metric.group_properties.index(name) for name in group_key]
    segments: dict[int, dict[GroupValues, Part]] = defaultdict(dict)
    for group_values, segment, part in rows:
        values = tuple(group_values[place] for place in places)
        groups = segments[segment]
        held = groups.get(values)
        groups[values] = part if held is None else merge(metric.aggregation, held, part)
    return segments


def quantity_shown(part: Part | None) -> Decimal | None:
    """Return a window's quantity in shortest form; None where nothing matched."""
    return None if part is None else plain(value(part))


def group_values(metric: BillableMetric, series: SeriesRow) -> GroupValues:
    """Return a series' group values in the core's order."""
    return tuple(series.group_values.get(name) for name in metric.group_properties)


def _owners(ingest_keys: Mapping[UUID, Sequence[str]]) -> dict[str, list[UUID]]:
    """The customers of each ingest key: one, as aliases are unique, yet no usage is lost if not."""
    owners: dict[str, list[UUID]] = defaultdict(list)
    for customer_id, keys in ingest_keys.items():
        for key in keys:
            owners[key].append(customer_id)
    return owners


def _read_alike(
    series: Iterable[SeriesRow], metrics: Mapping[UUID, BillableMetric], cuts: Mapping[UUID, Cuts]
) -> dict[tuple[Aggregation, Cuts], list[SeriesRow]]:
    """Sort series by the query that reads their parts; COUNT reads as SUM does."""
    alike: dict[tuple[Aggregation, Cuts], list[SeriesRow]] = defaultdict(list)
    for one in series:
        aggregation = metrics[one.metric_id].aggregation
        read_as = Aggregation.SUM if aggregation.is_additive else aggregation
        alike[read_as, cuts[one.metric_id]].append(one)
    return alike


async def _parts(
    connection: Connection,
    environment_id: int,
    aggregation: Aggregation,
    series: Sequence[SeriesRow],
    spans: Spans,
) -> list[tuple[int, int, Part]]:
    """Read (number of the series, segment, part)."""
    ids = [one.series_id for one in series]
    match aggregation:
        case Aggregation.LATEST:
            last = await store.latest(connection, environment_id, ids, spans)
            return [
                (row.series, row.span, Latest(row.at, row.event_id, row.quantity)) for row in last
            ]
        case Aggregation.UNIQUE:
            sets = await store.members(connection, environment_id, ids, spans)
            return [(row.series, row.span, frozenset(row.members)) for row in sets]
        case Aggregation.MAX:
            return list(await store.maxima(connection, environment_id, ids, spans))
        case _:
            return list(await store.sums(connection, environment_id, ids, spans))
