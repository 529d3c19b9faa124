"""GET and POST /v1/sandbox/clock on a running platform."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from tests.support.platform import TOKEN, Platform

START = datetime(2026, 1, 1, tzinfo=UTC)


def client(platform: Platform, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=platform.url, headers=headers, timeout=10)


def test_a_sandboxs_clock_is_read_and_moved_forward(platform: Platform) -> None:
    _, token = platform.new_environment("clock", sandbox=True, clock=START)
    with client(platform, token) as http:
        assert http.get("/v1/sandbox/clock").json() == {"now": "2026-01-01T00:00:00Z"}
        moved = http.post("/v1/sandbox/clock", json={"now": "2026-02-01T01:00:00+01:00"})
        assert (moved.status_code, moved.json()) == (200, {"now": "2026-02-01T00:00:00Z"})
        assert http.get("/v1/sandbox/clock").json() == {"now": "2026-02-01T00:00:00Z"}
        back = http.post("/v1/sandbox/clock", json={"now": "2026-01-15T00:00:00Z"})
        assert (back.status_code, "forward" in back.json()["message"]) == (400, True)
        made = http.post("/v1/customers", json={"name": "in February"})
        assert made.status_code == 200
        shown = http.get(f"/v1/customers/{made.json()['data']['id']}").json()["data"]
        assert datetime.fromisoformat(shown["created_at"]) == datetime(2026, 2, 1, tzinfo=UTC)


def test_moving_into_a_billing_period_rates_it(platform: Platform) -> None:
    """Usage a few hours ahead of the clock is the next period's; nothing but the move begins that."""
    february = datetime(2026, 2, 1, tzinfo=UTC)
    environment_id, token = platform.new_environment(
        "periods", sandbox=True, clock=february - timedelta(hours=6)
    )
    with client(platform, token) as http:
        customer = on_a_card(http, START)
        sent = [
            {
                "transaction_id": str(uuid4()),
                "customer_id": customer,
                "event_type": "call",
                "timestamp": at.isoformat(),
            }
            for at in (february - timedelta(hours=7), february, february + timedelta(hours=2))
        ]
        assert http.post("/v1/ingest", json=sent).status_code == 200
        eventually(lambda: spend(platform, environment_id).get(START) == 3)
        eventually(lambda: http.get("/v1/pipeline").json()["lag_events"] == 0)
        moved = http.post("/v1/sandbox/clock", json={"now": "2026-02-01T04:00:00Z"})
        assert moved.status_code == 200
        eventually(lambda: spend(platform, environment_id) == {START: 3, february: 6})
        drafts = http.get(f"/v1/customers/{customer}/invoices").json()["data"]
        assert [(one["start_timestamp"], one["total"]) for one in drafts] == [
            ("2026-01-01T00:00:00Z", 3),
            ("2026-02-01T00:00:00Z", 6),
        ]


def on_a_card(http: httpx.Client, start: datetime) -> str:
    """Return a new customer whose contract prices a call at 3 from `start` on."""

    def made(path: str, **body: object) -> Any:
        answer = http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    metric = made("/v1/billable-metrics/create", name="calls", aggregation_type="COUNT")["id"]
    product = made(
        "/v1/contract-pricing/products/create",
        name="calls",
        type="USAGE",
        billable_metric_id=metric,
    )["id"]
    card = made("/v1/contract-pricing/rate-cards/create", name="card")["id"]
    since = start.isoformat()
    made(
        "/v1/contract-pricing/rate-cards/addRate",
        rate_card_id=card,
        product_id=product,
        starting_at=since,
        entitled=True,
        rate_type="FLAT",
        price=3,
    )
    customer = made("/v1/customers", name="Acme")["id"]
    made("/v1/contracts/create", customer_id=customer, starting_at=since, rate_card_id=card)
    return str(customer)


def spend(platform: Platform, environment_id: int) -> dict[datetime, int]:
    """Spend above zero by period start, as the spend stage keeps it."""
    with psycopg.connect(platform.database_url) as connection:
        connection.execute("SET ROLE meterline_pipeline")
        rows = connection.execute(
            "SELECT period_start, amount FROM spend WHERE environment_id = %s AND amount > 0",
            [environment_id],
        ).fetchall()
    return {period_start.astimezone(UTC): int(amount) for period_start, amount in rows}


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_production_has_the_wall_clock_and_it_stays(platform: Platform) -> None:
    with client(platform, TOKEN) as http:
        shown = datetime.fromisoformat(http.get("/v1/sandbox/clock").json()["now"])
        assert abs(shown - datetime.now(UTC)) < timedelta(seconds=5)
        refused = http.post("/v1/sandbox/clock", json={"now": "2030-01-01T00:00:00Z"})
        assert refused.status_code == 409
        assert "only a sandbox" in refused.json()["message"]


@pytest.mark.parametrize("now", ["soon", "2026-02-01T00:00:00", 5, None, "9999-12-31T23:59:59Z"])
def test_a_time_without_meaning_is_a_400(platform: Platform, now: object) -> None:
    _, token = platform.new_environment(f"bad clock {now}", sandbox=True, clock=START)
    with client(platform, token) as http:
        refused = http.post("/v1/sandbox/clock", json={"now": now})
        assert refused.status_code == 400
        assert "now" in refused.json()["message"]
