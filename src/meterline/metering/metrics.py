"""The live billable metrics, read anew each cycle.

A cycle reads them after it has read its records. A metric that was created before an event was sent is therefore
always known when that event is metered; a cache with an age would drop the first events of a new metric.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import psycopg

from meterline.core.metric import Aggregation, BillableMetric, PropertyFilter, ValueFilter
from meterline.metering import sql


def live_metrics(
    connection: psycopg.Connection[Any], environments: Collection[int]
) -> dict[int, list[BillableMetric]]:
    """Return the metrics that count now, by environment."""
    metrics: dict[int, list[BillableMetric]] = {environment: [] for environment in environments}
    rows = connection.execute(sql.LIVE_METRICS, {"environments": list(environments)})
    for row in rows:
        metrics[row[0]].append(_metric(row[1:]))
    return metrics


def _metric(row: tuple[Any, ...]) -> BillableMetric:
    metric_id, name, aggregation, aggregation_key, event_types, properties, *rest = row
    group_keys, event_minimum, event_maximum = rest
    return BillableMetric(
        id=metric_id,
        name=name,
        aggregation=Aggregation(aggregation),
        aggregation_key=aggregation_key,
        event_type_filter=None
        if event_types is None
        else ValueFilter(
            tuple(event_types.get("in_values") or ()), tuple(event_types.get("not_in_values") or ())
        ),
        property_filters=tuple(
            PropertyFilter(
                one["name"],
                one.get("exists"),
                tuple(one.get("in_values") or ()),
                tuple(one.get("not_in_values") or ()),
            )
            for one in properties
        ),
        group_keys=tuple(tuple(key) for key in group_keys),
        event_minimum=event_minimum,
        event_maximum=event_maximum,
    )
