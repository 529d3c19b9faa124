"""`meterline invoice`: the running invoices of a customer."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from meterline import display
from meterline.cli import tables
from meterline.cli.client import (
    DataDirOption,
    JsonOption,
    PlatformClient,
    TokenOption,
    UrlOption,
    connect,
    speaks_plainly,
)

COLUMNS = [
    ("Line", False),
    ("Groups", False),
    ("Quantity", True),
    ("Unit price", True),
    ("Amount", True),
]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("invoice")(invoice)


@speaks_plainly
def invoice(
    customer: Annotated[str, typer.Argument(help="Customer: id, ingest alias or name.")],
    status: Annotated[str, typer.Option("--status", help="DRAFT, FINALIZED or VOID.")] = "DRAFT",
    url: UrlOption = None,
    token: TokenOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a customer's running invoices, line by line."""
    with connect(url, token, data_dir) as client:
        found = client.customer(customer)
        invoices = fetch(client, found["id"], status)
    if as_json:
        tables.show_json(invoices)
        return
    if not invoices:
        typer.echo(f"{found['name']}: no {status.lower()} invoice (no contract runs now).")
        return
    for one in invoices:
        print_invoice(found["name"], one)


def fetch(client: PlatformClient, customer_id: str, status: str = "DRAFT") -> list[dict[str, Any]]:
    """Return the customer's invoices in `status`, newest first, without older empty ones."""
    reply = client.get(
        f"/v1/customers/{customer_id}/invoices", status=status.upper(), sort="date_desc", limit=100
    )
    # The newest is the running one; older drafts count only if there is something on them.
    return [one for place, one in enumerate(reply["data"]) if place == 0 or one["total"]]


def print_invoice(customer: str, one: dict[str, Any]) -> None:
    """Print one invoice as a table that ends in its total."""
    start, end = one.get("start_timestamp"), one.get("end_timestamp")
    period = f"{start[:10]} to {end[:10]}" if start and end else ""
    rows = [_row(line) for line in one["line_items"]]
    total = display.amount(one["total"], one["credit_type"]["name"])
    rows.append(("", "", "", "[bold]Total[/]", f"[bold]{total}[/]"))
    tables.show(f"{customer} · {one['status'].lower()} · {period}", COLUMNS, rows)


def _row(line: dict[str, Any]) -> tuple[str, ...]:
    unit = line["credit_type"]["name"]
    grouped = {
        **(line.get("pricing_group_values") or {}),
        **(line.get("presentation_group_values") or {}),
    }
    tier = line.get("tier")
    return (
        line["name"],
        ", ".join(filter(None, [tables.groups(grouped), f"tier {tier['level']}" if tier else ""])),
        display.quantity(line.get("quantity")),
        display.unit_price(line["unit_price"], unit) if line.get("unit_price") is not None else "",
        display.amount(line["total"], unit),
    )
