"""The page of one customer: its running invoices and its usage by hour, as they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from urllib.parse import urlencode
from uuid import UUID

from meterline import display

SERIES_MAX = 7  # the largest groups have a colour each, the rest share the last one
HOURS_CHOICES = (24, 48, 96, 168)
UNGROUPED = "All"
REST = "Others"
ABSENT = "(absent)"


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """A line of a running invoice. Amounts in the invoice's credit type."""

    product: str
    groups: Sequence[tuple[str, str]]
    tier: str
    quantity: Decimal | None
    unit_price: Decimal | None
    amount: Decimal


@dataclass(frozen=True, slots=True)
class RunningInvoice:
    """A draft invoice of one contract for [start, end)."""

    id: UUID
    status: str
    start: datetime | None
    end: datetime | None
    credit_type: str
    total: Decimal
    lines: Sequence[InvoiceLine]


@dataclass(frozen=True, slots=True)
class CustomerFigures:
    """What one reading of a customer holds. `environment_spend`: of all customers, in cents."""

    invoices: Sequence[RunningInvoice]
    environment_spend: Decimal


@dataclass(frozen=True, slots=True)
class UsageChoice:
    """Which usage the chart shows."""

    metric_id: UUID | None
    group: str | None
    hours: int

    @property
    def query(self) -> str:
        """The choice as a query string."""
        fields = {"metric": self.metric_id or "", "group": self.group or "", "hours": self.hours}
        return urlencode(fields)


@dataclass(frozen=True, slots=True)
class HourlyUsage:
    """Quantities by hour, then by group value; hours oldest first."""

    hours: Sequence[tuple[datetime, dict[str, Decimal]]]


def view(figures: CustomerFigures, trouble: str | None) -> dict[str, object]:
    """Return a customer's money as text for the templates."""
    invoices = figures.invoices
    cents = [one for one in invoices if one.credit_type == display.USD_CENTS_NAME]
    spend = sum((one.total for one in cents), Decimal(0))
    whole = figures.environment_spend
    share = f"{max(spend, Decimal(0)) / whole * 100:.1f} %" if whole > 0 else "–"
    return {
        "trouble": trouble,
        "spend": " + ".join(
            [display.amount(spend)] * bool(cents or not invoices)
            + [display.amount(one.total, one.credit_type) for one in invoices if one not in cents]
        ),
        "period_text": _period_text(invoices),
        "lines_count": display.quantity(sum(len(one.lines) for one in invoices)),
        "invoices_count": len(invoices),
        "share": share,
        "invoices": [_invoice(one) for one in invoices],
    }


def usage_view(
    choice: UsageChoice,
    usage: HourlyUsage,
    metrics: Sequence[tuple[UUID, str]],
    group_keys: Sequence[str],
) -> dict[str, object]:
    """Return the usage chart and its table twin for the templates."""
    series = _series(usage)
    rows = []
    for at, groups in usage.hours:
        quantities = [groups.get(name, Decimal(0)) for name in series]
        if len(series) == SERIES_MAX and series[-1] == REST:
            quantities[-1] = sum(groups.values(), Decimal(0)) - sum(quantities[:-1], Decimal(0))
        cells = [{"value": f"{one:f}", "text": display.quantity(one)} for one in quantities]
        rows.append({"time": at, "at": int(at.timestamp()), "cells": cells})
    return {
        "query": choice.query,
        "metrics": [{"id": one, "name": name} for one, name in metrics],
        "metric_id": choice.metric_id,
        "metric_name": dict(metrics).get(choice.metric_id, "") if choice.metric_id else "",
        "group_keys": list(group_keys),
        "group": choice.group or "",
        "hours_choices": HOURS_CHOICES,
        "hours_shown": choice.hours,
        "series": series,
        "hours": rows,
    }


def _series(usage: HourlyUsage) -> list[str]:
    """Return the groups to show, largest first; beyond SERIES_MAX the smaller ones become one."""
    totals: dict[str, Decimal] = {}
    for _, groups in usage.hours:
        for name, quantity in groups.items():
            totals[name] = totals.get(name, Decimal(0)) + quantity
    names = sorted(totals, key=lambda name: (-totals[name], name))
    if len(names) > SERIES_MAX:
        return [*names[: SERIES_MAX - 1], REST]
    return names or [UNGROUPED]


def _period_text(invoices: Sequence[RunningInvoice]) -> str:
    for one in invoices:
        if one.start and one.end:
            return f"{one.start:%d %b %Y} to {one.end:%d %b %Y} (UTC)"
    return "no contract runs"


def _invoice(one: RunningInvoice) -> dict[str, object]:
    products = []
    for name, grouped in groupby(one.lines, key=lambda line: line.product):
        lines = list(grouped)
        counted = sum((line.quantity or Decimal(0) for line in lines), Decimal(0))
        amount = sum((line.amount for line in lines), Decimal(0))
        products.append(
            {
                "name": name,
                "quantity": display.quantity(counted),
                "amount": display.amount(amount, one.credit_type),
                "lines": [_line(line, one.credit_type) for line in lines],
            }
        )
    return {
        "id": one.id,
        "status": one.status.capitalize(),
        "start": one.start,
        "end": one.end,
        "total": display.amount(one.total, one.credit_type),
        "products": products,
    }


def _line(line: InvoiceLine, credit_type: str) -> dict[str, object]:
    price = line.unit_price
    return {
        "groups": line.groups,
        "tier": line.tier,
        "quantity": display.quantity(line.quantity),
        "unit_price": "" if price is None else display.unit_price(price, credit_type),
        "amount": display.amount(line.amount, credit_type),
    }
