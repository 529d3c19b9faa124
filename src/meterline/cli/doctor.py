"""`meterline doctor`: is this machine fit to run the platform, and is the platform that runs well?

Every check says what it found and, where that is bad, what to do. Ends with status 1 where something is wrong.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import psutil
import psycopg
import typer
from rich.console import Console
from rich.table import Column, Table

from meterline.cli.client import DataDirOption, JsonOption
from meterline.cli.data_directory import DataDirectory
from meterline.cli.role import DatabaseUrlOption
from meterline.cli.tables import show_json
from meterline.event_log import event_log
from meterline.services import pipeline
from meterline.settings import settings_from
from meterline.store import diagnosis
from meterline.store.database import Database
from meterline.store.embedded import programs_folder
from meterline.store.errors import StoreError
from meterline.store.unprivileged import choose_account

Verdict = Literal["ok", "warn", "fail"]

GIB = 1024**3
# The log keeps 35 days of events; below this there is not room for an hour of them at full speed.
DISK_BYTES_LOW, DISK_BYTES_MIN = 10 * GIB, 1 * GIB
MEMORY_BYTES_LOW = 2 * GIB  # the platform takes 1.5 GB at most
UNSETTLED_SHOWN = 3
SKEW_MAX = timedelta(seconds=2)
FRESHNESS_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    check: str
    verdict: Verdict
    found: str
    remedy: str = ""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("doctor")(doctor)


def doctor(
    data_dir: DataDirOption = None,
    database_url: DatabaseUrlOption = None,
    host: Annotated[str, typer.Option(help="Address `up` will listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port `up` will listen on.")] = 8000,
    as_json: JsonOption = False,
) -> None:
    """Check this machine, the data directory, and the database of a running platform."""
    directory = DataDirectory(data_dir or Path(".meterline"))
    endpoint = directory.endpoint()
    findings = list(machine_findings(directory))
    if endpoint is None:
        findings.append(port_finding(host, port))
    url = database_url or os.environ.get("METERLINE_DATABASE_URL")
    url = url or (str(endpoint["database_url"]) if endpoint else None)
    if url is None:
        findings.append(Finding("platform", "ok", f"none runs in {directory.path}"))
    else:
        findings += database_findings(url, datetime.now(UTC))
    if as_json:
        show_json([asdict(finding) for finding in findings])
    else:
        _print(findings)
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


def machine_findings(directory: DataDirectory) -> Iterator[Finding]:
    """Check what `up` needs of the machine."""
    yield _judge(
        "python",
        platform.python_version(),
        "ok" if sys.version_info >= (3, 11) else "fail",
        "install Python 3.11 or newer",
    )
    yield _attempt("embedded PostgreSQL", lambda: str(programs_folder()), "run `make setup`")
    existing = next(path for path in (directory.path, *directory.path.parents) if path.exists())
    writable = os.access(existing, os.W_OK | os.X_OK)
    yield _judge(
        "data directory",
        f"{directory.path} ({'writable' if writable else 'not writable'})",
        "ok" if writable else "fail",
        "choose another --data-dir, or change its owner",
    )
    yield _attempt(
        "account of PostgreSQL",
        lambda: _account(existing, directory.path / "postgres"),
        "choose a data directory outside of /root, or use --database-url",
    )
    free = shutil.disk_usage(existing).free
    yield _judge(
        "disk",
        f"{free / GIB:.1f} GiB free",
        "ok" if free >= DISK_BYTES_LOW else "warn" if free >= DISK_BYTES_MIN else "fail",
        "make room: events are kept for 35 days",
    )
    memory = psutil.virtual_memory().available
    yield _judge(
        "memory",
        f"{memory / GIB:.1f} GiB available",
        "ok" if memory >= MEMORY_BYTES_LOW else "warn",
        "the platform takes up to 1.5 GB",
    )


def port_finding(host: str, port: int) -> Finding:
    """Check that `up` could listen."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return Finding(
                "port", "fail", f"{host}:{port}: {error.strerror}", "choose another --port"
            )
    return Finding("port", "ok", f"{host}:{port} is free")


