"""The application without a database behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from meterline.api.app import create_app
from meterline.api.components import Components
from meterline.store.database import Database
from meterline.stream.log import NewRecord


class UnreachableLog:
    """A log whose place cannot be reached: these tests send no events and search none."""

    partitions = 4

    async def append(self, records: Sequence[NewRecord]) -> None:
        raise AssertionError(records)

    async def find(self, *arguments: Any, **named: Any) -> Any:
        raise AssertionError((arguments, named))


@pytest.fixture
def client() -> Iterator[TestClient[Litestar]]:
    log: Any = UnreachableLog()
    components = Components(
        database=Database("postgresql://127.0.0.1:9/nothing"),  # never opened: its pools are closed
        log=log,
        records=log,
        backlog=log,
        clock=lambda: datetime.now(UTC),
        new_id=uuid4,
    )
    with TestClient(create_app(components), raise_server_exceptions=False) as client:
        yield client


def test_a_database_that_is_away_is_503_and_try_again(client: TestClient[Litestar]) -> None:
    answer = client.get("/v1/customers", headers={"Authorization": "Bearer t"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert list(answer.json()) == ["message"]


def test_it_is_alive_and_not_ready(client: TestClient[Litestar]) -> None:
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_the_schema_is_openapi_3_1_with_every_route(client: TestClient[Litestar]) -> None:
    schema = client.get("/schema").json()
    assert schema["openapi"].startswith("3.1")
    body = schema["paths"]["/v1/customers"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["$ref"].endswith("CreateCustomer")
    assert "/v1/packages/create" not in schema["paths"]


def test_every_reply_has_an_id_of_its_own(client: TestClient[Litestar]) -> None:
    ids = [client.get(path).headers["request-id"] for path in ("/healthz", "/nothing", "/v1/plans")]
    assert len(set(ids)) == 3
