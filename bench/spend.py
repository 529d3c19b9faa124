"""The spend stage alone: customers rated again a second, and the CPU each costs on both sides.

    python -m bench spend [--customers 20000] [--models 5] [--rounds 5]

A server of its own, 3 metrics by 5 models (15 series) a customer with one hour of usage live and more rolled up, all
customers under one rate card. Each round adds usage to every customer and touches him, as a worker does, and is rated
by the stage as `meterline rate` runs it. Trust the CPU figures; the others depend on who shares the machine. The first
round begins with nothing cached.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psutil
import psycopg

from bench.catalogue import COPY_CUSTOMERS
from bench.ground import model, roll_up, server, stage_series
from meterline.core.catalogue import ProductType, RateTerms, RateType
from meterline.core.metric import Aggregation, BillableMetric
from meterline.core.period import hour_index
from meterline.services import contracts, customers, metrics, products, rate_cards, rates
from meterline.services.contracts import NewContract
from meterline.services.environments import ensure_production
from meterline.services.rate_cards import NewRateCard
from meterline.services.rates import NewRate
from meterline.services.spend_stage import SpendStage
from meterline.services.workspace import Workspace
from meterline.store.database import Database
from meterline.wiring import ALLOCATIONS_A_COLLECTION

METRICS = ("requests", "input_tokens", "output_tokens")
ROLLED_UP_DAYS = 3  # of usage, each an hour and a day in the rollup, and all of them its month

_LIVE = """
INSERT INTO usage_live (environment_id, series_id, hour, writer, fold, quantity)
SELECT environment_id, series_id, %(hour)s, 0, 's', 5 FROM staged ORDER BY series_id
"""
_MORE_USAGE = "UPDATE usage_live SET quantity = quantity + 17"
_TOUCH = """
INSERT INTO usage_touch (environment_id, ingest_keys, events, first_hours, last_hours, appended_at)
SELECT environment_id, array_agg(alias), array_agg(10), array_agg(%(hour)s::integer), array_agg(%(hour)s::integer),
       clock_timestamp()
  FROM customer_ingest_alias GROUP BY environment_id
"""
_BACKENDS = """
SELECT pid FROM pg_stat_activity
 WHERE usename = session_user AND datname = current_database() AND pid <> pg_backend_pid()
"""
_WRONG = """
SELECT count(*) FROM spend s
 WHERE s.quantity <> (SELECT %(models)s * (%(rolled_up)s + quantity) FROM usage_live LIMIT 1)
"""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much there is to rate."""

    customers: int
    models: int
    rounds: int

    @property
    def series(self) -> int:
        return len(METRICS) * self.models


def main(arguments: Sequence[str]) -> None:
    """Rate everybody again and again, and print what it took."""
    parser = argparse.ArgumentParser(prog="bench spend")
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument(
        "--models", type=int, default=5, help="series of a customer: three times as many"
    )
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(arguments)
    gc.set_threshold(ALLOCATIONS_A_COLLECTION)
    scale = Scale(chosen.customers, chosen.models, chosen.rounds)
    with server() as url:
        print(json.dumps({"benchmark": "spend", **asyncio.run(_measure(url, scale))}), flush=True)


async def _measure(url: str, scale: Scale) -> dict[str, Any]:
    now = datetime.now(UTC)
    async with Database(url, connections_max=4) as database:
        await _load(database, url, scale, now)
        stage = SpendStage(database, uuid4())
        rounds = [await _round(stage, url, now) for _ in range(scale.rounds + 1)]
    wall, own, postgres = (sum(column) for column in zip(*rounds[1:], strict=True))
    rated = scale.customers * scale.rounds
    with psycopg.connect(url, options="-c role=meterline_pipeline") as connection:
        row = connection.execute(
            _WRONG, {"models": scale.models, "rolled_up": ROLLED_UP_DAYS * 100}
        ).fetchone()
        lines = connection.execute("SELECT count(*) FROM spend").fetchone()
    assert row == (0,), f"{row} rows of spend are wrong"
    assert lines == (scale.customers * len(METRICS),), f"{lines} rows of spend"
    return {
        "customers": scale.customers,
        "series_a_customer": scale.series,
        "customers_per_second": round(rated / wall),
        "cpu_microseconds_per_customer": {
            "rate": round(own / rated * 1e6, 1),
            "postgres": round(postgres / rated * 1e6, 1),
            "both": round((own + postgres) / rated * 1e6, 1),
        },
        "first_round_cpu_microseconds_per_customer": round(
            (rounds[0][1] + rounds[0][2]) / scale.customers * 1e6, 1
        ),
    }


