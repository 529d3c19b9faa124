"""The price pages of examples/catalogues: loaded as files, fed with their example month, and billed to the last digit.

What is expected stands in the head of each file, worked out by hand: the amount of each line after `= $`, and the
invoices' totals.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support.platform import Platform

from meterline.cli import event_file, ingest
from meterline.cli.catalogue import reading
from meterline.cli.catalogue.comparison import differences
from meterline.cli.catalogue.performance import perform
from meterline.cli.catalogue.platform import read as read_platform
from meterline.cli.client import Endpoint, PlatformClient

FILES = sorted((Path(__file__).parents[3] / "examples" / "catalogues").glob("*.yaml"))
# The month is all but over: its usage is in, and its invoice still runs.
CLOCK = datetime(2026, 10, 31, 12, tzinfo=UTC)
# A day of grace after the month, and a little more.
FINAL = datetime(2026, 11, 3, tzinfo=UTC)
CENTS = Decimal(100)


@dataclass(frozen=True)
class Expected:
    """What the head of a file says, in cents."""

    lines: Counter[Decimal]
    totals: dict[str, Decimal]

    @classmethod
    def of(cls, path: Path) -> Expected:
        head = [line for line in path.read_text().splitlines() if line.startswith("#")]
        amounts = [match[1] for line in head if (match := re.search(r"= \$([\d.,]+)$", line))]
        totals = [
            match
            for line in head
            if (match := re.search(r"(\w+) invoice, total: \$([\d.,]+)$", line))
        ]
        return cls(
            Counter(cents(one) for one in amounts if cents(one)),
            {match[1].upper(): cents(match[2]) for match in totals},
        )


def cents(dollars: str) -> Decimal:
    return Decimal(dollars.replace(",", "")) * CENTS


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_price_page_bills_its_example_month(platform: Platform, path: Path) -> None:
    expected = Expected.of(path)
    _, token = platform.new_environment(f"{path.stem}-{time.time_ns()}", sandbox=True, clock=CLOCK)
    with PlatformClient(Endpoint(platform.url, token)) as client:
        source, wanted = reading.read(path)
        found = read_platform(client, wanted)
        perform(client, source, found, differences(source, wanted, found))
        again = differences(source, wanted, read_platform(client, wanted))
        assert again == [], "a second run finds nothing to do"
        usage = event_file.read(path.with_suffix(".usage.csv"), event_file.Mapping(), now=CLOCK)
        ingest.send(client, usage, total=None)
        until_metered(client)
        (customer,) = client.pages("GET", "/v1/customers")
        begun = invoices_of_october(client, customer["id"])
        client.post("/v1/sandbox/clock", {"now": FINAL.isoformat()})
        final = invoices_of_october(client, customer["id"])
    assert {one["status"] for one in final} == {"FINALIZED"}
    assert [one["total"] for one in final] == [one["total"] for one in begun]
    assert {one["type"]: one["total"] for one in begun} == expected.totals
    lines = [line for one in begun for line in one["line_items"] if line["total"]]
    if not wanted.units:  # lines in units of one's own are converted, and drawn down
        assert Counter(Decimal(line["total"]) for line in lines) == expected.lines
        assert sum(expected.lines.elements()) == sum(expected.totals.values())


def invoices_of_october(client: PlatformClient, customer_id: str) -> list[dict[str, Any]]:
    found = client.get(f"/v1/customers/{customer_id}/invoices", limit=100)["data"]
    return [one for one in found if datetime.fromisoformat(begins(one)) <= CLOCK]


def begins(invoice: dict[str, Any]) -> str:
    """When what is invoiced happens: the period's start, or the date of a scheduled charge."""
    return str(invoice.get("start_timestamp") or invoice["issued_at"])


def until_metered(client: PlatformClient) -> None:
    deadline = time.monotonic() + 60
    while client.get("/v1/pipeline")["lag_events"]:
        assert time.monotonic() < deadline, "the pipeline did not catch up"
        time.sleep(0.05)


def test_there_are_ten_price_pages() -> None:
    assert len(FILES) == 10
