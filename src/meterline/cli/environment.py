"""`meterline environment`: create and list environments, straight in the database of a running platform."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import psycopg
import typer
from psycopg_pool import PoolTimeout

from meterline.cli.client import (
    EXIT_UNREACHABLE,
    USUAL_DATA_DIRS,
    CommandError,
    DataDirOption,
    JsonOption,
    speaks_plainly,
)
from meterline.cli.data_directory import DataDirectory
from meterline.cli.role import DatabaseUrlOption
from meterline.cli.tables import show_json
from meterline.core.errors import Invalid
from meterline.services import environments
from meterline.services.errors import Conflict, NotFound
from meterline.store.database import Database

T = TypeVar("T")


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    group = typer.Typer(help="Environments: production and sandboxes.", no_args_is_help=True)
    group.command("create")(create)
    group.command("list")(list_all)
    app.add_typer(group, name="environment")


@speaks_plainly
def create(
    name: Annotated[str, typer.Option(help="A name of its own.")],
    sandbox: Annotated[bool, typer.Option("--sandbox", help="For trials, with a clock.")] = False,
    clock: Annotated[
        str | None, typer.Option(help="Where the sandbox's clock starts, RFC 3339.")
    ] = None,
    invoice_grace_hours: Annotated[
        int, typer.Option(help="How long after its period a usage invoice stays a draft.")
    ] = environments.INVOICE_GRACE_HOURS,
    data_dir: DataDirOption = None,
    database_url: DatabaseUrlOption = None,
) -> None:
    """Create an environment; print its id and its token, which is shown only now."""
    environment_id, token = with_database(
        data_dir,
        database_url,
        lambda database: environments.create_environment(
            database,
            name,
            "sandbox" if sandbox else "production",
            instant(clock),
            invoice_grace_hours=invoice_grace_hours,
        ),
    )
    show_json({"id": environment_id, "token": token})


@speaks_plainly
def list_all(
    data_dir: DataDirOption = None,
    database_url: DatabaseUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the environments."""
    rows = with_database(data_dir, database_url, environments.environments)
    if as_json:
        show_json(
            [
                {**row, "clock": str(row["clock"] or ""), "created_at": str(row["created_at"])}
                for row in rows
            ]
        )
        return
    for row in rows:
        clock = f"  clock {row['clock']:%Y-%m-%dT%H:%M:%SZ}" if row["clock"] else ""
        typer.echo(f"{row['environment_id']:>6}  {row['kind']:<10}  {row['name']}{clock}")


def database_url_of(data_dir: Path | None, database_url: str | None) -> str:
    """Return the database that the options, the environment or a running platform name."""
    return database_url or os.environ.get("METERLINE_DATABASE_URL") or _published(data_dir)


def with_database(
    data_dir: Path | None,
    database_url: str | None,
    use: Callable[[Database], Awaitable[T]],
) -> T:
    """Return what `use` does with the database that the options or a running platform name.

    Raises CommandError in the user's words.
    """
    url = database_url_of(data_dir, database_url)

    async def run() -> T:
        async with Database(url, connections_max=2) as database:
            return await use(database)

    try:
        return asyncio.run(run())
    except (Conflict, NotFound, Invalid) as error:
        raise CommandError(str(error)) from error
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise CommandError(
            f"the database does not answer: {error}", exit_code=EXIT_UNREACHABLE
        ) from error


def instant(text: str | None) -> datetime | None:
    """Return an RFC 3339 instant in UTC. Raises CommandError for anything else."""
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{text!r} is not an RFC 3339 time, such as 2026-01-01T00:00:00Z"
        ) from None
    if parsed.tzinfo is None:
        raise CommandError(f"{text!r} has no offset from UTC: add Z, or such as +01:00")
    return parsed.astimezone(UTC)


def _published(data_dir: Path | None) -> str:
    for folder in (data_dir,) if data_dir else USUAL_DATA_DIRS:
        endpoint = DataDirectory(folder).endpoint()
        if endpoint is not None:
            return str(endpoint["database_url"])
    where = f"in {data_dir}" if data_dir else "here"
    raise CommandError(
        f"no platform runs {where}: give --data-dir of a running `meterline up`, or --database-url",
        exit_code=EXIT_UNREACHABLE,
    )
