"""`meterline up`: the whole process tree, started, used, killed in parts and stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
from tests.support.platform import STOP_SECONDS_MAX, TOKEN, Platform

NewPlatform = Callable[..., Platform]


def meterline(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "meterline.cli.main", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def is_ready(platform: Platform) -> bool:
    try:
        return httpx.get(f"{platform.url}/readyz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def eventually(true: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def replaced(platform: Platform, role: str, killed: int) -> bool:
    return platform.pids(role) not in ([], [killed])


def living(family: list[psutil.Process]) -> list[psutil.Process]:
    """Zombies aside: an orphan's parent is the machine's first process, which reaps in its own time."""
    return [
        process
        for process in family
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]


def status(platform: Platform, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{platform.url}/v1/customers", headers=headers, timeout=5).status_code


def test_it_is_ready_and_takes_the_token_given(platform: Platform) -> None:
    assert is_ready(platform)
    assert status(platform, TOKEN) == 200
    assert status(platform, TOKEN + "x") == 401


def test_it_publishes_where_it_answers_to_its_owner_alone(platform: Platform) -> None:
    path = platform.data_dir / "endpoint.json"
    assert path.stat().st_mode & 0o077 == 0
    published = platform.endpoint()
    assert set(published) == {"url", "token", "database_url", "pid"}
    with psycopg.connect(published["database_url"]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_second_up_on_the_same_directory_is_refused(platform: Platform) -> None:
    refused = meterline("up", "--data-dir", str(platform.data_dir), "--port", "0")
    assert refused.returncode == 1
    assert platform.process is not None
    assert f"in use by `meterline up` with pid {platform.process.pid}" in refused.stderr
    assert platform.url in refused.stderr
    assert is_ready(platform)


def test_a_taken_port_is_said_before_anything_is_started(
    platform: Platform, short_dir: Path
) -> None:
    other = short_dir / "never"
    refused = meterline("up", "--data-dir", str(other), "--port", str(platform.port))
    assert refused.returncode == 1
    assert f"port {platform.port} of 127.0.0.1 is taken" in refused.stderr
    assert not (other / "postgres").exists()


def test_environments_and_tokens_from_the_command_line(platform: Platform) -> None:
    at = ("--data-dir", str(platform.data_dir))
    made = meterline(
        *("environment", "create", "--name", "cli", "--sandbox"),
        *("--clock", "2026-01-01T00:00:00Z", *at),
    )
    assert made.returncode == 0, made.stderr
    environment = json.loads(made.stdout)
    assert set(environment) == {"id", "token"}
    assert status(platform, environment["token"]) == 200

    again = meterline("environment", "create", "--name", "cli", *at)
    assert again.returncode == 1
    assert "there is an environment named cli already" in again.stderr

    made = meterline("token", "create", "--environment", "cli", "--scope", "ingest", *at)
    token = json.loads(made.stdout)
    assert status(platform, token["token"]) == 403
    listed = json.loads(meterline("token", "list", "--environment", "cli", "--json", *at).stdout)
    assert [row["scope"] for row in listed] == ["full", "ingest"]
    assert meterline("token", "revoke", token["id"], "--environment", "cli", *at).returncode == 0
    eventually(lambda: status(platform, token["token"]) == 401)


@pytest.mark.parametrize("clock", ["yesterday", "2026-01-01T00:00:00"])
def test_a_clock_without_meaning_is_refused(platform: Platform, clock: str) -> None:
    refused = meterline(
        *("environment", "create", "--name", "bad-clock", "--sandbox", "--clock", clock),
        *("--data-dir", str(platform.data_dir)),
    )
    assert refused.returncode == 1
    assert clock in refused.stderr


def test_a_directory_where_nothing_runs_is_said(short_dir: Path) -> None:
    refused = meterline("environment", "list", "--data-dir", str(short_dir / "nothing"))
    assert refused.returncode == 3
    assert "no platform runs in" in refused.stderr


def test_unusable_settings_are_named(short_dir: Path) -> None:
    refused = meterline("serve", "--database-url", "mysql://x", "--port", "70000")
    assert refused.returncode == 2
    assert "METERLINE_DATABASE_URL: must start with postgresql://" in refused.stderr
    assert "METERLINE_HTTP_PORT: 70000 is not between 1 and 65535" in refused.stderr


def test_it_stops_in_time_and_leaves_nothing_running(new_platform: NewPlatform) -> None:
    platform = new_platform()
    platform.start()
    assert platform.process is not None
    family = psutil.Process(platform.process.pid).children(recursive=True)
    assert len(family) > 5
    began = time.monotonic()
    assert platform.stop() == 0, platform.said()
    assert time.monotonic() - began < STOP_SECONDS_MAX
    assert living(family) == []
    assert not (platform.data_dir / "endpoint.json").exists()


def test_a_role_that_is_killed_comes_back(new_platform: NewPlatform) -> None:
    platform = new_platform()
    platform.start()
    for role in ("serve", "work"):
        (killed,) = platform.pids(role)
        os.kill(killed, signal.SIGKILL)
        eventually(partial(replaced, platform, role, killed))
        eventually(lambda: is_ready(platform))
    assert platform.stop() == 0


def test_a_killed_postgres_comes_back_with_its_data(new_platform: NewPlatform) -> None:
    platform = new_platform()
    platform.start()
    _, token = platform.new_environment("kept")
    for _ in range(2):
        (killed,) = platform.pids("postgres")
        os.kill(killed, signal.SIGKILL)
        eventually(partial(replaced, platform, "postgres", killed))
        eventually(lambda: is_ready(platform))
        eventually(lambda: status(platform, token) == 200)
    assert platform.stop() == 0


def test_a_killed_session_of_postgres_is_recovered_from(new_platform: NewPlatform) -> None:
    """PostgreSQL then ends every session and starts over by itself, under the same process."""
    platform = new_platform()
    platform.start()
    _, token = platform.new_environment("kept")
    (postmaster,) = platform.pids("postgres")
    with psycopg.connect(platform.database_url) as session:
        session_pid = session.info.backend_pid
    idle = next(
        child.pid
        for child in psutil.Process(postmaster).children()
        if "meterline meterline" in " ".join(child.cmdline()) and child.pid != session_pid
    )
    os.kill(idle, signal.SIGKILL)
    eventually(lambda: not psutil.pid_exists(idle))
    eventually(lambda: is_ready(platform) and status(platform, token) == 200)
    assert platform.pids("postgres") == [postmaster]
    assert platform.stop() == 0


def test_a_killed_supervisor_takes_everything_with_it_and_the_next_goes_on(
    new_platform: NewPlatform,
) -> None:
    platform = new_platform()
    platform.start()
    _, token = platform.new_environment("kept")
    assert platform.process is not None
    family = psutil.Process(platform.process.pid).children(recursive=True)
    platform.kill()
    platform.start()  # at once, on the same port, while the old processes still end
    assert status(platform, token) == 200
    assert living(family) == []
    assert platform.stop() == 0


def test_everything_killed_at_once_is_recovered_from(new_platform: NewPlatform) -> None:
    platform = new_platform()
    platform.start()
    _, token = platform.new_environment("kept")
    assert platform.process is not None
    family = psutil.Process(platform.process.pid).children(recursive=True)
    platform.kill()
    for process in family:
        if process.is_running():
            process.kill()
    platform.start()
    assert status(platform, token) == 200
    assert platform.stop() == 0


def test_a_stop_while_starting_is_heeded(new_platform: NewPlatform) -> None:
    platform = new_platform()
    platform.launch()
    assert platform.process is not None
    time.sleep(1.0)
    began = time.monotonic()
    platform.process.send_signal(signal.SIGTERM)
    platform.process.wait(STOP_SECONDS_MAX)
    assert time.monotonic() - began < STOP_SECONDS_MAX
    platform.process = None
    platform.start()
    assert platform.stop() == 0


def test_without_a_token_it_makes_one_and_keeps_it(new_platform: NewPlatform) -> None:
    platform = new_platform()
    platform.start()
    platform.stop()
    command = [sys.executable, "-m", "meterline.cli.main", "up", "--port", "0"]
    tokens = []
    for _ in range(2):
        platform.process = subprocess.Popen(
            [*command, "--data-dir", str(platform.data_dir)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        platform.wait_until_ready()
        tokens.append(platform.endpoint()["token"])
        assert status(platform, tokens[-1]) == 200
        platform.stop()
    assert tokens[0] == tokens[1]
    assert (platform.data_dir / "token").stat().st_mode & 0o077 == 0


def test_a_database_of_ones_own(new_platform: NewPlatform, empty_database_url: str) -> None:
    platform = new_platform("--database-url", empty_database_url, "--workers", "2")
    platform.start()
    assert platform.pids("postgres") == []
    assert len(platform.pids("work")) == 2
    assert platform.database_url == empty_database_url
    assert status(platform, TOKEN) == 200
    assert platform.stop() == 0
    assert not (platform.data_dir / "postgres").exists()


def test_a_database_that_does_not_answer_is_said(short_dir: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    refused = meterline(
        *("up", "--port", "0", "--data-dir", str(short_dir / "unanswered")),
        *("--database-url", f"postgresql://nobody:secret@127.0.0.1:{port}/x"),
    )
    assert refused.returncode == 1
    assert "the database does not answer" in refused.stderr
    assert "secret" not in refused.stderr
