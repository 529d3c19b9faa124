"""`meterline up`: the whole platform in the foreground, one process tree, one data directory."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import socket
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psycopg
import structlog
import typer

from meterline.cli.data_directory import DataDirectory
from meterline.cli.logs import configure_logging
from meterline.cli.role import KafkaOption
from meterline.cli.supervisor import (
    Role,
    RoleKeepsFailing,
    Supervisor,
    child_environment,
    python_role,
)
from meterline.core.errors import Invalid
from meterline.services.environments import ensure_production, random_token
from meterline.services.errors import Conflict
from meterline.settings import InvalidSettings, Settings, settings_from
from meterline.store.database import Database
from meterline.store.embedded import EmbeddedPostgres
from meterline.store.errors import StoreError
from meterline.web.session import SECRET_VARIABLE
from meterline.wiring import prepare

READY_PROBE_SECONDS = 2.0
PORT_SECONDS_MAX = 2.0

# Past any proxy that the environment names: it could not reach this machine's own address.
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))

logger = structlog.get_logger()


class CannotListen(StoreError):
    """The address to listen on is not to be had."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What `up` was asked for. `database_url` None: the embedded PostgreSQL; `token` None: one of its own."""

    data_dir: Path
    host: str
    port: int
    token: str | None
    database_url: str | None
    workers: int | None
    log_partitions: int | None
    kafka: str | None = None


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("up")(up)


def up(
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path(".meterline"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(help='Token of the environment "production"; without it, one is made.'),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(
            envvar="METERLINE_DATABASE_URL",
            show_envvar=True,
            help="A PostgreSQL >= 15 of yours, instead of the embedded one.",
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Metering processes.")] = None,
    log_partitions: Annotated[
        int | None, typer.Option(help="Partitions of a new event log.")
    ] = None,
    kafka: KafkaOption = None,
) -> None:
    """Run the whole platform in the foreground. SIGTERM or Ctrl-C stops it cleanly."""
    options = UpOptions(data_dir, host, port, token, database_url, workers, log_partitions, kafka)
    try:
        run_platform(options)
    except InvalidSettings as error:
        typer.echo(f"meterline: {error}", err=True)
        raise typer.Exit(2) from None
    except (StoreError, RoleKeepsFailing, Invalid, Conflict) as error:
        typer.echo(f"meterline: {error}", err=True)
        raise typer.Exit(1) from None
    except psycopg.Error as error:
        away = isinstance(error, psycopg.OperationalError)
        what = "the database does not answer" if away else "the database refused"
        typer.echo(f"meterline: {what}: {error}", err=True)
        raise typer.Exit(1) from None


def run_platform(options: UpOptions) -> None:
    """Run until a signal stops it. Raises what is wrong at start; later faults are mended, not raised."""
    directory = DataDirectory(options.data_dir)
    directory.acquire()
    configure_logging("up", directory.logs / "up.log")
    postgres = None if options.database_url else EmbeddedPostgres(directory.path)
    supervisor = Supervisor(roles=(), postgres=postgres)
    supervisor.watch_signals()
    try:
        port = _listening_port(options.host, options.port)
        url = _public_url(options.host, port)
        directory.announce(url)
        if postgres is not None:
            postgres.start(cancelled=lambda: supervisor.stopping)
        settings = settings_from(
            os.environ,
            database_url=options.database_url or (postgres.url if postgres else None),
            http_host=options.host,
            http_port=port,
            workers=options.workers,
            log_partitions=options.log_partitions,
            kafka=options.kafka,
        )
        prepare(settings)
        token = options.token or directory.token(lambda: random_token("production"))
        asyncio.run(_accept_token(settings, token))
        supervisor.roles = _roles(settings, directory.logs)

        def announce() -> None:
            directory.publish(url=url, token=token, database_url=settings.database_url)
            _tell(url, directory, given=options.token is not None)

        supervisor.run(ready=lambda: _answers(f"{url}/readyz"), on_ready=announce)
    finally:
        supervisor.stop()
        directory.release()


def _roles(settings: Settings, logs: Path) -> list[Role]:
    environment = child_environment(os.environ, settings.as_environment(), pid=os.getpid())
    # Sessions outlive a restart of `serve`, and its sign-ins hold at every process that serves pages.
    environment.setdefault(SECRET_VARIABLE, secrets.token_hex())
    roles = [python_role("serve", 0, environment, logs)]
    roles += [python_role("work", number, environment, logs) for number in range(settings.workers)]
    roles.append(python_role("rate", 0, environment, logs))
    roles.append(python_role("schedule", 0, environment, logs))
    return roles


async def _accept_token(settings: Settings, token: str) -> None:
    async with Database(settings.database_url, connections_max=2) as database:
        await ensure_production(database, token)


def _listening_port(host: str, port: int) -> int:
    """Return the port to use, after trying it: before anything is started is the time to know.

    A taken one is tried again for a moment: a predecessor that was killed may still be going.
    """
    deadline = time.monotonic() + PORT_SECONDS_MAX
    while True:
        try:
            return _try_port(host, port)
        except CannotListen:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _try_port(host: str, port: int) -> int:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise CannotListen(
                f"port {port} of {host} is taken by another program; choose another --port"
            ) from error
        raise CannotListen(f"cannot listen on {host} port {port}: {error}") from error


def _public_url(host: str, port: int) -> str:
    """Return an address at which this machine reaches the platform."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def _answers(url: str) -> bool:
    try:
        with _DIRECTLY.open(url, timeout=READY_PROBE_SECONDS) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):  # not up yet, or not ready
        return False


def _tell(url: str, directory: DataDirectory, *, given: bool) -> None:
    token = "as given" if given else f"in {directory.path / 'token'}"
    typer.echo(
        f"""
Meterline is ready.

  API and pages   {url}
  API reference   {url}/schema
  Token           {token} (environment "production")
  Data and logs   {directory.path}

  Send events     meterline ingest FILE --data-dir {directory.path}
  Look            meterline usage --data-dir {directory.path}
  Stop            Ctrl-C
"""
    )
