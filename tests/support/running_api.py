"""The application over a real database, driven in-process by the unmodified SDK, at a fixed time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from metronome import AsyncMetronome
from tests.support.usage_rows import Observation, write

from meterline.api.app import create_app
from meterline.api.components import Components
from meterline.log.postgres import PostgresLogWriter, create_partitions
from meterline.log.postgres_backlog import PostgresLogBacklog
from meterline.services.environments import create_environment
from meterline.store.database import Database

USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"


@dataclass(frozen=True, slots=True)
class RunningApi:
    """An application with one environment. `sdk` is strict and never retries."""

    database: Database
    log: PostgresLogWriter
    environment_id: int
    sdk: AsyncMetronome
    http: httpx.AsyncClient

    async def meter(self, *seen: Observation) -> None:
        """Write usage as a worker does."""
        async with self.database.installation() as connection:
            await write(connection, self.environment_id, seen)


@asynccontextmanager
async def running_api(url: str, now: Callable[[], datetime]) -> AsyncIterator[RunningApi]:
    """Open everything; `now` is the wall clock that requests see."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET ROLE meterline_pipeline")
        create_partitions(connection, 4)
    async with (
        Database(url, connections_max=4) as database,
        PostgresLogWriter(url) as log,
        PostgresLogBacklog(url) as backlog,
    ):
        environment_id, token = await create_environment(database, "production")
        app: Any = create_app(
            Components(
                database=database,
                log=log,
                records=log,
                backlog=backlog,
                clock=now,
                new_id=uuid4,
            )
        )
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://api.test", headers=headers
        ) as http:
            sdk = AsyncMetronome(
                bearer_token=token,
                base_url="http://api.test",
                http_client=http,
                max_retries=0,
                _strict_response_validation=True,
            )
            yield RunningApi(database, log, environment_id, sdk, http)


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    """An instant in UTC."""
    return datetime(year, month, day, hour, minute, tzinfo=UTC)
