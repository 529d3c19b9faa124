"""What a catalogue file may say of units, metrics, products, rate cards and rates.

Names are identities, within the file and on the platform. What is left out is left as it is on the platform; nothing is
ever taken away by not naming it.
"""

# ruff: noqa: RUF012 - msgspec copies the defaults of its structs

from __future__ import annotations

from decimal import Decimal

from meterline.cli.catalogue.prices import Part, Price
from meterline.cli.catalogue.terms import Customer


class Unit(Part):
    """A custom pricing unit, such as compute credits."""

    name: str


class Filter(Part, rename={"in_values": "in", "not_in_values": "not_in"}):
    """A condition on a property of an event."""

    property: str
    exists: bool | None = None
    in_values: list[str] = []
    not_in_values: list[str] = []


class Metric(Part):
    """A billable metric. Exactly one of the aggregations is given.

    Properties that are aggregated or grouped by are required of events without saying so.
    """

    name: str
    count: bool = False
    sum: str | None = None
    max: str | None = None
    latest: str | None = None
    unique: str | None = None
    event_types: list[str] = []
    filters: list[Filter] = []
    group_keys: list[list[str]] = []
    event_minimum: Decimal | None = None
    event_maximum: Decimal | None = None


class Conversion(Part):
    """What turns the metric's unit into the one that is priced: one of the two factors."""

    divide: Decimal | None = None
    multiply: Decimal | None = None
    name: str | None = None


class Rounding(Part):
    """How the converted quantity is rounded: `up`, `down` or `half_up`, to so many decimal places."""

    method: str
    places: int = 0


class Composite(Part):
    """What a composite product takes a percentage of; neither names nor tags: all usage."""

    products: list[str] = []
    tags: list[str] = []
    exclude_free_usage: bool = False
    include_composite_spend: bool = False


class Product(Part):
    """A product. `type` is told by the rest where it is left out: a metric makes a usage product."""

    name: str
    type: str | None = None
    metric: str | None = None
    pricing_group_key: list[str] = []
    presentation_group_key: list[str] = []
    conversion: Conversion | None = None
    rounding: Rounding | None = None
    tags: list[str] = []
    composite: Composite | None = None


class Rate(Price, kw_only=True):
    """The price of a product on a card, for one combination of group values.

    `every`: the billing frequency of a subscription's price. `starting_at`: from when; left out, it holds from the
    card's start, or from now on where the card has prices already. `commit`: the price while a grant pays.
    """

    product: str
    group: dict[str, str] = {}
    every: str | None = None
    starting_at: str | None = None
    ending_before: str | None = None
    entitled: bool = True
    commit: Price | None = None


class Alias(Part):
    """A name by which contracts find a card, for a time."""

    name: str
    starting_at: str | None = None
    ending_before: str | None = None


class RateCard(Part):
    """A price list in one currency. `units`: what one of each custom unit is worth in it, as people write it.

    `starting_at`: from when its first prices hold; left out: the start of the month before last.
    """

    name: str
    rates: list[Rate] = []
    currency: str = "USD"
    description: str | None = None
    aliases: list[Alias] = []
    units: dict[str, Decimal] = {}
    starting_at: str | None = None
    product_order: list[str] = []


class CatalogueFile(Part):
    """Everything of one file."""

    units: list[Unit] = []
    metrics: list[Metric] = []
    products: list[Product] = []
    rate_cards: list[RateCard] = []
    customers: list[Customer] = []
