"""`meterline token`: create, list and revoke the tokens of an environment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer

from meterline.cli.client import CommandError, DataDirOption, JsonOption, speaks_plainly
from meterline.cli.environment import with_database
from meterline.cli.role import DatabaseUrlOption
from meterline.cli.tables import show_json
from meterline.services import environments

EnvironmentOption = Annotated[str, typer.Option(help="Name of the environment.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    group = typer.Typer(help="Tokens of an environment.", no_args_is_help=True)
    group.command("create")(create)
    group.command("list")(list_all)
    group.command("revoke")(revoke)
    app.add_typer(group, name="token")


@speaks_plainly
def create(
    environment: EnvironmentOption,
    scope: Annotated[str, typer.Option(help="ingest, read or full.")] = "full",
    name: Annotated[str, typer.Option(help="What it is for.")] = "command line",
    data_dir: DataDirOption = None,
    database_url: DatabaseUrlOption = None,
) -> None:
    """Create a token; print it, which happens only now."""
    token_id, token = with_database(
        data_dir,
        database_url,
        lambda database: environments.create_token(database, environment, scope, name),
    )
    show_json({"id": str(token_id), "token": token})


@speaks_plainly
def list_all(
    environment: EnvironmentOption,
    data_dir: DataDirOption = None,
    database_url: DatabaseUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the tokens of an environment, without the secrets themselves."""
    rows = with_database(
        data_dir, database_url, lambda database: environments.tokens(database, environment)
    )
    shown = [
        {
            "id": str(row["token_id"]),
            "name": row["name"],
            "scope": row["scope"],
            "created_at": row["created_at"].isoformat(),
            "revoked_at": row["revoked_at"].isoformat() if row["revoked_at"] else None,
        }
        for row in rows
    ]
    if as_json:
        show_json(shown)
        return
    for token in shown:
        ended = f"  revoked {token['revoked_at']}" if token["revoked_at"] else ""
        typer.echo(f"{token['id']}  {token['scope']:<6}  {token['name']}{ended}")


@speaks_plainly
def revoke(
    token_id: Annotated[str, typer.Argument(help="Id of the token, as listed.")],
    environment: EnvironmentOption,
    data_dir: DataDirOption = None,
    database_url: DatabaseUrlOption = None,
) -> None:
    """End a token. It is refused everywhere within five seconds."""
    try:
        wanted = UUID(token_id)
    except ValueError:
        raise CommandError(
            f"{token_id!r} is not the id of a token; `token list` shows them"
        ) from None
    with_database(
        data_dir,
        database_url,
        lambda database: environments.revoke_token(
            database, environment, wanted, datetime.now(UTC)
        ),
    )
    typer.echo(f"revoked {wanted}")
