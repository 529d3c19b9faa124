"""The installation page: figures of the pipeline and of the environment's spend, as they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from meterline import display
from meterline.services.spend_summary import SpendSummary
from meterline.web.live import Reading

CHART_SECONDS = 300
# One reading a second; the rate is taken over a few of them, because metering commits in bursts.
RATE_SECONDS = 4
FRESH_SECONDS = 5.0
STALE_SECONDS = 30.0
CENTS_A_DOLLAR = 100


@dataclass(frozen=True, slots=True)
class PartitionFigures:
    """One partition of the log; `worker` is None while nobody owns it."""

    number: int
    worker: str | None
    metered: int
    lag: int


@dataclass(frozen=True, slots=True)
class OverviewFigures:
    """What one reading of the installation holds. Money in cents; freshness None before any event."""

    events_total: int
    lag_events: int
    freshness_seconds: float | None
    partitions: Sequence[PartitionFigures]
    workers: Sequence[str]
    spent: SpendSummary


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a chart and its row in the table twin. at: seconds since 1970."""

    time: datetime
    at: float
    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A live chart: what it shows and the points it starts with."""

    id: str
    title: str
    note: str
    unit: str
    points: Sequence[Point]
    points_max: int = CHART_SECONDS


def view(readings: Sequence[Reading[OverviewFigures]], trouble: str | None) -> dict[str, object]:
    """Return the figures of the newest reading as text for the templates."""
    now = readings[-1].figures
    lag_state = "" if now.lag_events < 10_000 else "warn"
    unmatched = now.spent.unmatched_events
    return {
        "trouble": trouble,
        "events_per_second": display.quantity(events_per_second(readings, len(readings) - 1)),
        "events_total": display.quantity(now.events_total),
        "freshness": display.duration(now.freshness_seconds),
        "freshness_state": _freshness_state(now.freshness_seconds),
        "lag": display.quantity(now.lag_events),
        "lag_state": lag_state,
        "spend": display.amount(now.spent.total),
        "spend_note": _pace(readings),
        "unmatched": display.quantity(unmatched),
        "unmatched_note": "no customer or no metric",
        "unmatched_state": "warn" if unmatched else "",
        "by_product": [
            {
                "name": row.name,
                "quantity": display.quantity(row.quantity),
                "amount": display.amount(row.amount),
                "share": _share(row.amount, now.spent.products[0].amount),
            }
            for row in now.spent.products
        ],
        "by_customer": [
            {
                "id": row.id,
                "name": row.name,
                "amount": display.amount(row.amount),
                "share": _share(row.amount, now.spent.customers[0].amount),
            }
            for row in now.spent.customers
        ],
        "partitions": [_partition(row) for row in now.partitions],
        "workers": now.workers,
        "unmatched_rows": [
            {"name": row.name, "reason": row.reason, "events": display.quantity(row.events)}
            for row in now.spent.unmatched
        ],
    }


def charts(readings: Sequence[Reading[OverviewFigures]]) -> list[Chart]:
    """Return the charts with the points of all readings."""
    series = points(readings, 0)
    return [
        Chart("events", "Events per second", "last 5 minutes", "events", series["events"]),
        Chart("spend", "Spend this period", "last 5 minutes", "usd", series["spend"]),
    ]


def points(readings: Sequence[Reading[OverviewFigures]], first: int) -> dict[str, list[Point]]:
    """Return the points of readings[first:], by chart. A rate needs a reading before its own."""
    chosen = range(first, len(readings))
    return {
        "events": [
            _point(readings[place].at, Decimal(events_per_second(readings, place)), usd=False)
            for place in chosen
            if place > 0
        ],
        "spend": [
            _point(readings[at].at, readings[at].figures.spent.total, usd=True) for at in chosen
        ],
    }


def events_per_second(readings: Sequence[Reading[OverviewFigures]], place: int) -> int:
    """Return the rate at which events were metered just before reading number `place`."""
    now = readings[place]
    before = readings[max(0, place - RATE_SECONDS)]
    seconds = (now.at - before.at).total_seconds()
    if seconds <= 0:
        return 0
    return max(0, round((now.figures.events_total - before.figures.events_total) / seconds))


def _point(at: datetime, value: Decimal, *, usd: bool) -> Point:
    shown = value / CENTS_A_DOLLAR if usd else value
    text = display.amount(value) if usd else display.quantity(value)
    return Point(at, at.timestamp(), f"{shown:f}", text)


def _pace(readings: Sequence[Reading[OverviewFigures]]) -> str:
    """Return spend a minute over the last minute of readings."""
    now = readings[-1]
    before = readings[max(0, len(readings) - 61)]
    seconds = Decimal(str((now.at - before.at).total_seconds()))
    if seconds < 5:
        return "all customers"
    gained = (now.figures.spent.total - before.figures.spent.total) * 60 / seconds
    return f"{display.amount(round(gained))} a minute"


def _freshness_state(seconds: float | None) -> str:
    if seconds is None or seconds < FRESH_SECONDS:
        return ""
    return "warn" if seconds < STALE_SECONDS else "bad"


def _share(part: Decimal, largest: Decimal) -> float:
    """Return the width of a bar in per cent of the longest one. Never used for money."""
    return float(max(Decimal(0), part) / largest * 100) if largest > 0 else 0.0


def _partition(row: PartitionFigures) -> dict[str, object]:
    state = "orphan" if row.worker is None else "behind" if row.lag > 1000 else ""
    return {
        "number": row.number,
        "worker": row.worker or "no worker",
        "metered": display.quantity(row.metered),
        "lag": display.quantity(row.lag),
        "state": state,
    }
