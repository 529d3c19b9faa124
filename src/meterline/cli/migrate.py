"""`meterline migrate`: bring a database to this release, without starting anything. `up` does it by itself."""

from __future__ import annotations

import os

import psycopg
import typer

from meterline.cli.client import CommandError, speaks_plainly
from meterline.cli.role import DatabaseUrlOption, KafkaOption
from meterline.settings import InvalidSettings, settings_from
from meterline.store.errors import StoreError


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("migrate")(migrate)


@speaks_plainly
def migrate(database_url: DatabaseUrlOption = None, kafka: KafkaOption = None) -> None:
    """Create or upgrade the schema of a database, and its partitions. Safe to repeat."""
    from meterline.wiring import prepare

    try:
        prepare(settings_from(os.environ, database_url=database_url, kafka=kafka))
    except (StoreError, InvalidSettings, psycopg.Error) as error:
        raise CommandError(str(error)) from error
    typer.echo("the database is up to date")
