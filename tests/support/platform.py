"""A real `meterline up`, for tests to drive, kill and start again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from meterline.services.environments import create_environment
from meterline.store.database import Database

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 10.0  # what `up` promises
TOKEN = "test-token"


@dataclass
class Platform:
    """One data directory, and the `up` that runs on it. `flags` go to the command line as they are."""

    data_dir: Path
    flags: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)
    token: str = TOKEN
    port: int = 0  # 0: a free one; kept over restarts, so that clients may go on
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def database_url(self) -> str:
        """Its database, as the owner of the tables."""
        return str(self.endpoint()["database_url"])

    def endpoint(self) -> dict[str, Any]:
        """What it published."""
        published: dict[str, Any] = json.loads((self.data_dir / "endpoint.json").read_text())
        return published

    def start(self) -> None:
        """Start, and return once it is ready."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start without waiting."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "up.out").open("ab") as out:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "meterline.cli.main", "up"),
                    *("--data-dir", str(self.data_dir), "--port", str(self.port)),
                    *("--token", self.token, *self.flags),
                ],
                env={**os.environ, **self.environ},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def wait_until_ready(self, seconds: float = START_SECONDS_MAX) -> None:
        """Return once it has published its end point, which it does when it is ready."""
        assert self.process is not None
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"it ended:\n{self.said()}"
            try:
                endpoint = self.endpoint()
            except FileNotFoundError:
                endpoint = {}
            if endpoint.get("pid") == self.process.pid:
                self.port = int(endpoint["url"].rpartition(":")[2])
                return
            time.sleep(0.05)
        raise AssertionError(f"not ready within {seconds} s:\n{self.said()}")

    def said(self) -> str:
        """What it and its roles wrote, for the message of a failed test."""
        paths = [self.data_dir / "up.out", *sorted(self.data_dir.glob("logs/*"))]
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in paths)

    def stop(self) -> int:
        """Stop cleanly, and return the exit code. Fails if it takes longer than promised."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_SECONDS_MAX)
        self.process = None
        return code

    def kill(self) -> None:
        """SIGKILL the supervisor alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def pids(self, role: str) -> list[int]:
        """Return the processes of `serve`, `work`, `rate` or `postgres` (the postmaster)."""
        assert self.process is not None
        found = []
        for child in psutil.Process(self.process.pid).children():
            try:
                names = (child.name(), *child.cmdline()[-1:])
            except psutil.NoSuchProcess:  # ended meanwhile, or a zombie
                continue
            if role in names:
                found.append(child.pid)
        return found

    def new_environment(
        self, name: str, *, sandbox: bool = False, clock: datetime | None = None
    ) -> tuple[int, str]:
        """Create an environment of its own for a test; return its id and token."""
        kind = "sandbox" if sandbox else "production"

        async def create() -> tuple[int, str]:
            async with Database(self.database_url, connections_max=2) as database:
                return await create_environment(database, name, kind, clock)

        return asyncio.run(create())
