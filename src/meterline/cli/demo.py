"""`meterline demo`: the whole platform with a sample catalogue and live LLM-style traffic.

One command for a first look: it starts `meterline up` as a child, loads the catalogue with the same
code as `meterline apply`, sends some hours of history and then live events until Ctrl-C. Everything
goes over HTTP, as a customer's own program would do it.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console

from meterline.cli import apply, ingest
from meterline.cli.client import (
    EXIT_UNREACHABLE,
    CommandError,
    Endpoint,
    PlatformClient,
    speaks_plainly,
)
from meterline.cli.event_file import Line
from meterline.demo import catalogue
from meterline.demo.traffic import REPEAT_ONE_TICK_IN, TICKS_A_SECOND, Traffic
from meterline.stop_flag import StopFlag

HOST = "127.0.0.1"
PORTS_TRIED = 50
START_SECONDS_MAX = 120.0
STOP_SECONDS_MAX = 20.0
TOKEN_FILE = "demo-token"  # noqa: S105 - the name of the file, not the token

console = Console(highlight=False)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("demo")(demo)


@speaks_plainly
def demo(
    data_dir: Annotated[Path, typer.Option("--data-dir", help="Where it keeps its data.")] = Path(
        ".meterline/demo"
    ),
    port: Annotated[int, typer.Option("--port", help="Port; the next free one if taken.")] = 8000,
    rate: Annotated[
        int, typer.Option("--rate", min=0, max=20_000, help="Live events a second, about.")
    ] = 400,
    customers: Annotated[int, typer.Option("--customers", min=1, max=750)] = 300,
    hours: Annotated[
        int, typer.Option("--hours", min=0, max=720, help="Hours of history to send first.")
    ] = 48,
) -> None:
    """Run the platform with a sample catalogue and live traffic. Ctrl-C stops all of it."""
    data_dir.mkdir(parents=True, exist_ok=True)
    endpoint = Endpoint(f"http://{HOST}:{_free_port(port)}", _token(data_dir))
    stopping = StopFlag().at_signals((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    with _platform(endpoint, data_dir, stopping), PlatformClient(endpoint) as client:
        traffic = Traffic(catalogue.customer_names(customers), rate=max(rate, 1))
        if not stopping.is_set():
            _prepare(client, traffic, customers, hours)
            _tell_where_to_look(endpoint, data_dir, rate)
        if rate:
            _drive(client, traffic, stopping)
        stopping.wait()
        console.print("\nStopping …")


def _prepare(client: PlatformClient, traffic: Traffic, customers: int, hours: int) -> None:
    now = datetime.now(UTC)
    with console.status("Loading the sample catalogue …"):
        created = apply.load(client, catalogue.pricing(customers))
    if created:
        console.print(
            "Created " + ", ".join(f"{n} {kind}" for kind, n in created.items()) + ".",
            soft_wrap=True,
        )
    if hours:
        hour = now.replace(minute=0, second=0, microsecond=0)
        history = traffic.history(hour - timedelta(hours=hours), hour)
        lines = (Line(number, event) for number, event in enumerate(history, start=1))
        sent = ingest.send(client, lines, total=None)
        console.print(f"Sent {hours} hours of history ({sent:,} events).")


def _drive(client: PlatformClient, traffic: Traffic, stopping: StopFlag) -> None:
    """Send live traffic until asked to stop. A tick that comes late is left out, never piled up."""
    number = int(time.time() * TICKS_A_SECOND)
    while not stopping.is_set():
        events = traffic.tick(number)
        repeats = 2 if number % REPEAT_ONE_TICK_IN == 0 else 1
        for _ in range(repeats):
            for start in range(0, len(events), ingest.EVENTS_A_REQUEST):
                if stopping.is_set():
                    return
                _send_live(client, events[start : start + ingest.EVENTS_A_REQUEST])
        number = max(number + 1, int(time.time() * TICKS_A_SECOND))
        stopping.wait(max(0.0, number / TICKS_A_SECOND - time.time()))


def _send_live(client: PlatformClient, events: list[dict[str, object]]) -> None:
    try:
        client.post("/v1/ingest", events)
    except CommandError as fault:
        # The platform is away for longer than the retries last. Live traffic goes on without these
        # events.
        console.print(f"[yellow]{fault}[/]")


@contextmanager
def _platform(endpoint: Endpoint, data_dir: Path, stopping: StopFlag) -> Iterator[None]:
    """Run `meterline up` as a child and wait until it is ready; stop it at the end."""
    port = endpoint.url.rpartition(":")[2]
    command = [sys.executable, "-m", "meterline.cli.main", "up"]
    command += ["--data-dir", str(data_dir), "--port", port, "--token", endpoint.token]
    # A session of its own: Ctrl-C reaches this process alone, which then stops traffic before
    # platform.
    # What `up` prints on a good start would only repeat our own block; its faults come on stderr.
    child = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        with console.status("Starting the platform …"):
            _wait_until_ready(endpoint, child, stopping)
        yield
    finally:
        if child.poll() is None:
            child.terminate()
        try:
            child.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            child.kill()


def _wait_until_ready(
    endpoint: Endpoint, child: subprocess.Popen[bytes], stopping: StopFlag
) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and not stopping.is_set():
        if child.poll() is not None:
            raise CommandError("the platform did not start; its own message is above")
        try:
            if httpx.get(f"{endpoint.url}/readyz", timeout=2).is_success:
                return
        except httpx.TransportError:
            pass  # nobody listens yet
        stopping.wait(0.2)
    if not stopping.is_set():
        raise CommandError(
            f"the platform was not ready after {START_SECONDS_MAX:.0f} s",
            exit_code=EXIT_UNREACHABLE,
        )


def _free_port(wanted: int) -> int:
    """Return `wanted`, or the next port nobody listens on, and say so."""
    for port in range(wanted, wanted + PORTS_TRIED):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        if port != wanted:
            console.print(f"Port {wanted} is taken; using {port}.")
        return port
    raise CommandError(f"no free port between {wanted} and {wanted + PORTS_TRIED - 1}")


def _token(data_dir: Path) -> str:
    """Return the demo's token, the same at every start. The file is readable by its owner alone."""
    path = data_dir / TOKEN_FILE
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"demo-{secrets.token_urlsafe(18)}")
    return path.read_text().strip()


def _tell_where_to_look(endpoint: Endpoint, data_dir: Path, rate: int) -> None:
    example = catalogue.alias(catalogue.customer_names(1)[0])
    block = f"""
[bold green]Meterline is up.[/]

  [bold]Dashboard[/]    {endpoint.url}/sign-in#token={endpoint.token}
  [bold]Token[/]        {endpoint.token}
  [bold]API[/]          {endpoint.url}/schema

  [bold]An invoice[/]   .venv/bin/meterline invoice {example} --data-dir {data_dir}
  [bold]curl[/]         curl -H 'Authorization: Bearer {endpoint.token}' {endpoint.url}/v1/pipeline
  [bold]SDK[/]          export METRONOME_BASE_URL={endpoint.url}
               export METRONOME_BEARER_TOKEN={endpoint.token}
               python -c 'from metronome import Metronome; print(Metronome().v1.customers.list())'

About {rate} events a second are on their way. Ctrl-C stops everything.
The data stays in {data_dir}; the next start goes on with it.
"""
    console.print(block, soft_wrap=True)
