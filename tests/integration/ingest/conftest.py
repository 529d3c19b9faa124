"""A real `serve` for the tests of ingest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from tests.support.roles import Tokens, events_kept, prepared, running_role


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway: where it is, its tokens, and how many events it has kept."""

    url: str
    database_url: str
    tokens: Tokens
    http: httpx.Client

    @property
    def kept(self) -> int:
        return events_kept(self.database_url)

    def send(self, body: bytes, **headers: str) -> httpx.Response:
        """POST a body as it is."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post("/v1/ingest", content=body, headers=named)


@pytest.fixture(scope="module")
def gateway(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    tokens = prepared(module_database_url)
    folder = tmp_path_factory.mktemp("serve")
    with (
        running_role("serve", module_database_url, folder) as serve,
        httpx.Client(
            base_url=serve.url, headers={"Authorization": f"Bearer {tokens.ingest}"}, timeout=30
        ) as http,
    ):
        yield Gateway(serve.url, module_database_url, tokens, http)
