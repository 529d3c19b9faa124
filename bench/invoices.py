"""The invoice run: everybody's usage invoices become final at once.

    python -m bench invoices [--customers 10000] [--lines 20] [--processes 2] [--grants 0]

A server of its own and the schedulers, each as `meterline schedule` runs it, on the month before this one: 2 metrics by
half as many models as there are lines. `--grants`: credits a customer draws on, each of which splits a line and adds
one. Then all are settled again, which must change nothing. `run_seconds` counts from the start of the processes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psutil
import psycopg

from bench.catalogue import COPY_CUSTOMERS
from bench.ground import model, roll_up, server, stage_series
from meterline.core.catalogue import ProductType, RateTerms, RateType
from meterline.core.ledger.grant import Grant, GrantKind, GrantSegment
from meterline.core.metric import Aggregation, BillableMetric
from meterline.core.money import USD_CENTS
from meterline.core.period import hour_index
from meterline.services import contracts, customers, metrics, products, rate_cards, rates
from meterline.services.contracts import NewContract
from meterline.services.environments import ensure_production
from meterline.services.rate_cards import NewRateCard
from meterline.services.rates import NewRate
from meterline.services.workspace import Workspace
from meterline.store import codec
from meterline.store.database import Database

METRICS = ("requests", "tokens")
QUANTITY = 100  # of every line
PRICE = Decimal("0.25")
GRANT = Decimal(30)  # of 25 a line

_PIPELINE = "-c role=meterline_pipeline"
_GRANTS = """
INSERT INTO account_grant (environment_id, grant_id, customer_id, kind, terms, created_at, created_by)
SELECT environment_id, id, customer_id, 'CREDIT',
       %(terms)s::jsonb || jsonb_build_object('id', id, 'customer_id', customer_id, 'segments', jsonb_build_array(
           (%(terms)s::jsonb->'segments'->0) || jsonb_build_object('id', gen_random_uuid()))),
       %(now)s, 'bench'
  FROM (SELECT environment_id, customer_id, gen_random_uuid() AS id
          FROM contract, generate_series(1, %(grants)s)) made
"""
_DUE = """
INSERT INTO books_due (environment_id, customer_id, due_at) SELECT environment_id, customer_id, %(due_at)s FROM contract
ON CONFLICT (environment_id, customer_id) DO UPDATE SET due_at = excluded.due_at
"""
_LEFT = "SELECT count(*) FROM books_due WHERE due_at <= clock_timestamp() OR failures > 0"
_FAILED = "SELECT count(*) FROM books_due WHERE failures > 0"
_INVOICES = """
SELECT count(*), count(*) FILTER (WHERE status = 'FINALIZED' AND jsonb_array_length(line_items) = %(lines)s),
       sum(total)
  FROM invoice
"""
_DIGEST = """
SELECT md5(string_agg(md5(row), '' ORDER BY row)) FROM (
    SELECT to_jsonb(i)::text AS row FROM invoice AS i
    UNION ALL SELECT to_jsonb(e)::text FROM ledger_entry AS e
    UNION ALL SELECT to_jsonb(g)::text FROM account_grant AS g) every
"""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much there is to invoice."""

    customers: int
    lines: int
    processes: int
    grants: int

    @property
    def models(self) -> int:
        return self.lines // len(METRICS)

    @property
    def lines_in_all(self) -> int:
        """With what grants add: each is used up by a line and a part of the next."""
        return self.lines + 3 * self.grants

    @property
    def total(self) -> Decimal:
        return self.customers * (self.lines * QUANTITY * PRICE - self.grants * GRANT)


def main(arguments: Sequence[str]) -> None:
    """Invoice everybody, then again, and print what it took."""
    parser = argparse.ArgumentParser(prog="bench invoices")
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--lines", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--grants", type=int, default=0)
    chosen = parser.parse_args(arguments)
    scale = Scale(chosen.customers, chosen.lines, chosen.processes, chosen.grants)
    with server() as url:
        asyncio.run(_load(url, scale))
        print(json.dumps({"benchmark": "invoices", **_measure(url, scale)}), flush=True)


def _measure(url: str, scale: Scale) -> dict[str, Any]:
    with psycopg.connect(url, autocommit=True, options=_PIPELINE) as connection:
        run = _run(connection, url, scale)
        row = connection.execute(_INVOICES, {"lines": scale.lines_in_all}).fetchone()
        assert row == (scale.customers, scale.customers, scale.total), row
        digest = connection.execute(_DIGEST).fetchone()
        connection.execute(_DUE, {"due_at": _last_month()})
        again = _run(connection, url, scale)
        assert connection.execute(_DIGEST).fetchone() == digest, "the second run changed the books"
        sizes = connection.execute(
            "SELECT pg_total_relation_size('invoice') + pg_total_relation_size('ledger_entry')"
        ).fetchone()
    assert sizes is not None
    return {
        "customers": scale.customers,
        "lines_a_customer": scale.lines,
        "grants_a_customer": scale.grants,
        "processes": scale.processes,
        **run,
        "run_again": again,
        "bytes_an_invoice": round(sizes[0] / scale.customers),
    }


