"""The log grows while events flow: how long it takes, what ingest notices of it, and that every event counts once.

    python -m bench growth [--rate 10000] [--seconds 40] [--seen 5000000] [--from 32] [--to 96]

With METERLINE_KAFKA set the log is a topic, else PostgreSQL's tables. `--seen` fills the seen index with that many ids
of other events first. In the middle of the load the command is run as an operator would; from then on one request in
eleven repeats one of the first half. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence

import psycopg

from bench import catalogue
from bench.installation import TOKEN, Installation, installation
from bench.load import EVENTS_PER_REQUEST, Outcome, Shape, Traffic, percentile, send
from bench.pipeline import exact, settle

REPEATED_SHARE = 10
CUSTOMERS = 2_000
_FILL = """
INSERT INTO seen_event (environment_id, event_id, seen_at, partition, record_offset)
SELECT 1, gen_random_uuid(), now(), 0, 0 FROM generate_series(1, %s)
"""


def main(arguments: Sequence[str]) -> None:
    """Run and print what was measured."""
    parser = argparse.ArgumentParser(prog="bench growth")
    parser.add_argument("--rate", type=int, default=10_000, help="events a second")
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--seen", type=int, default=5_000_000)
    parser.add_argument("--from", type=int, default=32, dest="partitions")
    parser.add_argument("--to", type=int, default=96)
    chosen = parser.parse_args(arguments)
    traffic = Traffic(f"g{int(time.time())}", Shape(customers=CUSTOMERS))
    with installation("--workers", "2", "--log-partitions", str(chosen.partitions)) as platform:
        catalogue.load(platform, CUSTOMERS)
        _fill(platform, chosen.seen)
        requests = chosen.rate * chosen.seconds // EVENTS_PER_REQUEST // 2
        before, during = traffic.bodies(requests), traffic.bodies(requests)
        repeats = before[::REPEATED_SHARE]
        for number, repeat in enumerate(repeats):
            during.insert(number * REPEATED_SHARE, repeat)
        calm, growing, seconds = asyncio.run(
            _grow_under_load(platform, (before, during), chosen.rate, chosen.to)
        )
        settle(platform)
        found = {
            "benchmark": "growth",
            "log": "kafka" if os.environ.get("METERLINE_KAFKA") else "postgresql",
            "partitions": [chosen.partitions, chosen.to],
            "ids_seen_before": chosen.seen,
            "offered_per_second": chosen.rate,
            "grown_seconds": round(seconds, 2),
            "accepted": calm.accepted + growing.accepted,
            "refused": calm.refused + growing.refused,
            "failed": calm.failed + growing.failed,
            "ack_ms_p99_before": round(percentile(calm.latencies, 0.99) * 1e3, 1),
            "ack_ms_p99_with_growth": round(percentile(growing.latencies, 0.99) * 1e3, 1),
            "repeats_sent_after": len(repeats) * EVENTS_PER_REQUEST,
            "exact": exact(platform, traffic.unique),
        }
        print(json.dumps(found), flush=True)


def _fill(platform: Installation, ids: int) -> None:
    """Put ids of other events into the seen index."""
    with psycopg.connect(
        catalogue.database_url(platform), options="-c role=meterline_pipeline"
    ) as connection:
        connection.execute(_FILL, [ids])


async def _grow_under_load(
    platform: Installation, bodies: tuple[list[bytes], list[bytes]], rate: int, to: int
) -> tuple[Outcome, Outcome, float]:
    """Send, and send on while the log grows; returns both outcomes, and how long growing took."""
    before, during = bodies
    calm = await send("127.0.0.1", platform.port, TOKEN, before, events_per_second=rate)
    growing = asyncio.create_task(
        send("127.0.0.1", platform.port, TOKEN, during, events_per_second=rate)
    )
    await asyncio.sleep(1)
    started = time.perf_counter()
    command = [*("partitions", "grow", "--to", str(to)), "--data-dir", str(platform.data_dir)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meterline.cli.main", *command), stdout=sys.stderr
    )
    if await process.wait():
        raise RuntimeError("the log did not grow")
    seconds = time.perf_counter() - started
    return calm, await growing, seconds
