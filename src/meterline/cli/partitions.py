"""`meterline partitions grow`: give the event log more partitions while events flow."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Annotated

import psycopg
import typer

from meterline.cli.client import CommandError, DataDirOption, speaks_plainly
from meterline.cli.environment import database_url_of
from meterline.cli.role import DatabaseUrlOption, KafkaOption
from meterline.core.errors import Invalid
from meterline.event_log import event_log
from meterline.services import growth
from meterline.services.errors import Conflict
from meterline.settings import LOG_PARTITIONS_MAX, InvalidSettings, Settings, settings_from
from meterline.store.database import Database
from meterline.stream.errors import Backpressure

_SAYING = {
    "aim": "beginning",
    "create": "creating partitions",
    "drain": "metering what was routed over fewer",
    "done": "done",
}


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    group = typer.Typer(help="Partitions of the event log.", no_args_is_help=True)
    group.callback()(lambda: None)
    group.command("grow")(grow)
    app.add_typer(group, name="partitions")


@speaks_plainly
def grow(
    to: Annotated[
        int, typer.Option(min=1, max=LOG_PARTITIONS_MAX, help="How many there shall be.")
    ],
    dry_run: Annotated[bool, typer.Option(help="Only say what would be done.")] = False,
    data_dir: DataDirOption = None,
    database_url: DatabaseUrlOption = None,
    kafka: KafkaOption = None,
) -> None:
    """Give the log more partitions. Nothing stops meanwhile; run it again if it is interrupted."""
    try:
        settings = settings_from(
            os.environ, database_url=database_url_of(data_dir, database_url), kafka=kafka
        )
        asyncio.run(_grow(settings, to, dry_run=dry_run))
    except (InvalidSettings, Invalid, Conflict, Backpressure, psycopg.Error) as error:
        raise CommandError(str(error)) from error


async def _grow(settings: Settings, to: int, *, dry_run: bool) -> None:
    log = event_log(settings).growing()
    async with Database(settings.database_url, connections_max=2) as database:
        planned = await growth.plan(database, log, to)
        if dry_run:
            typer.echo(_planned(planned))
            return
        started = time.monotonic()

        def progress(now: growth.Growth) -> None:
            left = f", {now.left} records left" if now.left else ""
            typer.echo(f"{time.monotonic() - started:6.2f} s  {_SAYING[now.step]}{left}")

        await growth.grow(database, log, to, progress)
    typer.echo(f"the log has {to} partitions")


def _planned(planned: growth.Growth) -> str:
    if planned.step == "done":
        return f"the log has {planned.target} partitions already"
    if planned.step != "aim":
        return f"growing to {planned.target} is under way: {_SAYING[planned.step]}"
    share = (
        f"each splits in {planned.target // planned.partitions}"
        if planned.target % planned.partitions == 0
        else "ranges are cut anew"
    )
    return f"would grow the log from {planned.partitions} to {planned.target} partitions: {share}"
