"""Fixtures for every test: a real PostgreSQL a session, and a fresh migrated database a test."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from tests.support.platform import Platform

from meterline.store.embedded import EmbeddedPostgres
from meterline.store.migrate import migrate
from meterline.store.partitions import ensure_partitions

TEMPLATE = "meterline_template"


@pytest.fixture(scope="session")
def short_dir() -> Iterator[Path]:
    """A folder that PostgreSQL's account can reach; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="meterline-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres(short_dir: Path) -> Iterator[EmbeddedPostgres]:
    """The session's server. Not durable: tests of crashes start their own, which is."""
    server = EmbeddedPostgres(short_dir / "session", durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres: EmbeddedPostgres) -> str:
    """The session's template database, migrated: to copy, not to write to."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    url = _database(postgres.url, TEMPLATE)
    migrate(url)
    ensure_partitions(url, datetime.now(UTC))
    return url


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, postgres_url: str) -> Iterator[str]:
    """A fresh database with the schema and nothing in it, owned by a user who is no superuser."""
    yield from _fresh_database(postgres)


@pytest.fixture(scope="module")
def module_database_url(postgres: EmbeddedPostgres, postgres_url: str) -> Iterator[str]:
    """Like `database_url`, one for all tests of a module."""
    yield from _fresh_database(postgres)


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database without Meterline's schema."""
    yield from _fresh_database(postgres, template="template1")


@pytest.fixture(scope="session")
def platform(short_dir: Path) -> Iterator[Platform]:
    """One real `meterline up` for the whole session, durable; take an environment of your own in it."""
    running = Platform(short_dir / "platform")
    running.start()
    yield running
    assert running.stop() == 0, running.said()


@pytest.fixture(scope="module")
def new_platform(short_dir: Path) -> Iterator[Callable[..., Platform]]:
    """Makes platforms of a test's own (not started yet), for tests that kill; stops what still runs."""
    made: list[Platform] = []

    def make(*flags: str, **options: object) -> Platform:
        folder = short_dir / f"up-{next(_NUMBERS)}"
        made.append(Platform(folder, flags, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        if one.process is not None and one.process.poll() is None:
            one.stop()


_NUMBERS = itertools.count()


def _fresh_database(postgres: EmbeddedPostgres, template: str = TEMPLATE) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        # FILE_COPY is the faster strategy where the template is small and fsync is off.
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield _database(postgres.url, name)
    # As administrator, who alone may end whatever sessions a test has left.
    with psycopg.connect(postgres.administrator_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _database(url: str, name: str) -> str:
    return url.replace("@/meterline?", f"@/{name}?")


@pytest.fixture(scope="session")
def kafka() -> str:
    """A running cluster's bootstrap servers.

    Without one the test is left out, and says why; METERLINE_REQUIRE_KAFKA makes that a failure (CI sets it).
    """
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 9092)) == 0:
            return "127.0.0.1:9092"
    reason = "no Kafka on 127.0.0.1:9092 (`make kafka` starts one; it takes Java 17 and Maven)"
    if os.environ.get("METERLINE_REQUIRE_KAFKA"):
        pytest.fail(reason)
    pytest.skip(reason)
