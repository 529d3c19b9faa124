"""`meterline apply FILE`: bring the platform's catalogue to what a pricing file says.

Names decide identity, so a second run creates nothing. What exists under a name is never altered
silently: metrics cannot change (a difference is refused), a changed price becomes a new rate from
the current hour on.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from meterline.cli import pricing_file
from meterline.cli.client import (
    CommandError,
    DataDirOption,
    JsonOption,
    PlatformClient,
    Refused,
    TokenOption,
    UrlOption,
    connect,
    speaks_plainly,
)
from meterline.cli.tables import show_json

RATES_A_REQUEST = 100
CONFLICT = 409


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("apply")(apply)


@speaks_plainly
def apply(
    file: Annotated[Path, typer.Argument(help="Pricing file: TOML or JSON.")],
    url: UrlOption = None,
    token: TokenOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create the metrics, products, prices, customers and contracts of a file. Safe to repeat."""
    wanted = pricing_file.read(file)
    with connect(url, token, data_dir) as client:
        created = load(client, wanted, now=datetime.now(UTC))
    if as_json:
        show_json(dict(created))
        return
    typer.echo(
        "created: " + ", ".join(f"{n} {kind}" for kind, n in created.items())
        if created
        else "nothing to do: the platform has all of it"
    )


def load(
    client: PlatformClient, wanted: pricing_file.PricingFile, *, now: datetime
) -> Counter[str]:
    """Create what is missing, in order of dependence. Return how many of each kind were created."""
    created: Counter[str] = Counter()
    earliest = _months_ago(now, 2)
    metrics = _metrics(client, wanted.metrics, created)
    products = _products(client, wanted.products, metrics, created)
    cards = {
        card.name: _rate_card(client, card, products, (earliest, now), created)
        for card in wanted.rate_cards
    }
    _customers(client, wanted.customers, cards, earliest, created)
    return created


def _metrics(
    client: PlatformClient, wanted: list[pricing_file.Metric], created: Counter[str]
) -> dict[str, str]:
    found = {row["name"]: row for row in client.pages("GET", "/v1/billable-metrics")}
    for metric in wanted:
        body = _metric_body(metric)
        existing = found.get(metric.name)
        if existing is None:
            found[metric.name] = client.post("/v1/billable-metrics/create", body)["data"]
            created["metrics"] += 1
            continue
        for field in ("aggregation_type", "aggregation_key", "group_keys"):
            if (existing.get(field) or None) != (body.get(field) or None):
                raise CommandError(
                    f"metric {metric.name!r} exists with another {field}; metrics cannot change: "
                    "archive it or choose another name"
                )
    return {name: row["id"] for name, row in found.items()}


def _metric_body(metric: pricing_file.Metric) -> dict[str, Any]:
    kind, key = metric.aggregation()
    grouped = dict.fromkeys(name for group in metric.group_keys for name in group)
    # Properties that aggregate or group must be tested for: an event without one could not be
    # priced.
    names = dict.fromkeys([*([key] if key else []), *grouped])
    filters = [{"name": name, "exists": True} for name in names]
    body: dict[str, Any] = {
        "name": metric.name,
        "aggregation_type": kind,
        "property_filters": filters,
        "group_keys": metric.group_keys,
    }
    if key:
        body["aggregation_key"] = key
    if metric.event_types:
        body["event_type_filter"] = {"in_values": metric.event_types}
    return body


def _products(
    client: PlatformClient,
    wanted: list[pricing_file.Product],
    metrics: dict[str, str],
    created: Counter[str],
) -> dict[str, str]:
    listed = client.pages("POST", "/v1/contract-pricing/products/list", body={})
    found = {row["current"]["name"]: row["id"] for row in listed}
    for product in wanted:
        if product.name in found:
            continue
        if product.metric not in metrics:
            raise CommandError(f"product {product.name!r}: there is no metric {product.metric!r}")
        body: dict[str, Any] = {
            "name": product.name,
            "type": "USAGE",
            "billable_metric_id": metrics[product.metric],
        }
        if product.pricing_group_key:
            body["pricing_group_key"] = product.pricing_group_key
        if product.presentation_group_key:
            body["presentation_group_key"] = product.presentation_group_key
        reply = client.post("/v1/contract-pricing/products/create", body)
        found[product.name] = reply["data"]["id"]
        created["products"] += 1
    return found


