"""Single roles of the platform as real processes, each against a database of a test's own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg

from meterline.event_log import event_log
from meterline.services.environments import create_environment, create_token
from meterline.settings import settings_from
from meterline.store.database import Database
from meterline.wiring import prepare

START_SECONDS_MAX = 30.0
LOG_PARTITIONS = 4


@dataclass
class RoleProcess:
    """A role that runs, or has ended. What it says goes to `output`."""

    name: str
    process: subprocess.Popen[bytes]
    output: Path
    port: int

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    @property
    def url(self) -> str:
        """Where a `serve` listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it lives."""
        if not self.ended:
            self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait for the end. One that is stopped by SIGSTOP dies as well."""
        if not self.ended:
            self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and wait for the end."""
        if not self.ended:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        return self.process.wait(10)

    def wait_until_ready(self) -> None:
        """Return once a `serve` answers."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            assert not self.ended, self.output.read_text()[-3000:]
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, self.output.read_text()[-3000:]
            time.sleep(0.05)


def start_role(
    name: str,
    database_url: str,
    folder: Path,
    *,
    port: int = 0,
    environ: Mapping[str, str] | None = None,
) -> RoleProcess:
    """Start `serve`, `work` or `rate`."""
    output = folder / f"{name}-{time.monotonic_ns()}.out"
    flags = ["--database-url", database_url]
    if name == "serve":
        port = port or free_port()
        flags += ["--port", str(port)]
    with output.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "meterline.cli.main", name, *flags],
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    return RoleProcess(name, process, output, port)


@contextmanager
def running_role(name: str, database_url: str, folder: Path) -> Iterator[RoleProcess]:
    """A role for as long as the block lasts."""
    role = start_role(name, database_url, folder)
    try:
        if name == "serve":
            role.wait_until_ready()
        yield role
    finally:
        role.stop()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Tokens:
    """An environment and its tokens, by scope."""

    environment_id: int
    full: str
    read: str
    ingest: str


def prepared(
    database_url: str,
    log_environ: Mapping[str, str] | None = None,
    *,
    log_partitions: int = LOG_PARTITIONS,
) -> Tokens:
    """Bring a database and its log to this release, with one environment. `log_environ` says which log."""
    prepare(
        settings_from(log_environ or {}, database_url=database_url, log_partitions=log_partitions)
    )

    async def make() -> Tokens:
        async with Database(database_url, connections_max=2) as database:
            environment_id, full = await create_environment(database, "production")
            _, read = await create_token(database, "production", "read", "reader")
            _, ingest = await create_token(database, "production", "ingest", "sender")
        return Tokens(environment_id, full, read, ingest)

    return asyncio.run(make())


def is_metered(database_url: str, log_environ: Mapping[str, str] | None = None) -> bool:
    """Whether every record of the log is metered."""
    log = event_log(settings_from(log_environ or {}, database_url=database_url))
    ends = asyncio.run(log.growing().ends())
    with psycopg.connect(database_url, options="-c role=meterline_pipeline") as connection:
        metered = dict(
            connection.execute("SELECT partition, next_offset FROM stream_partition").fetchall()
        )
    return all(metered.get(partition, 0) == end for partition, end in ends.items())


def events_kept(database_url: str) -> int:
    """Events in the log since ever."""
    return _number(database_url, "SELECT coalesce(sum(events), 0) FROM log_partition")


def events_metered(database_url: str) -> int:
    """Events whose partition is past them."""
    return _number(database_url, "SELECT coalesce(sum(events), 0) FROM stream_partition")


def _number(database_url: str, query: str) -> int:
    with psycopg.connect(database_url, options="-c role=meterline_pipeline") as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])
