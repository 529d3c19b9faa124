"""The sample catalogue as a catalogue file: list prices of LLM models, a few hundred customers."""

from __future__ import annotations

import json
from decimal import Decimal
from importlib.resources import files
from itertools import product

from meterline.cli.catalogue.model import CatalogueFile, Metric, Product, Rate, RateCard
from meterline.cli.catalogue.prices import Tier
from meterline.cli.catalogue.terms import Customer

EVENT_TYPE = "llm.completion"
GROUP_KEY = ["model", "region"]
RATE_CARD = "List prices"
TOKENS_A_PRICE = Decimal(1_000_000)
REQUESTS_A_PRICE = Decimal(10_000)

# Product name, property of the event, and its price in the list. Property and metric share the
# product's name.
TOKEN_PRODUCTS = (
    ("Input tokens", "input_tokens", "input"),
    ("Output tokens", "output_tokens", "output"),
    ("Cached tokens", "cached_tokens", "cached"),
)
REQUESTS = "Requests"
REQUEST_TIERS = [
    Tier(usd=Decimal(0), size=Decimal(100_000)),
    Tier(usd=Decimal("0.40"), size=Decimal(1_000_000)),
    Tier(usd=Decimal("0.25")),
]

FIRST_WORDS = (
    "Amber Arbor Basalt Beacon Birch Cedar Cobalt Copper Delta Ember Fjord Granite Harbor "
    "Indigo Juniper Kestrel Larch Maple Nimbus Onyx Prairie Quartz Raven Saffron Tundra"
)
SECOND_WORDS = "Analytics Health Labs Legal Logistics Media Mobility Robotics Studio Systems"
TRADES = ("", "Group", "Works")


def models() -> dict[str, dict[str, dict[str, str]]]:
    """Return {model: {region: {"input", "output", "cached": dollars per million tokens}}}."""
    listed = json.loads(files("meterline.demo").joinpath("list_prices.json").read_text())
    return {row["model"]: row["regions"] for row in listed["models"]}


def customer_names(count: int) -> list[str]:
    """Return `count` made-up company names, always the same ones. At most 750."""
    names = [
        " ".join(filter(None, words))
        for words in product(FIRST_WORDS.split(), SECOND_WORDS.split(), TRADES)
    ]
    assert count <= len(names), f"at most {len(names)} customers"
    # A stride prime to the length mixes the words instead of listing twenty-five Ambers first.
    return [names[place * 367 % len(names)] for place in range(count)]


def alias(name: str) -> str:
    """Return the ingest alias of a customer's name."""
    return name.lower().replace(" ", "-")


def pricing(customers: int) -> CatalogueFile:
    """Return the whole sample catalogue with `customers` customers, each on the list prices."""
    metrics = [
        Metric(name=name, sum=key, event_types=[EVENT_TYPE], group_keys=[GROUP_KEY, ["model"]])
        for name, key, _ in TOKEN_PRODUCTS
    ]
    metrics.append(Metric(name=REQUESTS, sum="requests", event_types=[EVENT_TYPE]))
    products = [
        Product(name=name, metric=name, pricing_group_key=GROUP_KEY)
        for name, _, _ in TOKEN_PRODUCTS
    ]
    products.append(Product(name=REQUESTS, metric=REQUESTS))
    rates = [
        Rate(
            product=name,
            usd=Decimal(prices[kind]),
            per=TOKENS_A_PRICE,
            group={"model": model, "region": region},
        )
        for name, _, kind in TOKEN_PRODUCTS
        for model, regions in models().items()
        for region, prices in regions.items()
    ]
    rates.append(Rate(product=REQUESTS, tiers=REQUEST_TIERS, per=REQUESTS_A_PRICE))
    return CatalogueFile(
        metrics=metrics,
        products=products,
        rate_cards=[RateCard(name=RATE_CARD, rates=rates)],
        customers=[
            Customer(name=name, ingest_aliases=[alias(name)], rate_card=RATE_CARD)
            for name in customer_names(customers)
        ],
    )
