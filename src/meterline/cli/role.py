"""`meterline serve`, `work`, `rate` and `schedule`: one role each, in the foreground. `up` runs them all."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Annotated, Any

import typer

from meterline.cli.logs import configure_logging
from meterline.settings import InvalidSettings, Settings, settings_from

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

DatabaseUrlOption = Annotated[
    str | None,
    typer.Option("--database-url", help="PostgreSQL >= 15. [env: METERLINE_DATABASE_URL]"),
]

KafkaOption = Annotated[
    str | None,
    typer.Option(
        "--kafka",
        help="Kafka's bootstrap servers, for the event log; without them it is in PostgreSQL."
        " [env: METERLINE_KAFKA, METERLINE_KAFKA_TOPIC, METERLINE_KAFKA_OPTIONS]",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("serve")(serve)
    app.command("work")(work)
    app.command("rate")(rate)
    app.command("schedule")(schedule)


def serve(
    database_url: DatabaseUrlOption = None,
    kafka: KafkaOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Serve the HTTP API, the pages and the ingest gateway."""
    run("serve", database_url=database_url, kafka=kafka, http_host=host, http_port=port)


def work(database_url: DatabaseUrlOption = None, kafka: KafkaOption = None) -> None:
    """Meter: turn logged events into usage. Run as many as you like."""
    run("work", database_url=database_url, kafka=kafka)


def rate(database_url: DatabaseUrlOption = None, kafka: KafkaOption = None) -> None:
    """Rate: turn usage into the spend of the customers it touches."""
    run("rate", database_url=database_url, kafka=kafka)


def schedule(database_url: DatabaseUrlOption = None) -> None:
    """Settle books as they fall due: issue invoices, begin and expire grants. Run as many as you like."""
    run("schedule", database_url=database_url)


def run(role: str, **flags: Any) -> None:
    """Run a role until it is told to stop. Ends with status 2 for settings that cannot be used."""
    try:
        settings = settings_from(os.environ, **flags)
    except InvalidSettings as error:
        typer.echo(f"meterline: {error}", err=True)
        raise typer.Exit(2) from None
    _die_with_supervisor(settings)
    configure_logging(role, settings.log_file)
    from meterline.wiring import RUN

    os.environ.setdefault("PGAPPNAME", role)  # how its sessions show in pg_stat_activity
    RUN[role](settings)


def _die_with_supervisor(settings: Settings) -> None:
    """Have the kernel send SIGTERM when the supervisor ends, however it ends (prctl(2))."""
    if settings.supervisor_pid is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != settings.supervisor_pid:  # it ended before we asked
        raise typer.Exit(1)
