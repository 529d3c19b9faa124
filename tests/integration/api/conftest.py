"""A real server on loopback over a real database, driven by the unmodified SDK."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest
import uvicorn
from metronome import Metronome

from meterline.services.environments import create_environment, create_token
from meterline.settings import Settings
from meterline.store.database import Database
from meterline.wiring import open_api, prepare


@dataclass(frozen=True)
class Service:
    """A running API, with the tokens of two environments."""

    url: str
    database_url: str
    token: str
    read_token: str
    ingest_token: str
    other_token: str

    def sdk(self, token: str | None = None) -> Metronome:
        """The unmodified SDK, strict, and without retries: a wrong answer must show at once."""
        return Metronome(
            base_url=self.url,
            bearer_token=token or self.token,
            max_retries=0,
            _strict_response_validation=True,
        )

    def http(self, token: str | None = None) -> httpx.Client:
        """A plain client, for what the SDK would not send."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)


@pytest.fixture(scope="module")
def service(module_database_url: str) -> Iterator[Service]:
    ready: list[Service] = []
    started = threading.Event()
    server_box: list[uvicorn.Server] = []

    def run() -> None:
        asyncio.run(_serve(module_database_url, ready, started, server_box))

    thread = threading.Thread(target=run, name="api")
    thread.start()
    assert started.wait(30)
    try:
        assert ready, "the server did not start"
        yield ready[0]
    finally:
        for server in server_box:
            server.should_exit = True
        thread.join(10)


async def _serve(
    url: str, ready: list[Service], started: threading.Event, server_box: list[uvicorn.Server]
) -> None:
    try:
        settings = Settings(database_url=url)
        prepare(settings)
        async with Database(url) as database, open_api(settings) as app:
            _, token = await create_environment(database, "production")
            _, read = await create_token(database, "production", "read", "reader")
            _, ingest = await create_token(database, "production", "ingest", "sender")
            _, other = await create_environment(database, "other", "sandbox")
            # The protocol is named, for only then does asyncio switch off Nagle's algorithm (40 ms a reply).
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            server = uvicorn.Server(
                uvicorn.Config(app, log_config=None, access_log=False, ws="none")
            )
            server_box.append(server)
            ready.append(Service(f"http://127.0.0.1:{port}", url, token, read, ingest, other))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started and not serving.done():  # noqa: ASYNC110  (uvicorn has no event)
                await asyncio.sleep(0.01)
            started.set()
            await serving
    finally:
        started.set()


@pytest.fixture(scope="module")
def sdk(service: Service) -> Iterator[Metronome]:
    with service.sdk() as client:
        yield client


@pytest.fixture(scope="module")
def http(service: Service) -> Iterator[httpx.Client]:
    with service.http() as client:
        yield client


Unique = Callable[[str], str]


@pytest.fixture
def unique() -> Unique:
    """Names that no other test of the module has used."""
    return lambda stem: f"{stem}-{uuid4().hex[:12]}"