def database_findings(url: str, now: datetime) -> Iterator[Finding]:
    """Check a database that should hold the platform, and the pipeline that runs on it."""
    try:
        connection = psycopg.connect(url, connect_timeout=5, autocommit=True)
    except psycopg.OperationalError as error:
        yield Finding("database", "fail", str(error).strip(), "start it, or correct its URL")
        return
    with connection:
        version, new_enough = diagnosis.server_version(connection)
        yield _judge(
            "PostgreSQL",
            version,
            "ok" if new_enough else "fail",
            "upgrade to PostgreSQL 15 or newer",
        )
        yield _none(
            "durability", diagnosis.lax_settings(connection), "events could be lost: turn on"
        )
        try:
            missing = diagnosis.missing_migrations(connection)
        except StoreError as error:
            yield Finding(
                "migrations", "fail", str(error), "run the release that made the database"
            )
            return
        yield _none("migrations", missing, "run `meterline migrate`, or `meterline up`")
        yield _none(
            "roles", diagnosis.role_faults(connection), "ALTER ROLE ... NOBYPASSRLS NOLOGIN"
        )
        yield _none("row-level security", diagnosis.unguarded_tables(connection), "restore it")
        if missing:
            return
        yield _none(
            "time partitions",
            diagnosis.missing_partitions(connection, now),
            "`meterline work` makes them hourly: look at its log",
        )
        unsettled = diagnosis.unsettled_customers(connection, UNSETTLED_SHOWN)
        yield _judge(
            "books",
            ", ".join(unsettled) or "nothing amiss",
            "warn" if unsettled else "ok",
            "they are tried again by themselves; the log of `meterline schedule` says more",
        )
        skew = diagnosis.clock_skew(connection, datetime.now(UTC))
        yield _judge(
            "clock",
            f"the database's is {skew.total_seconds():+.3f} s off",
            "ok" if abs(skew) <= SKEW_MAX else "warn",
            "synchronise the machines' clocks",
        )
    yield pipeline_finding(url)


def pipeline_finding(url: str) -> Finding:
    """Check that events are metered and rated about as fast as they come in."""

    async def ask() -> pipeline.PipelineStatus:
        settings = settings_from(os.environ, database_url=url)
        async with (
            Database(url, connections_max=2) as database,
            event_log(settings).open_backlog() as log,
        ):
            return await pipeline.status(database, log, datetime.now(UTC))

    status = asyncio.run(ask())
    behind = status.freshness_seconds > FRESHNESS_SECONDS_MAX
    workers = f"{len(status.workers)} worker{'' if len(status.workers) == 1 else 's'}"
    found = f"{status.lag_events} events behind, {status.freshness_seconds:.1f} s, {workers}"
    if not status.workers:
        return Finding("pipeline", "fail", found, "start `meterline work`, or `meterline up`")
    return _judge("pipeline", found, "warn" if behind else "ok", "add workers, or look at logs/")


def _account(existing: Path, cluster: Path) -> str:
    owner = cluster.stat().st_uid if cluster.exists() else None
    account = choose_account(existing, owner=owner, programs=programs_folder(), may_create=False)
    return f"uid {account.uid}" + (" in a user namespace" if account.namespaced else "")


def _judge(check: str, found: str, verdict: Verdict, remedy: str) -> Finding:
    return Finding(check, verdict, found, "" if verdict == "ok" else remedy)


def _none(check: str, faults: list[str], remedy: str) -> Finding:
    if not faults:
        return Finding(check, "ok", "nothing amiss")
    return Finding(check, "fail", ", ".join(faults), remedy)


def _attempt(check: str, find: Callable[[], str], remedy: str) -> Finding:
    try:
        return Finding(check, "ok", find())
    except StoreError as error:
        return Finding(check, "fail", str(error), remedy)


def _print(findings: list[Finding]) -> None:
    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    table = Table("", "", Column(overflow="fold"), box=None, show_header=False, pad_edge=False)
    for finding in findings:
        remedy = f"\n→ {finding.remedy}" if finding.remedy else ""
        table.add_row(
            f"[{colours[finding.verdict]}]{finding.verdict}[/]",
            finding.check,
            finding.found + remedy,
        )
    Console(highlight=False).print(table)
