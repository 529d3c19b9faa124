"""`meterline apply FILE`: bring a platform to what a catalogue file says.

It shows what will be created and changed before it does anything, and asks. Names decide identity, so a second run
finds nothing to do. Where the file wants what cannot be changed, nothing at all is done.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from meterline.cli.catalogue import reading
from meterline.cli.catalogue.comparison import differences
from meterline.cli.catalogue.differences import Action, Difference, counts
from meterline.cli.catalogue.model import CatalogueFile
from meterline.cli.catalogue.performance import perform
from meterline.cli.catalogue.platform import read as read_platform
from meterline.cli.catalogue.source import Source, spelled
from meterline.cli.client import (
    EXIT_REFUSED,
    CommandError,
    DataDirOption,
    JsonOption,
    PlatformClient,
    TokenOption,
    UrlOption,
    connect,
    speaks_plainly,
)
from meterline.cli.tables import show_json

EXIT_DIFFERENT = 4  # there are differences, and they were left

SIGNS = {
    Action.CREATE: "[green]+[/]",
    Action.CHANGE: "[yellow]~[/]",
    Action.IMPOSSIBLE: "[red]![/]",
}
# More lines than anybody reads; `--json` has all of them.
LINES_MAX = 200

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Only show the differences; exit 4 if there are any.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("apply")(apply)


@speaks_plainly
def apply(
    file: Annotated[Path, typer.Argument(help="Catalogue file: YAML, TOML or JSON.")],
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create and change what a file says: metrics, products, prices, customers, contracts. Safe to repeat."""
    source, wanted = reading.read(file)
    with connect(url, token, data_dir) as client:
        found = read_platform(client, wanted)
        result = differences(source, wanted, found)
        if not as_json:
            show(source, result)
        impossible = [one for one in result if one.action is Action.IMPOSSIBLE]
        agreed = bool(result) and not dry_run and not impossible and _agreed(yes, as_json)
        if agreed:
            perform(client, source, found, result)
    if as_json:
        show_json(_document(source, result, applied=agreed))
    elif agreed:
        typer.echo(f"done: all {len(result)}" if len(result) > 1 else "done")
    if impossible:
        raise CommandError("nothing was done: some of it cannot be changed", exit_code=EXIT_REFUSED)
    if result and not agreed:
        raise typer.Exit(EXIT_DIFFERENT)


def load(client: PlatformClient, wanted: CatalogueFile) -> Counter[str]:
    """Bring a platform to a catalogue made by a program. Return how many of each kind were created.

    Raises CommandError where that takes what cannot be changed.
    """
    source = Source(Path("catalogue"), None)
    found = read_platform(client, wanted)
    result = differences(source, wanted, found)
    for one in result:
        if one.action is Action.IMPOSSIBLE:
            raise source.fault(one.place, f"{one.kind} {one.name}: {'; '.join(one.details)}")
    perform(client, source, found, result)
    return counts(result, Action.CREATE)


def show(source: Source, result: Sequence[Difference]) -> None:
    """Print the differences, one a line, and how many there are."""
    console = Console(highlight=False, soft_wrap=True)
    if not result:
        console.print("nothing to do: the platform has all of it")
        return
    for one in result[:LINES_MAX]:
        since = f" [dim]from {one.since}[/]" if one.since else ""
        details = f"  {escape('; '.join(one.details))}" if one.details else ""
        where = f"  [dim]{_where(source, one)}[/]" if one.action is Action.IMPOSSIBLE else ""
        sign = SIGNS[one.action]
        console.print(f"{sign} {one.kind} [bold]{escape(one.name)}[/]{details}{since}{where}")
    if len(result) > LINES_MAX:
        console.print(f"  … and {len(result) - LINES_MAX} more (--json shows all)")
    console.print(_summary(result))


def _summary(result: Sequence[Difference]) -> str:
    parts = []
    for action, words in (
        (Action.CREATE, "to create"),
        (Action.CHANGE, "to change"),
        (Action.IMPOSSIBLE, "that cannot be changed"),
    ):
        found = counts(result, action)
        if found:
            kinds = ", ".join(
                f"{number} {kind.removesuffix('s') if number == 1 else kind}"
                for kind, number in found.items()
            )
            parts.append(f"{kinds} {words}")
    return "; ".join(parts)


def _agreed(yes: bool, as_json: bool) -> bool:
    if yes:
        return True
    if as_json or not sys.stdin.isatty():
        typer.echo("not applied: say --yes where nobody can be asked", err=True)
        return False
    return typer.confirm("Apply?", default=False)


def _document(source: Source, result: Sequence[Difference], *, applied: bool) -> dict[str, object]:
    return {
        "applied": applied,
        "created": dict(counts(result, Action.CREATE)) if applied else {},
        "changed": dict(counts(result, Action.CHANGE)) if applied else {},
        "differences": [
            {
                "action": one.action,
                "kind": one.kind,
                "name": one.name,
                "path": spelled(one.place),
                "line": source.lines.get(one.place),
                "details": list(one.details),
                "since": one.since,
            }
            for one in result
        ],
    }


def _where(source: Source, one: Difference) -> str:
    line = source.lines.get(one.place)
    return escape(f"{source.path}:{line}" if line else spelled(one.place))
