"""A pricing file: metrics, products, rate cards and customers in one TOML or JSON document.

    [[metrics]]
    name = "Input tokens"
    sum = "input_tokens"                     # or max, latest, unique = "property"; or count = true
    event_types = ["llm.completion"]
    group_keys = [["model", "region"]]

    [[products]]
    name = "Input tokens"
    metric = "Input tokens"                  # by name
    pricing_group_key = ["model", "region"]

    [[rate_cards]]
    name = "List prices"
    starting_at = "2026-01-01T00:00:00Z"     # default: the start of the month before last
    [[rate_cards.rates]]
    product = "Input tokens"
    usd = "2.50"                             # dollars for `per` units, or
                                             # tiers = [{ usd = "3", size = 1000 }, { usd = "2" }]
    per = 1000000
    group = { model = "gpt-5-mini", region = "eu" }

    [[customers]]
    name = "Acme"
    ingest_aliases = ["acme"]
    rate_card = "List prices"                # gives the customer a contract on that card

Prices are decimals in quotes, in dollars, and must come out exact a unit. Names are identities
within the file and on the platform; loading twice is loading once.
"""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal, Inexact, localcontext
from pathlib import Path
from typing import Any

import msgspec

from meterline.cli.client import CommandError

CENTS_A_DOLLAR = 100


class Metric(msgspec.Struct, forbid_unknown_fields=True):
    """A billable metric. Exactly one of the aggregations is given."""

    name: str
    count: bool = False
    sum: str | None = None
    max: str | None = None
    latest: str | None = None
    unique: str | None = None
    event_types: list[str] = []
    group_keys: list[list[str]] = []

    def aggregation(self) -> tuple[str, str | None]:
        """Return the aggregation type and its property, or raise CommandError."""
        given: list[tuple[str, str | None]] = [
            (kind.upper(), value)
            for kind in ("sum", "max", "latest", "unique")
            if (value := getattr(self, kind)) is not None
        ]
        if self.count:
            given.append(("COUNT", None))
        if len(given) != 1:
            raise CommandError(
                f"metric {self.name!r}: give exactly one of count, sum, max, latest, unique"
            )
        return given[0]


class Product(msgspec.Struct, forbid_unknown_fields=True):
    """A usage product over a metric of the file or of the platform."""

    name: str
    metric: str
    pricing_group_key: list[str] = []
    presentation_group_key: list[str] = []


class Tier(msgspec.Struct, forbid_unknown_fields=True):
    """A step of a graduated price; the last has no size."""

    usd: str
    size: str | int | None = None


class Rate(msgspec.Struct, forbid_unknown_fields=True):
    """A flat or tiered price of a product, for one combination of group values."""

    product: str
    usd: str | None = None
    tiers: list[Tier] = []
    per: int = 1
    group: dict[str, str] = {}

    def terms(self) -> dict[str, Any]:
        """Return rate_type with price or tiers, in cents a unit."""
        if bool(self.tiers) == (self.usd is not None):
            raise CommandError(f"rate of {self.product!r}: give either usd or tiers")
        if self.usd is not None:
            return {"rate_type": "FLAT", "price": cents_a_unit(self.usd, self.per)}
        return {
            "rate_type": "TIERED",
            "tiers": [
                {"price": cents_a_unit(tier.usd, self.per)}
                | ({} if tier.size is None else {"size": Decimal(tier.size)})
                for tier in self.tiers
            ],
        }


class RateCard(msgspec.Struct, forbid_unknown_fields=True):
    """A price list in dollars."""

    name: str
    rates: list[Rate]
    starting_at: str | None = None


class Customer(msgspec.Struct, forbid_unknown_fields=True):
    """A customer, with a contract when it names a rate card."""

    name: str
    ingest_aliases: list[str] = []
    rate_card: str | None = None
    starting_at: str | None = None


class PricingFile(msgspec.Struct, forbid_unknown_fields=True):
    """Everything of one file."""

    metrics: list[Metric] = []
    products: list[Product] = []
    rate_cards: list[RateCard] = []
    customers: list[Customer] = []


def read(path: Path) -> PricingFile:
    """Return the file's content. Raises CommandError that names the file and the field."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
    try:
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise CommandError(
            f"{path} is not valid {path.suffix[1:].upper() or 'TOML'}: {error}"
        ) from error
    try:
        return msgspec.convert(content, PricingFile)
    except msgspec.ValidationError as error:
        raise CommandError(f"{path}: {error}") from error


def cents_a_unit(usd: str, per: int) -> Decimal:
    """Return the price of one unit in cents, or raise CommandError when it is not exact."""
    with localcontext() as exact:
        exact.prec = 60
        exact.traps[Inexact] = True
        try:
            return (Decimal(usd) * CENTS_A_DOLLAR / per).normalize()
        except Inexact:
            raise CommandError(f"${usd} for {per} units is not an exact price a unit") from None
        except ArithmeticError:
            raise CommandError(f"{usd!r} for {per} units is not a price") from None
