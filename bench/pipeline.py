"""Events in, exact usage and spend out: how many a second, how soon, and what an event costs by step.

    python -m bench pipeline [--rate 50000] [--seconds 60] [--customers 20000]

Starts a fresh platform, loads the catalogue, sends at a fixed rate and checks the totals against the generator's own.
Everything, the generator included, shares the machine. Prints one JSON object a phase.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg

from bench import catalogue
from bench.installation import TOKEN, Installation, installation
from bench.load import EVENTS_PER_REQUEST, Outcome, Shape, Totals, Traffic, percentile, send

SAMPLE_SECONDS = 0.2
PROBE_SECONDS = 0.25

_TOTALS = """
SELECT m.name, sum(l.quantity)::bigint
  FROM usage_series s JOIN billable_metric m USING (environment_id, metric_id)
  JOIN (SELECT environment_id, series_id, quantity FROM usage_live
        UNION ALL SELECT environment_id, series_id, quantity FROM usage_rollup WHERE grain = 'h') l
    USING (environment_id, series_id)
 WHERE s.ingest_key <> 'probe'
 GROUP BY m.name
"""
_LOG_BYTES = (
    "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = %s::regclass"
)
_TABLE_BYTES = "SELECT sum(pg_total_relation_size(t::regclass)) FROM unnest(%s::text[]) AS t"


def main(arguments: Sequence[str]) -> None:
    """Run the phases and print what was measured."""
    parser = argparse.ArgumentParser(prog="bench pipeline")
    parser.add_argument(
        "--rate", type=int, default=50_000, help="events a second of the capacity phase"
    )
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--latency-rate", type=int, default=20_000)
    parser.add_argument("--latency-seconds", type=int, default=30)
    parser.add_argument("--customers", type=int, default=20_000)
    chosen = parser.parse_args(arguments)
    traffic = Traffic(f"b{int(time.time())}", Shape(customers=chosen.customers))
    with installation() as platform:
        probe = catalogue.load(platform, chosen.customers)
        _print(_latency(platform, traffic, probe, chosen.latency_rate, chosen.latency_seconds))
        _print(_capacity(platform, traffic, chosen.rate, chosen.seconds))


def _latency(
    platform: Installation, traffic: Traffic, probe: str, rate: int, seconds: int
) -> dict[str, Any]:
    bodies = traffic.bodies(rate * seconds // EVENTS_PER_REQUEST)
    outcome, freshness, visible = asyncio.run(_send_and_watch(platform, bodies, rate, probe))
    settle(platform)
    return {
        "phase": "latency",
        "offered_per_second": rate,
        **_answers(outcome),
        "invoice_visible_seconds_p50": round(percentile(visible, 0.50), 3),
        "invoice_visible_seconds_p99": round(percentile(visible, 0.99), 3),
        "invoice_probes": len(visible),
        "freshness_seconds_p50": round(percentile(freshness, 0.50), 3),
        "freshness_seconds_p99": round(percentile(freshness, 0.99), 3),
        "exact": exact(platform, traffic.unique),
    }


def _capacity(platform: Installation, traffic: Traffic, rate: int, seconds: int) -> dict[str, Any]:
    bodies = traffic.bodies(rate * seconds // EVENTS_PER_REQUEST)
    cpu_before, steps_before = platform.cpu_seconds(), platform.step_costs()
    sessions_before = platform.session_cpu_seconds()
    generator_before, started = time.process_time(), time.perf_counter()
    outcome, freshness, _ = asyncio.run(_send_and_watch(platform, bodies, rate, None))
    generator = time.process_time() - generator_before
    metered_seconds = settle(platform, "lag_unmetered", started)
    rated_seconds = settle(platform, "lag_events", started)
    time.sleep(6)  # the worker gives its account each 5 seconds
    cpu, sessions = platform.cpu_seconds(), platform.session_cpu_seconds()
    memory = platform.memory_bytes()
    events = outcome.accepted
    return {
        "phase": "capacity",
        "offered_per_second": rate,
        **_answers(outcome),
        "metered_per_second": round(events / metered_seconds),
        "rated_after_seconds": round(rated_seconds, 1),
        "freshness_seconds_p50": round(percentile(freshness, 0.50), 3),
        "freshness_seconds_p99": round(percentile(freshness, 0.99), 3),
        "exact": exact(platform, traffic.unique),
        "cpu_microseconds_per_event": {
            role: round((used - cpu_before.get(role, 0.0)) / events * 1e6, 2)
            for role, used in sorted(cpu.items())
        }
        | {"generator": round(generator / events * 1e6, 2)},
        "session_cpu_microseconds_per_event": {
            name: round((used - sessions_before.get(name, 0.0)) / events * 1e6, 2)
            for name, used in sorted(sessions.items(), key=lambda item: -item[1])
            if name
        },
        "worker_steps_microseconds_per_event": _steps(steps_before, platform.step_costs()),
        "bytes_per_event": _bytes(platform, traffic.unique.events),
        "memory_megabytes": {role: used // 1_000_000 for role, used in sorted(memory.items())}
        | {"all": sum(memory.values()) // 1_000_000},
    }


async def _send_and_watch(
    platform: Installation, bodies: Sequence[bytes], rate: int, probe: str | None
) -> tuple[Outcome, list[float], list[float]]:
    """Send, sampling freshness and, with a `probe`, how soon an event of his shows in his running invoice."""
    freshness: list[float] = []
    visible: list[float] = []
    async with httpx.AsyncClient(
        base_url=platform.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30
    ) as client:
        watchers = [asyncio.create_task(_watch_freshness(client, freshness))]
        if probe is not None:
            watchers.append(asyncio.create_task(_watch_invoice(client, probe, visible)))
        outcome = await send("127.0.0.1", platform.port, TOKEN, bodies, events_per_second=rate)
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
    return outcome, freshness, visible


async def _watch_freshness(client: httpx.AsyncClient, freshness: list[float]) -> None:
    while True:
        status = (await client.get("/v1/pipeline")).json()
        freshness.append(status["freshness_seconds"])
        await asyncio.sleep(SAMPLE_SECONDS)


async def _watch_invoice(client: httpx.AsyncClient, probe: str, visible: list[float]) -> None:
    path = f"/v1/customers/{probe}/invoices"
    number = 0
    while True:
        before = (await client.get(path)).json()["data"][0]["total"]
        number += 1
        event = {
            "transaction_id": f"probe-{number}",
            "customer_id": catalogue.PROBE,
            "event_type": "llm.completion",
            "timestamp": datetime.now(UTC).isoformat(),
            "properties": {"model": "vega-2", "input_tokens": 10, "output_tokens": 1},
        }
        (await client.post("/v1/ingest", json=[event])).raise_for_status()
        acknowledged = time.perf_counter()
        while (await client.get(path)).json()["data"][0]["total"] == before:  # noqa: ASYNC110 -- polls HTTP
            await asyncio.sleep(0.02)
        visible.append(time.perf_counter() - acknowledged)
        await asyncio.sleep(PROBE_SECONDS)


def _answers(outcome: Outcome) -> dict[str, Any]:
    return {
        "accepted_per_second": round(outcome.accepted / outcome.seconds),
        "accepted": outcome.accepted,
        "refused": outcome.refused,
        "failed": outcome.failed,
        "ack_ms_p50": round(percentile(outcome.latencies, 0.50) * 1e3, 1),
        "ack_ms_p99": round(percentile(outcome.latencies, 0.99) * 1e3, 1),
        "ack_ms_max": round(max(outcome.latencies) * 1e3, 1),
    }


def settle(platform: Installation, lag: str = "lag_events", started: float = 0.0) -> float:
    """Wait until nothing lags, and return the seconds since `started`."""
    with platform.client() as client:
        while client.get("/v1/pipeline").json()[lag]:
            time.sleep(0.05)
    return time.perf_counter() - started


def exact(platform: Installation, expected: Totals) -> bool:
    """Whether usage is what the generator sent, each event once."""
    with psycopg.connect(
        catalogue.database_url(platform), options="-c role=meterline_pipeline"
    ) as connection:
        found: dict[str, int] = dict(connection.execute(_TOTALS).fetchall())
    wanted = {
        "requests": expected.events,
        "input_tokens": expected.input_tokens,
        "output_tokens": expected.output_tokens,
    }
    if found != wanted:
        raise RuntimeError(f"metered {found}, sent {wanted}")
    return True


def _steps(before: dict[str, Any], after: dict[str, Any]) -> dict[str, dict[str, float]]:
    events = after["events"] - before.get("events", 0)
    return {
        kind: {
            step: round((seconds - before.get(kind, {}).get(step, 0.0)) / events * 1e6, 2)
            for step, seconds in after[kind].items()
        }
        for kind in ("wall", "cpu")
    } | {"cycles": after["cycles"] - before.get("cycles", 0)}


def _bytes(platform: Installation, events: int) -> dict[str, float]:
    with psycopg.connect(
        catalogue.database_url(platform), options="-c role=meterline_pipeline"
    ) as connection:
        sizes = {
            "log": connection.execute(_LOG_BYTES, ["log_record"]).fetchone(),
            "seen": connection.execute(_LOG_BYTES, ["seen_event"]).fetchone(),
            "usage": connection.execute(
                _TABLE_BYTES, [["usage_series", "usage_live", "usage_rollup"]]
            ).fetchone(),
        }
    return {
        name: round(float(row[0]) / events, 1) for name, row in sizes.items() if row is not None
    }


def _print(measured: dict[str, Any]) -> None:
    print(json.dumps({"benchmark": "pipeline", **measured}), flush=True)
