"""`meterline usage`: what a customer used, by metric, window and group."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer

from meterline import display
from meterline.cli import tables
from meterline.cli.client import (
    CommandError,
    DataDirOption,
    JsonOption,
    PlatformClient,
    TokenOption,
    UrlOption,
    connect,
    speaks_plainly,
)


class Window(StrEnum):
    """The width of one row."""

    HOUR = "hour"
    DAY = "day"
    NONE = "none"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("usage")(usage)


@speaks_plainly
def usage(
    customer: Annotated[str, typer.Argument(help="Customer: id, ingest alias or name.")],
    metric: Annotated[
        str | None, typer.Option("--metric", help="Metric: id or name. All by default.")
    ] = None,
    window: Annotated[Window, typer.Option("--window", help="Width of a row.")] = Window.DAY,
    since: Annotated[
        datetime | None,
        typer.Option("--since", formats=["%Y-%m-%d"], help="First UTC day. This month by default."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option("--until", formats=["%Y-%m-%d"], help="First UTC day left out."),
    ] = None,
    group_by: Annotated[
        str | None, typer.Option("--group-by", help="Group property of the metric.")
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a customer's usage by metric and window. Windows without usage are left out."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = since.replace(tzinfo=UTC) if since else today.replace(day=1)
    end = until.replace(tzinfo=UTC) if until else today + timedelta(days=1)
    if end <= start:
        raise CommandError("--until must be later than --since")
    with connect(url, token, data_dir) as client:
        found = client.customer(customer)
        rows = fetch(client, found["id"], metric, window, (start, end), group_by)
    if as_json:
        tables.show_json(rows)
        return
    _print(found["name"], rows, grouped=group_by is not None)


def fetch(
    client: PlatformClient,
    customer_id: str,
    metric: str | None,
    window: Window,
    period: tuple[datetime, datetime],
    group_by: str | None,
) -> list[dict[str, Any]]:
    """Return usage rows of POST /v1/usage, every page."""
    body: dict[str, Any] = {
        "customer_ids": [customer_id],
        "starting_on": period[0].isoformat(),
        "ending_before": period[1].isoformat(),
        "window_size": window.name,
    }
    if metric or group_by:
        body["billable_metrics"] = [
            {"id": chosen["id"]} | ({"group_by": {"key": group_by}} if group_by else {})
            for chosen in _metrics(client, metric, group_by)
        ]
    rows: list[dict[str, Any]] = []
    cursor = None
    while True:
        reply = client.post("/v1/usage", body, next_page=cursor)
        rows += reply["data"]
        cursor = reply.get("next_page")
        if not cursor:
            return rows


def _metrics(
    client: PlatformClient, wanted: str | None, group_by: str | None
) -> list[dict[str, Any]]:
    found = [
        row
        for row in client.pages("GET", "/v1/billable-metrics")
        if (wanted is None or wanted in (row["id"], row["name"]))
        and (group_by is None or [group_by] in (row.get("group_keys") or []))
    ]
    if not found:
        grouped = f" with the group key {group_by!r}" if group_by else ""
        raise CommandError(f"no billable metric {wanted or ''}{grouped}".replace("  ", " "))
    return found


def _print(customer: str, rows: list[dict[str, Any]], *, grouped: bool) -> None:
    lines: list[tuple[str, ...]] = []
    for row in rows:
        at = row["start_timestamp"][:16].replace("T", " ")
        if grouped:
            lines += [
                (row["billable_metric_name"], at, name, display.quantity(value))
                for name, value in sorted((row.get("groups") or {}).items())
                if value is not None
            ]
        elif row["value"]:
            lines.append((row["billable_metric_name"], at, display.quantity(row["value"])))
    columns = [("Metric", False), ("From (UTC)", False), ("Quantity", True)]
    if grouped:
        columns.insert(2, ("Group", False))
    if not lines:
        typer.echo(f"{customer}: no usage in this period.")
        return
    tables.show(customer, columns, lines)