def _rate_card(
    client: PlatformClient,
    card: pricing_file.RateCard,
    products: dict[str, str],
    instants: tuple[datetime, datetime],
    created: Counter[str],
) -> str:
    """Create the card, and those of its rates that are not in force now."""
    earliest, now = instants
    listed = client.pages("POST", "/v1/contract-pricing/rate-cards/list", body={})
    card_id: str | None = next((row["id"] for row in listed if row["name"] == card.name), None)
    current: dict[tuple[str, str], str] = {}
    starting_at = card.starting_at or _text(earliest)
    if card_id is None:
        reply = client.post("/v1/contract-pricing/rate-cards/create", {"name": card.name})
        card_id = str(reply["data"]["id"])
        created["rate cards"] += 1
    else:
        body = {"rate_card_id": card_id, "at": _text(now)}
        for row in client.pages("POST", "/v1/contract-pricing/rate-cards/getRates", body=body):
            key = (row["product_id"], _canonical(row.get("pricing_group_values") or {}))
            current[key] = _canonical(_terms(row["rate"]))
        if current:
            starting_at = _text(now.replace(minute=0, second=0, microsecond=0))
    fresh = []
    for rate in card.rates:
        if rate.product not in products:
            raise CommandError(f"rate card {card.name!r}: there is no product {rate.product!r}")
        product_id, terms = products[rate.product], rate.terms()
        if current.get((product_id, _canonical(rate.group))) == _canonical(_terms(terms)):
            continue
        row = {"product_id": product_id, "starting_at": starting_at, "entitled": True, **terms}
        fresh.append(row | ({"pricing_group_values": rate.group} if rate.group else {}))
    for at in range(0, len(fresh), RATES_A_REQUEST):
        batch = {"rate_card_id": card_id, "rates": fresh[at : at + RATES_A_REQUEST]}
        client.post("/v1/contract-pricing/rate-cards/addRates", batch)
    if fresh:
        created["rates"] += len(fresh)
    return card_id


def _customers(
    client: PlatformClient,
    wanted: list[pricing_file.Customer],
    cards: dict[str, str],
    earliest: datetime,
    created: Counter[str],
) -> None:
    if not wanted:
        return
    found = {row["name"]: row["id"] for row in client.pages("GET", "/v1/customers")}
    for customer in wanted:
        fresh = customer.name not in found
        if fresh:
            body = {"name": customer.name, "ingest_aliases": customer.ingest_aliases}
            found[customer.name] = client.post("/v1/customers", body)["data"]["id"]
            created["customers"] += 1
        if customer.rate_card is None:
            continue
        if customer.rate_card not in cards:
            raise CommandError(
                f"customer {customer.name!r}: there is no rate card {customer.rate_card!r}"
            )
        contract = {
            "customer_id": found[customer.name],
            "rate_card_id": cards[customer.rate_card],
            "starting_at": customer.starting_at or _text(earliest),
            # One contract a customer and card, however often the file is applied.
            "uniqueness_key": f"apply:{found[customer.name]}:{cards[customer.rate_card]}",
        }
        try:
            client.post("/v1/contracts/create", contract)
        except Refused as refusal:
            if refusal.status != CONFLICT:
                raise
        else:
            created["contracts"] += 1


def _terms(rate: dict[str, Any]) -> dict[str, Any]:
    """Return what makes two rates equal: their type, price and tiers, as exact text."""
    tiers = [[_exact(tier["price"]), _exact(tier.get("size"))] for tier in rate.get("tiers") or []]
    return {"type": rate["rate_type"], "price": _exact(rate.get("price")), "tiers": tiers}


def _exact(value: Any) -> str | None:
    return None if value is None else f"{Decimal(str(value)).normalize():f}"


def _canonical(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def _months_ago(instant: datetime, months: int) -> datetime:
    """Return the first instant of the UTC month `months` before that of `instant`."""
    first = instant.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(months):
        first = (first - timedelta(days=1)).replace(day=1)
    return first


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
