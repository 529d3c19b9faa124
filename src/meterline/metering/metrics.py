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
    for environment_id, *fields in rows:
        metrics[environment_id].append(_metric(*fields))
    return metrics


def _metric(
    metric_id: Any,
    name: str,
    aggregation: str,
    aggregation_key: str | None,
    event_type_filter: dict[str, Any] | None,
    property_filters: list[dict[str, Any]],
    group_keys: list[list[str]],
) -> BillableMetric:
    return BillableMetric(
        id=metric_id,
        name=name,
        aggregation=Aggregation(aggregation),
        aggregation_key=aggregation_key,
        event_type_filter=None
        if event_type_filter is None
        else ValueFilter(
            tuple(event_type_filter.get("in_values") or ()),
            tuple(event_type_filter.get("not_in_values") or ()),
        ),
        property_filters=tuple(
            PropertyFilter(
                one["name"],
                one.get("exists"),
                tuple(one.get("in_values") or ()),
                tuple(one.get("not_in_values") or ()),
            )
            for one in property_filters
        ),
        group_keys=tuple(tuple(key) for key in group_keys),
    )
