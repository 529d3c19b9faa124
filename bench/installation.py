"""A fresh platform for a benchmark, as `meterline up` starts it, and what its processes use."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

TOKEN = "bench"


@dataclass(slots=True)
class Installation:
    """A running platform."""

    data_dir: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30
        )

    def roles(self) -> dict[str, list[psutil.Process]]:
        """Its processes: supervisor, serve, work, rate, schedule, and postgres with all its own."""
        found: dict[str, list[psutil.Process]] = {}
        root = psutil.Process(self.process.pid)
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                found.setdefault(_role(process), []).append(process)
        return found

    def cpu_seconds(self) -> dict[str, float]:
        """CPU used so far by role, ended children included."""
        seconds: dict[str, float] = {}
        for role, processes in self.roles().items():
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    times = process.cpu_times()
                    seconds[role] = seconds.get(role, 0.0) + times.user + times.system
        return seconds

    def memory_bytes(self) -> dict[str, int]:
        """Memory by role, each shared page divided among those that share it (PSS)."""
        used: dict[str, int] = {}
        for role, processes in self.roles().items():
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    used[role] = used.get(role, 0) + process.memory_full_info().pss
        return used

    def session_cpu_seconds(self) -> dict[str, float]:
        """CPU of PostgreSQL's sessions so far, by what they are for (their application name)."""
        endpoint = json.loads((self.data_dir / "endpoint.json").read_text())
        with psycopg.connect(endpoint["database_url"]) as connection:
            sessions = connection.execute(
                "SELECT pid, application_name FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            ).fetchall()
        seconds: dict[str, float] = {}
        for pid, name in sessions:
            with contextlib.suppress(psutil.Error):
                times = psutil.Process(pid).cpu_times()
                seconds[name] = seconds.get(name, 0.0) + times.user + times.system
        return seconds

    def step_costs(self) -> dict[str, Any]:
        """The last account of the worker of what its steps cost."""
        last: dict[str, Any] = {}
        for log in self.data_dir.glob("logs/work*.log"):
            for line in log.read_text().splitlines():
                entry = json.loads(line)
                if entry.get("event") == "costs":
                    last = entry
        return last


def _role(process: psutil.Process) -> str:
    command = process.cmdline()
    if "postgres" in (process.name(), Path(command[0]).name if command else "") or any(
        part.startswith("postgres") for part in command[:1]
    ):
        return "postgres"
    for role in ("serve", "work", "rate", "schedule"):
        if role in command:
            return role
    return "supervisor"


@contextlib.contextmanager
def installation(*options: str) -> Iterator[Installation]:
    """A fresh `meterline up`, stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="meterline-bench-"))
    folder.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "meterline.cli.main", "up", "--data-dir", str(folder / "data")]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--token", TOKEN, *options],
        stdout=subprocess.DEVNULL,
    )
    running = Installation(folder / "data", port, process)
    try:
        _wait_until_ready(running)
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(running: Installation) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{running.url}/readyz").status_code == 200:
                return
        if running.process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError("the platform did not get ready")
