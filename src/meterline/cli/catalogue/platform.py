"""What a platform has of the things a file names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from meterline.cli.catalogue.amounts import instant
from meterline.cli.catalogue.model import CatalogueFile
from meterline.cli.catalogue.requests import contract_ref, key_text
from meterline.cli.catalogue.terms import Customer
from meterline.cli.client import PlatformClient

Row = dict[str, Any]

# All of a card's prices, from the first instant the API knows.
SINCE_EVER = "1970-01-01T00:00:00Z"


@dataclass(slots=True)
class Found:
    """What exists, by the name the file calls it, at the platform's time `now`.

    `rates`: the stretches of every price of a card. `grants`: a customer's own commits and credits.
    """

    now: datetime
    ids: dict[tuple[str, str], str] = field(default_factory=dict)
    metrics: dict[str, Row] = field(default_factory=dict)
    products: dict[str, Row] = field(default_factory=dict)
    cards: dict[str, Row] = field(default_factory=dict)
    rates: dict[str, list[Row]] = field(default_factory=dict)
    customers: dict[str, Row] = field(default_factory=dict)
    contracts: dict[str, list[Row]] = field(default_factory=dict)
    grants: dict[str, list[Row]] = field(default_factory=dict)


def read(client: PlatformClient, wanted: CatalogueFile) -> Found:
    """Read what the file's names stand for. Nothing is written."""
    found = Found(now=instant(client.get("/v1/sandbox/clock")["now"]))
    for unit in client.pages("GET", "/v1/credit-types/list"):
        found.ids["unit", unit["name"]] = unit["id"]
    for row in client.pages("GET", "/v1/billable-metrics"):
        found.metrics.setdefault(row["name"], row)
    for row in client.pages("POST", "/v1/contract-pricing/products/list", body={}):
        found.products.setdefault(row["current"]["name"], row)
    for row in client.pages("POST", "/v1/contract-pricing/rate-cards/list", body={}):
        found.cards.setdefault(row["name"], row)
    for kind, rows in (
        ("metric", found.metrics),
        ("product", found.products),
        ("rate card", found.cards),
    ):
        found.ids.update({(kind, name): row["id"] for name, row in rows.items()})
    for card in wanted.rate_cards:
        if card.name in found.cards:
            body = {"rate_card_id": found.cards[card.name]["id"], "starting_at": SINCE_EVER}
            path = "/v1/contract-pricing/rate-cards/getRateSchedule"
            found.rates[card.name] = list(client.pages("POST", path, body=body))
    if wanted.customers:
        _read_customers(client, wanted.customers, found)
    return found


def _read_customers(client: PlatformClient, wanted: list[Customer], found: Found) -> None:
    by_name: dict[str, Row] = {}
    by_alias: dict[str, Row] = {}
    for row in client.pages("GET", "/v1/customers"):
        by_name.setdefault(row["name"], row)
        by_alias.update(dict.fromkeys(row["ingest_aliases"], row))
    for customer in wanted:
        aliased = (by_alias[alias] for alias in customer.ingest_aliases if alias in by_alias)
        known = next(aliased, None) or by_name.get(customer.name)
        if known is None:
            continue
        found.customers[customer.name] = known
        found.ids["customer", customer.name] = known["id"]
        if customer.contracts or customer.rate_card is not None:
            rows = list(_contracts(client, known["id"]))
            found.contracts[customer.name] = rows
            for row in rows:
                ref = contract_ref(customer.name, row.get("name") or "")
                found.ids[ref.kind, ref.name] = row["id"]
        if customer.commits or customer.credits:
            found.grants[customer.name] = list(_grants(client, known["id"]))


def _contracts(client: PlatformClient, customer_id: str) -> Iterator[Row]:
    body: Row = {"customer_id": customer_id, "limit": 20}
    while True:
        reply = client.post("/v2/contracts/list", body)
        yield from reply["data"]
        if not reply.get("cursor"):
            return
        body["cursor"] = reply["cursor"]


def _grants(client: PlatformClient, customer_id: str) -> Iterator[Row]:
    for path in ("/v1/contracts/customerCommits/list", "/v1/contracts/customerCredits/list"):
        body: Row = {"customer_id": customer_id, "limit": 25}
        while True:
            reply = client.post(path, body)
            yield from reply["data"]
            if not reply.get("next_page"):
                break
            body["next_page"] = reply["next_page"]


def contract_of(found: Found, customer: str, name: str | None, key: str) -> Row | None:
    """Return a customer's contract by its uniqueness key, else by its name (None: by key alone)."""
    rows = found.contracts.get(customer, [])
    by_key = (row for row in rows if row.get("uniqueness_key") == key_text(key))
    by_name = (row for row in rows if name is not None and row.get("name") == name)
    return next(by_key, None) or next(by_name, None)
