"""A durable PostgreSQL for crashes, and a fresh database with running roles for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from tests.crash.rig import LossyProxy, Rig
from tests.support.load import create_metrics
from tests.support.roles import prepared

from meterline.log.kafka.topic import Topic
from meterline.store.embedded import EmbeddedPostgres


@pytest.fixture(scope="module")
def durable_postgres(short_dir: Path) -> Iterator[EmbeddedPostgres]:
    """A server whose commits are on disk when it says so."""
    server = EmbeddedPostgres(short_dir / f"durable-{uuid4().hex[:6]}")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def durable_url(durable_postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database of its own."""
    name = f"crash_{uuid4().hex}"
    with psycopg.connect(durable_postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    yield durable_postgres.url.replace("@/meterline?", f"@/{name}?")
    with psycopg.connect(durable_postgres.administrator_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(params=["postgresql", "kafka"])
def log_environ(request: pytest.FixtureRequest) -> Iterator[Mapping[str, str]]:
    """Which log the roles use: each test of a rig is run on both."""
    if request.param == "postgresql":
        yield {}
        return
    topic = Topic(request.getfixturevalue("kafka"), f"crash-{uuid4().hex}")
    yield {"METERLINE_KAFKA": topic.bootstrap, "METERLINE_KAFKA_TOPIC": topic.name}
    AdminClient(topic.client()).delete_topics([topic.name])


@pytest.fixture
def rig(durable_url: str, tmp_path: Path, log_environ: Mapping[str, str]) -> Iterator[Rig]:
    """A rig on which nothing runs yet."""
    tokens = prepared(durable_url, log_environ)
    create_metrics(durable_url, tokens.environment_id)
    made = Rig(durable_url, tmp_path, tokens, log_environ)
    yield made
    made.stop()


@pytest.fixture
def new_proxy(durable_url: str) -> Iterator[Callable[[], LossyProxy]]:
    """Doors to the database that lose answers."""
    made: list[LossyProxy] = []

    def one() -> LossyProxy:
        made.append(LossyProxy(durable_url))
        return made[-1]

    yield one
    for proxy in made:
        proxy.close()
