"""`meterline simulate`: what a price or contract change would have made of a month that is past.

It asks POST /v1/simulations page by page, adds up, and shows whose bill moves most. Nothing is written anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from meterline import display
from meterline.cli import tables
from meterline.cli.catalogue import reading
from meterline.cli.catalogue import source as files
from meterline.cli.catalogue.comparison import differences
from meterline.cli.catalogue.contract_bodies import TermWriter
from meterline.cli.catalogue.differences import Action
from meterline.cli.catalogue.platform import read as read_platform
from meterline.cli.catalogue.prices import Part
from meterline.cli.catalogue.requests import references, resolved
from meterline.cli.catalogue.terms import Contract, Override
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
from meterline.core.decimals import EXACT, ZERO

EVERYBODY = "all"
CUSTOMERS_A_PAGE = 50

Row = dict[str, Any]


class ContractEdit(Part):
    """A file of `--contract-edit`: overrides as in a catalogue file's contracts, in the currency of their card."""

    overrides: list[Override]
    currency: str = "USD"


@dataclass(slots=True)
class Sum:
    """What many customers come to in one currency."""

    customers: int = 0
    dearer: int = 0
    cheaper: int = 0
    old: Decimal = ZERO
    new: Decimal = ZERO
    products: dict[str, list[Decimal]] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Take a customer's outcome in."""
        old, new = _exact(row["old_total"]), _exact(row["new_total"])
        self.customers += 1
        self.dearer += new > old
        self.cheaper += new < old
        self.old, self.new = EXACT.add(self.old, old), EXACT.add(self.new, new)
        for product in row["products"]:
            totals = self.products.setdefault(product["name"], [ZERO, ZERO])
            for place, name in enumerate(("old_total", "new_total")):
                totals[place] = EXACT.add(totals[place], _exact(product[name]))


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("simulate")(simulate)


@speaks_plainly
def simulate(
    month: Annotated[str, typer.Option("--month", help="The month to try it on, such as 2026-10.")],
    rate_card: Annotated[
        str | None, typer.Option("--rate-card", help="Card to try, by name or id.")
    ] = None,
    contract_edit: Annotated[
        Path | None, typer.Option("--contract-edit", help="YAML or TOML file of overrides to try.")
    ] = None,
    catalogue: Annotated[
        Path | None, typer.Option("--catalogue", help="Catalogue file whose new prices to try.")
    ] = None,
    customer: Annotated[
        list[str] | None,
        typer.Option("--customer", help="Id, ingest alias or name; repeatable. Default: all."),
    ] = None,
    prices_at: Annotated[
        str | None, typer.Option("--prices-at", help="Try the card's prices of then, not of now.")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=0, help="How many movers to show.")] = 20,
    url: UrlOption = None,
    token: TokenOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what other prices or overrides would have made of a past month. Writes nothing."""
    if rate_card is None and contract_edit is None and catalogue is None:
        raise CommandError("say what to try: --rate-card, --contract-edit or --catalogue")
    with connect(url, token, data_dir) as client:
        body: Row = {"month": month}
        if rate_card is not None:
            body["rate_card_id"] = _rate_card_id(client, rate_card)
        if contract_edit is not None:
            body["overrides"] = read_overrides(client, contract_edit)
        if catalogue is not None:
            body["rates"] = read_rates(client, catalogue)
        if prices_at is not None:
            body["prices_at"] = prices_at
        names = [one for one in customer or () if one != EVERYBODY]
        if names:
            body["customer_ids"] = [client.customer(one)["id"] for one in names]
        rows = list(outcomes(client, body))
    sums = summed(rows)
    movers = sorted(rows, key=lambda row: abs(_exact(row["difference"])), reverse=True)
    if as_json:
        tables.show_json({"month": month, "totals": _totals(sums), "customers": movers})
        return
    if not rows:
        typer.echo(f"no usage invoices begin in {month}")
        return
    show(month, movers[:top], len(movers), sums)


def outcomes(client: PlatformClient, body: Row) -> Iterator[Row]:
    """Yield each customer's outcome."""
    yield from client.pages("POST", "/v1/simulations", body=body, limit=CUSTOMERS_A_PAGE)


