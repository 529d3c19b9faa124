"""`meterline demo` from nothing to live figures, and its end."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 15.0
SMALL = ("--customers", "5", "--hours", "2", "--rate", "40")

Demo = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port somebody listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.fixture
def demo(short_dir: Path, tmp_path: Path) -> Iterator[Demo]:
    """Starts the demo on one data directory; kills what is left."""
    started = []

    def start(*words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "meterline.cli.main", "demo", *SMALL, *words]
        command += ["--data-dir", str(short_dir / f"demo-{tmp_path.name}")]
        started.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
        return started[-1]

    yield start
    for one in started:
        if one.poll() is None:
            one.terminate()
        one.wait(STOP_SECONDS_MAX)
        assert one.stdout is not None
        one.stdout.close()


def said_until(process: "subprocess.Popen[str]", words: str) -> str:
    """Read what the demo says up to a line with `words`."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(f"it ended without {words!r}:\n{said}")


def pipeline(url: str, token: str) -> dict[str, Any]:
    reply = httpx.get(f"{url}/v1/pipeline", headers={"Authorization": f"Bearer {token}"})
    return dict(reply.raise_for_status().json())


def test_the_demo_says_where_to_look_and_ends_cleanly(demo: Demo, taken_port: int) -> None:
    started = time.monotonic()
    process = demo("--port", str(taken_port))
    said = said_until(process, "Ctrl-C stops everything")
    assert time.monotonic() - started < START_SECONDS_MAX
    assert f"Port {taken_port} is taken" in said
    match = re.search(r"(http://127\.0\.0\.1:\d+)/sign-in#token=(\S+)", said)
    assert match is not None, said
    url, token = match.groups()
    assert url != f"http://127.0.0.1:{taken_port}"

    before = pipeline(url, token)["events_metered"]
    deadline = time.monotonic() + 20
    while pipeline(url, token)["events_metered"] < before + 100:  # live traffic
        assert time.monotonic() < deadline
        time.sleep(0.2)
    headers = {"Authorization": f"Bearer {token}"}
    customers = httpx.get(f"{url}/v1/customers", headers=headers).json()["data"]
    assert len(customers) == 5
    invoices = f"{url}/v1/customers/{customers[0]['id']}/invoices?sort=date_desc"
    assert httpx.get(invoices, headers=headers).json()["data"][0]["total"] > 0

    process.send_signal(signal.SIGINT)
    assert process.wait(STOP_SECONDS_MAX) == 0
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{url}/healthz")


def test_a_second_start_goes_on_with_what_is_there(demo: Demo) -> None:
    tokens = []
    for created in (True, False):
        process = demo("--port", "18300")
        said = said_until(process, "Ctrl-C stops everything")
        assert ("Created " in said) is created
        tokens += re.findall(r"#token=(\S+)", said)
        process.terminate()
        assert process.wait(STOP_SECONDS_MAX) == 0
    assert tokens[0] == tokens[1]
