"""GET and POST /v1/sandbox/clock on a running platform."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
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
        assert (back.status_code, "forward" in back.json()["message"]) == (409, True)
        made = http.post("/v1/customers", json={"name": "in February"})
        assert made.status_code == 200
        shown = http.get(f"/v1/customers/{made.json()['data']['id']}").json()["data"]
        assert datetime.fromisoformat(shown["created_at"]) == datetime(2026, 2, 1, tzinfo=UTC)


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