def read_overrides(client: PlatformClient, path: Path) -> list[Row]:
    """Return a file's overrides as the API takes them. Raises CommandError that names file and line."""
    source = files.read(path)
    edit = reading.converted(source, ContractEdit)
    # The start is of no matter: the platform tries an override on the whole month.
    contract = Contract(name="simulation", starting_at="2000-01-01", overrides=edit.overrides)
    bodies = TermWriter(source, edit.currency).overrides(contract, ())
    ids = {("unit", row["name"]): row["id"] for row in client.pages("GET", "/v1/credit-types/list")}
    for row in client.pages("POST", "/v1/contract-pricing/products/list", body={}):
        ids.setdefault(("product", row["current"]["name"]), row["id"])
    for ref in references(bodies):
        if (ref.kind, ref.name) not in ids:
            raise source.fault(ref.place, f"there is no {ref.kind} {ref.name!r}")
    found: list[Row] = resolved(bodies, ids)
    return found


def read_rates(client: PlatformClient, path: Path) -> list[Row]:
    """Return the prices of a catalogue file that `apply` would add to cards in use, as the API takes them.

    Raises CommandError that names file and line, and where there are none.
    """
    source, wanted = reading.read(path)
    found = read_platform(client, wanted)
    rates = []
    for one in differences(source, wanted, found):
        if one.kind != "rate":
            continue
        if one.action is Action.IMPOSSIBLE:
            raise source.fault(one.place, f"rate {one.name}: {'; '.join(one.details)}")
        for request in one.requests:
            try:
                row = resolved({**request.body, **(request.item or {})}, found.ids)
            except KeyError as missing:
                reason = f"rate {one.name}: {' '.join(missing.args[0])} is not on the platform yet"
                raise source.fault(one.place, reason) from None
            # When a price is to start is of no matter: it is tried on the whole month.
            rates.append(
                {k: v for k, v in row.items() if k not in ("starting_at", "ending_before")}
            )
    if not rates:
        raise CommandError(f"{path}: the platform has all of its prices: nothing to try")
    return rates


def summed(rows: Iterable[Row]) -> dict[str, Sum]:
    """Return the sums of all customers, by the name of the currency."""
    sums: dict[str, Sum] = {}
    for row in rows:
        sums.setdefault(row["credit_type"]["name"], Sum()).add(row)
    return sums


def show(month: str, movers: Sequence[Row], customers: int, sums: dict[str, Sum]) -> None:
    """Print the largest movers, then what products and everybody come to."""
    columns = [("Customer", False), ("Old", True), ("New", True), ("Difference", True), ("", True)]
    rows = []
    for row in movers:
        unit = row["credit_type"]["name"]
        rows.append(_line(row["customer_name"], row["old_total"], row["new_total"], unit))
    title = f"{month}: largest movers of {customers}"
    tables.show(title, columns, rows)
    for unit, one in sums.items():
        lines = [_line(name, old, new, unit) for name, (old, new) in one.products.items()]
        lines.append(_line("[bold]All[/]", one.old, one.new, unit))
        same = one.customers - one.dearer - one.cheaper
        caption = f"{one.dearer} dearer, {one.cheaper} cheaper, {same} the same"
        columns[0] = (f"Product, in {unit}", False)
        tables.show("", columns, lines, caption=caption)


def _line(name: str, old: Any, new: Any, unit: str) -> tuple[str, ...]:
    before, after = _exact(old), _exact(new)
    difference = EXACT.subtract(after, before)
    sign = "+" if difference > 0 else ""
    share = f"{sign}{difference / before * 100:.1f} %" if before else ""
    amounts = (display.amount(before, unit), display.amount(after, unit))
    return (name, *amounts, f"{sign}{display.amount(difference, unit)}", share)


def _totals(sums: dict[str, Sum]) -> list[Row]:
    return [
        {
            "credit_type": unit,
            "customers": one.customers,
            "dearer": one.dearer,
            "cheaper": one.cheaper,
            "old_total": one.old,
            "new_total": one.new,
            "difference": EXACT.subtract(one.new, one.old),
            "products": [
                {"name": name, "old_total": old, "new_total": new}
                for name, (old, new) in one.products.items()
            ],
        }
        for unit, one in sums.items()
    ]


def _rate_card_id(client: PlatformClient, wanted: str) -> str:
    listed = client.pages("POST", "/v1/contract-pricing/rate-cards/list", body={})
    found = [row["id"] for row in listed if wanted in (row["id"], row["name"])]
    if len(found) != 1:
        raise CommandError(f"{len(found) or 'no'} rate cards are named {wanted!r}")
    return str(found[0])


def _exact(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))
