"""Writes usage as a worker does, from single observations, and says naively what it comes to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from meterline.core.metric import Aggregation, BillableMetric
from meterline.core.period import hour_index
from meterline.metering.series import group_hash, ingest_key_hash

GroupValues = tuple[str | None, ...]

UPSERT = """
INSERT INTO usage_live AS kept
       (environment_id, series_id, hour, writer, fold, quantity, latest_at, latest_id)
VALUES (%(environment_id)s, %(series_id)s, %(hour)s, %(writer)s, %(fold)s, %(quantity)s,
        %(latest_at)s, %(latest_id)s)
    ON CONFLICT (environment_id, series_id, hour, writer) DO UPDATE SET
       quantity = CASE WHEN kept.fold = 's' THEN kept.quantity + excluded.quantity
                       WHEN kept.fold = 'm' THEN greatest(kept.quantity, excluded.quantity)
                       WHEN (excluded.latest_at, excluded.latest_id)
                            > (kept.latest_at, kept.latest_id) THEN excluded.quantity
                       ELSE kept.quantity END,
       latest_at = greatest(kept.latest_at, excluded.latest_at),
       latest_id = CASE WHEN (excluded.latest_at, excluded.latest_id)
                             > (kept.latest_at, kept.latest_id) THEN excluded.latest_id
                        ELSE kept.latest_id END
"""

MEMBER = """
INSERT INTO usage_member_live (environment_id, series_id, hour, writer, member)
VALUES (%(environment_id)s, %(series_id)s, %(hour)s, %(writer)s, %(member)s)
    ON CONFLICT DO NOTHING
"""

FOLDS = {
    Aggregation.COUNT: "s",
    Aggregation.SUM: "s",
    Aggregation.MAX: "m",
    Aggregation.LATEST: "l",
}


@dataclass(frozen=True, slots=True)
class Observation:
    """One event as one metric sees it. `measured`: a quantity, or the member of a UNIQUE metric."""

    metric: BillableMetric
    ingest_key: str
    group_values: GroupValues
    at: datetime
    event_id: UUID
    measured: Decimal | str
    writer: int = 0

    @property
    def microseconds(self) -> int:
        return int(self.at.timestamp()) * 1_000_000 + self.at.microsecond


def series_id(environment_id: int, seen: Observation) -> UUID:
    """An id whose first half stands for environment and ingest key, its second for the rest."""
    first = ingest_key_hash(environment_id, seen.ingest_key)
    return UUID(bytes=first + group_hash(seen.metric.id, seen.group_values))


async def write(
    connection: AsyncConnection[Any], environment_id: int, seen: Iterable[Observation]
) -> None:
    """Add observations to the live tables; `connection` has the pipeline's role."""
    for one in seen:
        series = series_id(environment_id, one)
        properties = one.metric.group_properties
        values = dict(zip(properties, one.group_values, strict=True))
        await connection.execute(
            "INSERT INTO usage_series VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [environment_id, series, one.ingest_key, one.metric.id, json.dumps(values)],
        )
        place = {
            "environment_id": environment_id,
            "series_id": series,
            "hour": hour_index(one.at),
            "writer": one.writer,
        }
        if one.metric.aggregation is Aggregation.UNIQUE:
            await connection.execute(MEMBER, {**place, "member": one.measured})
            continue
        latest = one.metric.aggregation is Aggregation.LATEST
        await connection.execute(
            UPSERT,
            {
                **place,
                "fold": FOLDS[one.metric.aggregation],
                "quantity": one.measured,
                "latest_at": one.microseconds if latest else None,
                "latest_id": one.event_id if latest else None,
            },
        )


def expected(
    metric: BillableMetric, seen: Iterable[Observation], start: datetime, end: datetime
) -> Decimal | None:
    """What the observations of `metric` in start <= at < end come to; None without any."""
    inside = [one for one in seen if one.metric.id == metric.id and start <= one.at < end]
    if not inside:
        return None
    match metric.aggregation:
        case Aggregation.UNIQUE:
            return Decimal(len({one.measured for one in inside}))
        case Aggregation.LATEST:
            last = max(inside, key=lambda one: (one.microseconds, one.event_id))
            assert isinstance(last.measured, Decimal)
            return last.measured
        case Aggregation.MAX:
            return max(Decimal(one.measured) for one in inside)
        case _:
            return sum((Decimal(one.measured) for one in inside), Decimal(0))
