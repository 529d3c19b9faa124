"""A real Chromium on a real platform. The pages may load nothing from elsewhere and say nothing on the console."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.support.platform import Platform

from meterline.cli import apply
from meterline.cli.catalogue import reading
from meterline.cli.client import Endpoint, PlatformClient

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PRICES = """
metrics = [{ name = "Tokens", sum = "tokens", group_keys = [["model"]] }]
products = [{ name = "Tokens", metric = "Tokens", pricing_group_key = ["model"] }]
[[rate_cards]]
name = "List"
[[rate_cards.rates]]
product = "Tokens"
usd = "0.01"
group = { model = "large" }
[[rate_cards.rates]]
product = "Tokens"
tiers = [{ usd = "0.002", size = 100 }, { usd = "0.001" }]
group = { model = "small" }
[[customers]]
name = "Acme Corporation"
ingest_aliases = ["acme"]
rate_card = "List"
[[customers]]
name = "Globex"
ingest_aliases = ["globex"]
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The distribution's Chromium. Missing, the tests fail: a page nobody looked at is not tested.

    For one module: Playwright keeps an event loop running in this thread, in which other modules'
    tests could start none of their own.
    """
    if not Path(CHROMIUM).exists():
        pytest.fail("Chromium is missing: install it (Debian, Ubuntu: apt-get install chromium)")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield running
        running.close()


@dataclass
class Site:
    """A platform with one priced environment, and what browsers of this test saw on it."""

    platform: Platform
    token: str
    environment: str
    browser: Browser
    faults: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.platform.url

    def page(self, **options: Any) -> Page:
        """A page of a fresh browser profile. What it must not do is written down."""
        context = self.browser.new_context(**options)
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: said.type == "error" and self.faults.append(said.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on(
            "request",
            lambda one: (
                one.url.startswith((self.url, "data:"))
                or self.faults.append(f"left the origin: {one.url}")
            ),
        )
        return page

    def signed_in(self, **options: Any) -> Page:
        """A page that shows the overview."""
        page = self.page(**options)
        page.goto(f"{self.url}/sign-in")
        page.get_by_label("Token").fill(self.token)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_selector("[data-live-state=live]")
        return page

    def send(self, alias: str, model: str, tokens: int) -> None:
        """Send one event of now."""
        event = {
            "transaction_id": uuid4().hex,
            "customer_id": alias,
            "event_type": "completion",
            "timestamp": datetime.now(UTC).isoformat(),
            "properties": {"model": model, "tokens": tokens},
        }
        reply = httpx.post(f"{self.url}/v1/ingest", json=[event], headers=self.headers)
        assert reply.status_code == 200, reply.text

    def until_rated(self) -> None:
        """Return once everything sent is on invoices."""
        deadline = time.monotonic() + 20
        while httpx.get(f"{self.url}/v1/pipeline", headers=self.headers).json()["lag_events"]:
            assert time.monotonic() < deadline, "the pipeline did not catch up"
            time.sleep(0.05)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def customer_id(self, alias: str) -> str:
        """The customer's id."""
        reply = httpx.get(
            f"{self.url}/v1/customers", params={"ingest_alias": alias}, headers=self.headers
        )
        return str(reply.json()["data"][0]["id"])


def new_token(platform: Platform, environment: str) -> str:
    """Create an environment and return its token. In a thread of its own: see `browser`."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(platform.new_environment, environment).result()[1]


@pytest.fixture
def site(
    platform: Platform, browser: Browser, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Site]:
    """An environment of the test's own, with prices and customers; checks the browser's manners after."""
    name = f"{request.node.name}-{time.time_ns()}"
    token = new_token(platform, name)
    (tmp_path / "prices.toml").write_text(PRICES)
    with PlatformClient(Endpoint(platform.url, token)) as client:
        _, wanted = reading.read(tmp_path / "prices.toml")
        apply.load(client, wanted)
    made = Site(platform, token, name, browser)
    yield made
    for context in made.contexts:
        context.close()
    assert made.faults == []


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool], float], None]:
    """Waits for a condition, within so many seconds."""

    def wait(condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.02)

    return wait
