"""One large running invoice: a customer with many groups, read as the API reads it, JSON included.

    python -m bench running_invoice [--groups 1000] [--days 30] [--reads 20]

A server of its own and one customer whose metric has that many group values, each used every day of a month that is
nearly over. Milliseconds a read, in one process; CPU without PostgreSQL's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg

from bench.ground import alias, roll_up, server, stage_series
from meterline.api.invoice_shapes import InvoiceDetail, invoice_fields
from meterline.api.wire import encode
from meterline.core.catalogue import ProductType, RateTerms, RateType
from meterline.core.metric import Aggregation, BillableMetric
from meterline.core.period import hour_index
from meterline.services import (
    contracts,
    customers,
    invoices,
    metrics,
    products,
    rate_cards,
    rates,
)
from meterline.services.bearers import custom_fields_of
from meterline.services.contracts import NewContract
from meterline.services.environments import ensure_production
from meterline.services.invoices import InvoiceFilter
from meterline.services.paging import PageRequest
from meterline.services.rate_cards import NewRateCard
from meterline.services.rates import NewRate
from meterline.services.workspace import Workspace
from meterline.store.database import Database

MONTH = datetime(2026, 10, 1, tzinfo=UTC)
QUANTITY = 7  # of each group and day


def main(arguments: Sequence[str]) -> None:
    """Read the invoice again and again, and print what a read takes."""
    parser = argparse.ArgumentParser(prog="bench running_invoice")
    parser.add_argument("--groups", type=int, default=1000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--reads", type=int, default=20)
    chosen = parser.parse_args(arguments)
    with server() as url:
        found = asyncio.run(_measure(url, chosen.groups, chosen.days, chosen.reads))
    print(json.dumps({"benchmark": "running_invoice", **found}), flush=True)


async def _measure(url: str, groups: int, days: int, reads: int) -> dict[str, Any]:
    now = MONTH + timedelta(days=days, hours=-1)
    async with Database(url, connections_max=4) as database:
        environment_id = await ensure_production(database, "bench")
        workspace = Workspace(database, environment_id, MONTH, uuid4, "bench")
        measured, customer_id = await _catalogue(workspace)
        _use(url, environment_id, measured, groups, days)
        workspace = Workspace(database, environment_id, now, uuid4, "bench")
        (draft,) = (
            await invoices.page(
                workspace, customer_id, InvoiceFilter(), PageRequest("invoices", 10)
            )
        ).rows
        assert len(draft.line_items) == groups, len(draft.line_items)
        assert draft.total == groups * days * QUANTITY * 2, draft.total
        milliseconds, size = [], 0
        cpu = time.process_time()
        for _ in range(reads):
            started = time.perf_counter()
            size = len(await _read(workspace, customer_id, draft.id))
            milliseconds.append((time.perf_counter() - started) * 1e3)
        cpu = (time.process_time() - cpu) / reads * 1e3
    return {
        "groups": groups,
        "days": days,
        "milliseconds": {
            "median": round(statistics.median(milliseconds), 1),
            "least": round(min(milliseconds), 1),
            "most": round(max(milliseconds), 1),
        },
        "cpu_milliseconds": round(cpu, 1),
        "bytes": size,
    }


async def _read(workspace: Workspace, customer_id: UUID, invoice_id: UUID) -> bytes:
    invoice = await invoices.get(workspace, customer_id, invoice_id)
    custom_fields = await custom_fields_of(workspace, [invoice])
    return encode(InvoiceDetail(**invoice_fields(invoice, custom_fields)))


async def _catalogue(workspace: Workspace) -> tuple[BillableMetric, UUID]:
    metric = BillableMetric(uuid4(), "tokens", Aggregation.SUM, "n", group_keys=(("model",),))
    await metrics.create(workspace, metric, {})
    product = await products.create(
        workspace,
        product_type=ProductType.USAGE,
        fields={
            "name": "tokens",
            "billable_metric_id": str(metric.id),
            "presentation_group_key": ["model"],
        },
        custom_fields={},
    )
    card = await rate_cards.create(workspace, NewRateCard("bench"))
    price = RateTerms(RateType.FLAT, Decimal(2))
    await rates.add(workspace, card, [NewRate(product, MONTH, None, True, price, {})])
    row = await customers.create(
        workspace, name="large", ingest_aliases=[alias(0)], custom_fields={}
    )
    customer_id: UUID = row["customer_id"]
    await contracts.create(workspace, NewContract(customer_id, MONTH, rate_card_id=card))
    return metric, customer_id


def _use(url: str, environment_id: int, metric: BillableMetric, groups: int, days: int) -> None:
    first = hour_index(MONTH)
    buckets = [("m", first, days * QUANTITY)]
    for day in range(days):
        buckets += [
            ("d", first + day * 24, QUANTITY),
            ("h", first + day * 24 + 9, QUANTITY),
        ]
    with psycopg.connect(url, options="-c role=meterline_pipeline") as connection:
        stage_series(connection, environment_id, [metric], customers=1, models=groups)
        roll_up(connection, buckets)
    with psycopg.connect(url, autocommit=True, options="-c role=meterline_pipeline") as connection:
        for table in ("usage_series", "usage_rollup"):
            connection.execute(f"VACUUM ANALYZE {table}".encode())
