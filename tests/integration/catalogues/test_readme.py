"""The commands of examples/README.md, as they stand there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx
from tests.support.platform import Platform

EXAMPLES = Path(__file__).parents[3] / "examples" / "catalogues"
CLOCK = datetime(2026, 10, 31, 12, tzinfo=UTC)


def test_an_example_from_file_to_invoice_and_on_to_another_price(
    platform: Platform, tmp_path: Path
) -> None:
    _, token = platform.new_environment(f"readme-{time.time_ns()}", sandbox=True, clock=CLOCK)

    def meterline(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "meterline.cli.main", *words],
            env=os.environ | {"METERLINE_URL": platform.url, "METERLINE_TOKEN": token},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    page = EXAMPLES / "stripe-payments.yaml"
    meterline("apply", str(page), "--yes")
    meterline("ingest", str(page.with_suffix(".usage.csv")))
    until_metered(platform.url, token)
    assert "$51.31" in meterline("invoice", "shopkeeper")

    dearer = page.read_text().replace("name: Stripe US", "name: Stripe US 2027")
    dearer = dearer.replace("rate_card: Stripe US", "rate_card: Stripe US 2027")
    dearer = dearer.replace('percent: "2.9"', 'percent: "3.1"')
    (tmp_path / "dearer.yaml").write_text(dearer[: dearer.index("customers:")])
    meterline("apply", str(tmp_path / "dearer.yaml"), "--yes")
    words = ("--month", "2026-10", "--rate-card", "Stripe US 2027")
    tried = json.loads(meterline("simulate", *words, "--json"), parse_float=Decimal)
    (everybody,) = tried["totals"]
    assert everybody["old_total"] == Decimal("5131.139")
    # 0.2 % of $1,234.56 more, in cents.
    assert everybody["difference"] == Decimal("246.912")


def until_metered(url: str, token: str) -> None:
    deadline = time.monotonic() + 30
    headers = {"Authorization": f"Bearer {token}"}
    while httpx.get(f"{url}/v1/pipeline", headers=headers).json()["lag_events"]:
        assert time.monotonic() < deadline, "the pipeline did not catch up"
        time.sleep(0.05)