def _run(
    connection: psycopg.Connection[tuple[Any, ...]], url: str, scale: Scale
) -> dict[str, float]:
    """Start the schedulers, wait until nothing is due, and stop them."""
    started = time.perf_counter()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "meterline.cli.main", "schedule", "--database-url", url],
            env={**os.environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(scale.processes)
    ]
    try:
        while (left := connection.execute(_LEFT).fetchone()) != (0,):
            assert connection.execute(_FAILED).fetchone() == (0,), "somebody could not be settled"
            assert all(one.poll() is None for one in running), f"a scheduler ended, {left} left"
            time.sleep(0.1)
        seconds = time.perf_counter() - started
        cpu = sum(sum(psutil.Process(one.pid).cpu_times()[:2]) for one in running)
        sessions = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'schedule'"
        ).fetchall()
        postgres = sum(sum(psutil.Process(pid).cpu_times()[:2]) for (pid,) in sessions)
    finally:
        for one in running:
            one.terminate()
        for one in running:
            one.wait(30)
    return {
        "run_seconds": round(seconds, 1),
        "invoices_per_second": round(scale.customers / seconds),
        "cpu_milliseconds_per_customer": round(cpu / scale.customers * 1e3, 2),
        "postgres_cpu_milliseconds_per_customer": round(postgres / scale.customers * 1e3, 2),
    }


async def _load(url: str, scale: Scale) -> None:
    month = _last_month()
    async with Database(url, connections_max=4) as database:
        environment_id = await ensure_production(database, "bench")
        workspace = Workspace(database, environment_id, month, uuid4, "bench")
        measured, fixed = await _catalogue(workspace, scale, month)
    with psycopg.connect(url, options=_PIPELINE) as connection:
        stage_series(
            connection, environment_id, measured, customers=scale.customers, models=scale.models
        )
        first = hour_index(month)
        half = QUANTITY // 2
        roll_up(
            connection,
            [
                ("m", first, QUANTITY),
                *(("d", first + day * 24, half) for day in (3, 4)),
                *(("h", first + day * 24 + 5, half) for day in (3, 4)),
            ],
        )
        if scale.grants:
            connection.execute(_GRANTS, _grant_terms(fixed, month) | {"grants": scale.grants})
        connection.execute(_DUE, {"due_at": _this_month() + timedelta(days=1)})
    with psycopg.connect(url, autocommit=True, options=_PIPELINE) as connection:
        for table in ("usage_series", "usage_rollup", "customer", "contract", "books_due"):
            connection.execute(f"VACUUM ANALYZE {table}".encode())


async def _catalogue(
    workspace: Workspace, scale: Scale, month: datetime
) -> tuple[list[BillableMetric], UUID]:
    """Metrics, products, one card, and a contract for everybody; returns what grants are for."""
    measured = [
        BillableMetric(uuid4(), name, Aggregation.SUM, name, group_keys=(("model",),))
        for name in METRICS
    ]
    card = await rate_cards.create(workspace, NewRateCard("bench"))
    for metric in measured:
        await metrics.create(workspace, metric, {})
        fields = {
            "name": metric.name,
            "billable_metric_id": str(metric.id),
            "pricing_group_key": ["model"],
        }
        product = await products.create(
            workspace, product_type=ProductType.USAGE, fields=fields, custom_fields={}
        )
        price = RateTerms(RateType.FLAT, PRICE)
        new = [
            NewRate(product, month, None, True, price, {"model": model(number)})
            for number in range(scale.models)
        ]
        await rates.add(workspace, card, new)
    fixed = await products.create(
        workspace, product_type=ProductType.FIXED, fields={"name": "grant"}, custom_fields={}
    )
    template = await customers.create(
        workspace, name="template", ingest_aliases=[], custom_fields={}
    )
    await contracts.create(
        workspace, NewContract(template["customer_id"], month, rate_card_id=card)
    )
    async with workspace.database.installation() as connection:
        values = {"customers": scale.customers, "template": template["customer_id"]}
        await connection.execute(COPY_CUSTOMERS, values)
        await connection.execute("DELETE FROM books_due")
        await connection.execute(
            "DELETE FROM contract WHERE customer_id = %s", [template["customer_id"]]
        )
        await connection.execute("DELETE FROM usage_touch")
    return measured, fixed


def _grant_terms(product_id: UUID, month: datetime) -> dict[str, Any]:
    segment = GrantSegment(uuid4(), GRANT, month, month + timedelta(days=400))
    grant = Grant(uuid4(), uuid4(), GrantKind.CREDIT, product_id, USD_CENTS, (segment,), month)
    return {"terms": codec.to_bytes(grant).decode(), "now": month}


def _this_month() -> datetime:
    return datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _last_month() -> datetime:
    return (_this_month() - timedelta(days=1)).replace(day=1)