async def _round(stage: SpendStage, url: str, now: datetime) -> tuple[float, float, float]:
    """Touch everybody, rate, and return seconds passed, own CPU and the backends' CPU."""
    with psycopg.connect(url, autocommit=True, options="-c role=meterline_pipeline") as connection:
        connection.execute(_MORE_USAGE)
        connection.execute("VACUUM ANALYZE usage_live")
        connection.execute(_TOUCH, {"hour": hour_index(now)})
        backends = [psutil.Process(row[0]) for row in connection.execute(_BACKENDS)]
        assert backends, "the stage has no session"
        wall, own, others = time.perf_counter(), time.process_time(), _cpu(backends)
        rated = await stage.rate_touched(now)
        passed = time.perf_counter() - wall, time.process_time() - own, _cpu(backends) - others
    assert rated, "nothing was rated"
    return passed


def _cpu(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


async def _load(database: Database, url: str, scale: Scale, now: datetime) -> None:
    environment_id = await ensure_production(database, "bench")
    workspace = Workspace(database, environment_id, now, uuid4, "bench")
    measured = await _catalogue(workspace, scale, now)
    with psycopg.connect(url, options="-c role=meterline_pipeline") as connection:
        _copy_usage(connection, environment_id, measured, scale, now)
    with psycopg.connect(url, autocommit=True, options="-c role=meterline_pipeline") as connection:
        for table in (
            "usage_series",
            "usage_rollup",
            "customer",
            "contract",
            "customer_ingest_alias",
        ):
            connection.execute(f"VACUUM ANALYZE {table}")


async def _catalogue(workspace: Workspace, scale: Scale, now: datetime) -> list[BillableMetric]:
    """Metrics, products, one card, and a contract for everybody."""
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    measured = [
        BillableMetric(uuid4(), name, Aggregation.SUM, name, group_keys=(("model",),))
        for name in METRICS
    ]
    card = await rate_cards.create(workspace, NewRateCard("bench"))
    for place, metric in enumerate(measured):
        await metrics.create(workspace, metric, {})
        fields = {
            "name": metric.name,
            "billable_metric_id": str(metric.id),
            "pricing_group_key": ["model"],
        }
        product = await products.create(
            workspace, product_type=ProductType.USAGE, fields=fields, custom_fields={}
        )
        price = RateTerms(RateType.FLAT, Decimal("0.00025") * (place + 1))
        await rates.add(
            workspace,
            card,
            [
                NewRate(product, month, None, True, price, {"model": model(number)})
                for number in range(scale.models)
            ],
        )
    template = await customers.create(
        workspace, name="template", ingest_aliases=[], custom_fields={}
    )
    await contracts.create(
        workspace, NewContract(template["customer_id"], month, rate_card_id=card)
    )
    async with workspace.database.installation() as connection:
        await connection.execute(
            COPY_CUSTOMERS, {"customers": scale.customers, "template": template["customer_id"]}
        )
        await connection.execute("DELETE FROM usage_touch")
    return measured


def _copy_usage(
    connection: psycopg.Connection[Any],
    environment_id: int,
    measured: Sequence[BillableMetric],
    scale: Scale,
    now: datetime,
) -> None:
    """One hour live and a few rolled up, of every customer, metric and model."""
    month = hour_index(now.replace(day=1, hour=0))
    buckets = [("m", month, ROLLED_UP_DAYS * 100)]
    for day in range(ROLLED_UP_DAYS):
        buckets += [("d", month + day * 24, 100), ("h", month + day * 24 + 5, 100)]
    stage_series(
        connection, environment_id, measured, customers=scale.customers, models=scale.models
    )
    connection.execute(_LIVE, {"hour": hour_index(now)})
    roll_up(connection, buckets)
