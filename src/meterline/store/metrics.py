"""Rows of `billable_metric`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from meterline.core.metric import Aggregation, BillableMetric, PropertyFilter, ValueFilter
from meterline.store.database import Connection, Row

INSERT = """
    INSERT INTO billable_metric (
        environment_id, metric_id, name, aggregation_type, aggregation_key, event_type_filter,
        property_filters, group_keys, event_minimum, event_maximum, custom_fields, created_at)
    VALUES (
        current_environment(), %(metric_id)s, %(name)s, %(aggregation_type)s, %(aggregation_key)s,
        %(event_type_filter)s, %(property_filters)s, %(group_keys)s, %(event_minimum)s,
        %(event_maximum)s, %(custom_fields)s, %(now)s)
"""
SELECT = "SELECT * FROM billable_metric WHERE metric_id = ANY(%s::uuid[])"
SELECT_PAGE = """
    SELECT * FROM billable_metric
    WHERE (archived_at IS NULL OR %(archived)s)
      AND (%(at)s::timestamptz IS NULL OR (created_at, metric_id) > (%(at)s, %(id)s::uuid))
    ORDER BY created_at, metric_id
    LIMIT %(fetch)s
"""
RENAME = "UPDATE billable_metric SET name = %s WHERE metric_id = %s"
ARCHIVE = """
    UPDATE billable_metric SET archived_at = coalesce(archived_at, %s) WHERE metric_id = %s
"""


async def insert(
    connection: Connection, metric: BillableMetric, custom_fields: dict[str, str], now: datetime
) -> None:
    """Add a metric."""
    event_types = metric.event_type_filter
    parameters: dict[str, Any] = {
        "metric_id": metric.id,
        "name": metric.name,
        "aggregation_type": metric.aggregation,
        "aggregation_key": metric.aggregation_key,
        "event_type_filter": None if event_types is None else Jsonb(asdict(event_types)),
        "property_filters": Jsonb([asdict(one) for one in metric.property_filters]),
        "group_keys": Jsonb(metric.group_keys),
        "event_minimum": metric.event_minimum,
        "event_maximum": metric.event_maximum,
        "custom_fields": Jsonb(custom_fields),
        "now": now,
    }
    await connection.execute(INSERT, parameters)


async def select(connection: Connection, ids: Sequence[UUID]) -> list[Row]:
    """The metrics of these ids, archived ones too."""
    return await (await connection.execute(SELECT, (list(ids),))).fetchall()


async def select_page(
    connection: Connection, *, archived: bool, after: tuple[str | None, ...], fetch: int
) -> list[Row]:
    """Metrics by age, after (created_at, id); `archived`: archived ones too."""
    parameters = {"archived": archived, "at": after[0], "id": after[1], "fetch": fetch}
    return await (await connection.execute(SELECT_PAGE, parameters)).fetchall()


async def rename(connection: Connection, metric_id: UUID, name: str) -> bool:
    """Rename a metric; False when there is none."""
    return (await connection.execute(RENAME, (name, metric_id))).rowcount == 1


async def archive(connection: Connection, metric_id: UUID, now: datetime) -> bool:
    """Archive a metric; False when there is none."""
    return (await connection.execute(ARCHIVE, (now, metric_id))).rowcount == 1


def metric_of(row: Row) -> BillableMetric:
    """The metric of a row."""
    event_types = row["event_type_filter"]
    return BillableMetric(
        id=row["metric_id"],
        name=row["name"],
        aggregation=Aggregation(row["aggregation_type"]),
        aggregation_key=row["aggregation_key"],
        event_type_filter=None if event_types is None else ValueFilter(**_tuples(event_types)),
        property_filters=tuple(PropertyFilter(**_tuples(one)) for one in row["property_filters"]),
        group_keys=tuple(tuple(key) for key in row["group_keys"]),
        archived_at=row["archived_at"],
        event_minimum=row["event_minimum"],
        event_maximum=row["event_maximum"],
    )


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
