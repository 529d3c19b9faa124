"""`meterline quickstart FILE`: from somebody's own CSV to his customers' invoices, in one command.

It writes nothing clever: a catalogue file with one metric that sums the quantity column, one product,
one price and the customers found in the file. Then it does what `apply`, `ingest` and `invoice` do.
`--save` keeps the file.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from meterline import display
from meterline.cli import apply, event_file, ingest, invoice
from meterline.cli.catalogue.model import CatalogueFile, Metric, Product, Rate, RateCard
from meterline.cli.catalogue.terms import Customer
from meterline.cli.client import (
    CommandError,
    DataDirOption,
    PlatformClient,
    TokenOption,
    UrlOption,
    connect,
    speaks_plainly,
)
from meterline.cli.event_file import Mapping

CUSTOMERS_MAX = 1_000
INVOICES_SHOWN = 3
METERED_SECONDS_MAX = 60.0


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("quickstart")(quickstart)


@speaks_plainly
def quickstart(
    file: Annotated[Path, typer.Argument(help="CSV with a header, or NDJSON.")],
    quantity: Annotated[str, typer.Option("--quantity", help="Column that is summed and priced.")],
    price: Annotated[str, typer.Option("--price", help="Dollars for --per units, such as 2.50.")],
    per: Annotated[int, typer.Option("--per", min=1, help="Units that --price buys.")] = 1,
    customer: Annotated[
        str, typer.Option("--customer", help="Column of the customer, or =CONSTANT.")
    ] = "customer_id",
    timestamp: Annotated[
        str, typer.Option("--timestamp", help="Column of the time.")
    ] = "timestamp",
    group: Annotated[
        str | None, typer.Option("--group", help="Column that splits the invoice into lines.")
    ] = None,
    keep_times: Annotated[
        bool, typer.Option("--keep-times", help="Do not move the newest event to now.")
    ] = False,
    save: Annotated[
        Path | None, typer.Option("--save", help="Keep the catalogue file (JSON) here.")
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Price a column of your own file and show the invoices. Safe to repeat."""
    mapping = Mapping(
        customer=customer,
        event_type=f"={file.stem}",
        timestamp=timestamp,
        transaction_id=None,
        properties={name: name for name in (quantity, group) if name},
    )
    now = datetime.now(UTC)
    shift = timedelta(0) if keep_times else ingest.shift_of(file, mapping, now)
    wanted = pricing(file, mapping, quantity, (price, per), group, now)
    if save:
        save.write_bytes(msgspec.json.format(msgspec.json.encode(wanted)) + b"\n")
    with connect(url, token, data_dir) as client:
        apply.load(client, wanted)
        lines = event_file.read(file, mapping, now=now, shift=shift)
        sent = ingest.send(client, lines, total=event_file.count_lines(file))
        typer.echo(f"{sent:,} events of {len(wanted.customers)} customers sent.\n")
        wait_until_metered(client)
        for one in wanted.customers[:INVOICES_SHOWN]:
            found = client.customer(one.ingest_aliases[0])
            for draft in invoice.fetch(client, found["id"]):
                invoice.print_invoice(found["name"], draft)
    rest = len(wanted.customers) - INVOICES_SHOWN
    if rest > 0:
        typer.echo(f"\n… and {display.quantity(rest)} more: meterline invoice CUSTOMER")


def pricing(
    file: Path,
    mapping: Mapping,
    quantity: str,
    price: tuple[str, int],
    group: str | None,
    now: datetime,
) -> CatalogueFile:
    """Return the catalogue that prices `quantity` for every customer of the file."""
    name = f"{file.stem}: {quantity}"
    groups = [group] if group else []
    lines = event_file.read(file, replace(mapping, timestamp=None), now=now)
    customers = dict.fromkeys(str(line.event["customer_id"]) for line in lines)
    if not customers:
        raise CommandError(f"{file} has no rows")
    if len(customers) > CUSTOMERS_MAX:
        raise CommandError(f"{len(customers):,} customers: load more than {CUSTOMERS_MAX:,} by API")
    card = RateCard(
        name=name, rates=[Rate(product=name, usd=_dollars(price[0]), per=Decimal(price[1]))]
    )
    return CatalogueFile(
        metrics=[
            Metric(
                name=name,
                sum=quantity,
                event_types=[file.stem],
                group_keys=[groups] if groups else [],
            )
        ],
        products=[Product(name=name, metric=name, presentation_group_key=groups)],
        rate_cards=[card],
        customers=[
            Customer(name=alias, ingest_aliases=[alias], rate_card=name) for alias in customers
        ],
    )


def _dollars(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise CommandError(f"--price {text!r} is not a number of dollars") from None


def wait_until_metered(client: PlatformClient) -> None:
    """Return once all is on the invoices, or after a minute: others may keep sending."""
    deadline = time.monotonic() + METERED_SECONDS_MAX
    while time.monotonic() < deadline and client.get("/v1/pipeline").get("lag_events"):
        time.sleep(0.25)
