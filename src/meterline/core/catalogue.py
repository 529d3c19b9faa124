"""What is sold and at which price: products, rate cards and rates. The rules they obey are in
`catalogue_rules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from meterline.core.money import CreditType


class ProductType(StrEnum):
    """What a product charges for."""

    USAGE = "USAGE"
    SUBSCRIPTION = "SUBSCRIPTION"
    COMPOSITE = "COMPOSITE"
    FIXED = "FIXED"
    PRO_SERVICE = "PRO_SERVICE"


class Operation(StrEnum):
    """What a quantity conversion does with its factor."""

    MULTIPLY = "MULTIPLY"
    DIVIDE = "DIVIDE"


class RoundingMethod(StrEnum):
    """How a quantity is rounded: UP is away from zero, DOWN towards it, and a tie of HALF_UP goes
    away from it.
    """

    ROUND_UP = "ROUND_UP"
    ROUND_DOWN = "ROUND_DOWN"
    ROUND_HALF_UP = "ROUND_HALF_UP"


@dataclass(frozen=True, slots=True)
class QuantityConversion:
    """From the metric's unit to the unit that is priced: tokens to millions of tokens."""

    conversion_factor: Decimal
    operation: Operation
    name: str | None = None


@dataclass(frozen=True, slots=True)
class QuantityRounding:
    """Rounding of the converted quantity to `decimal_places` >= 0."""

    rounding_method: RoundingMethod
    decimal_places: int


@dataclass(frozen=True, slots=True)
class ProductVersion:
    """A product as it is from `starting_at` on (None: since ever)."""

    name: str
    starting_at: datetime | None = None
    billable_metric_id: UUID | None = None
    pricing_group_key: tuple[str, ...] = ()
    presentation_group_key: tuple[str, ...] = ()
    quantity_conversion: QuantityConversion | None = None
    quantity_rounding: QuantityRounding | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProductUpdate:
    """A change of a product: the `ProductVersion` fields in `changes` take new values from
    `starting_at` on.
    """

    starting_at: datetime
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Product:
    """A product and its history: versions by ascending `starting_at`, the first since ever. Its
    type never changes.
    """

    id: UUID
    type: ProductType
    versions: tuple[ProductVersion, ...]
    archived_at: datetime | None = None

    def at(self, instant: datetime) -> ProductVersion:
        """Return the version in force at `instant`."""
        current = self.versions[0]
        for version in self.versions[1:]:
            if version.starting_at is not None and version.starting_at <= instant:
                current = version
        return current


def product_versions(
    initial: ProductVersion, updates: Iterable[ProductUpdate]
) -> tuple[ProductVersion, ...]:
    """Return the history that `updates`, in order of arrival, make of `initial`.

    Updates apply in order of `starting_at`, whatever the order they came in; of two with the same
    one the later wins.
    """
    versions = [replace(initial, starting_at=None)]
    for update in sorted(updates, key=lambda update: update.starting_at):
        changed = replace(versions[-1], **{**update.changes, "starting_at": update.starting_at})
        if versions[-1].starting_at == update.starting_at:
            versions[-1] = changed
        else:
            versions.append(changed)
    return tuple(versions)


class RateType(StrEnum):
    """The price models. Those that `meterline.core.rating` cannot rate yet are refused by
    `rate_issues`.
    """

    FLAT = "FLAT"
    TIERED = "TIERED"
    PERCENTAGE = "PERCENTAGE"
    TIERED_PERCENTAGE = "TIERED_PERCENTAGE"
    SUBSCRIPTION = "SUBSCRIPTION"
    CUSTOM = "CUSTOM"


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier: `size` units (None, the last: all further ones) at `price` each."""

    price: Decimal
    size: Decimal | None = None


@dataclass(frozen=True, slots=True)
class RateTerms:
    """What a rate charges. FLAT has `price`, TIERED has `tiers`."""

    rate_type: RateType
    price: Decimal | None = None
    tiers: tuple[Tier, ...] = ()


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of a product, for one combination of pricing group values, in starting_at <= t <
    ending_before.

    Prices are in `credit_type`'s own measure (US dollars: cents). `entitled` False: on the card,
    but not sold.
    """

    product_id: UUID
    starting_at: datetime
    ending_before: datetime | None
    entitled: bool
    credit_type: CreditType
    terms: RateTerms
    pricing_group_values: Mapping[str, str]
    commit_terms: RateTerms | None = None
    billing_frequency: str | None = None


@dataclass(frozen=True, slots=True)
class CreditTypeConversion:
    """How much of the card's fiat currency one unit of a custom credit type is worth."""

    custom_credit_type_id: UUID
    fiat_per_custom_credit: Decimal


@dataclass(frozen=True, slots=True)
class RateCard:
    """A price list in one fiat currency. `product_order`: the order of lines on invoices; others
    follow by name.
    """

    id: UUID
    name: str
    fiat_credit_type: CreditType
    credit_type_conversions: tuple[CreditTypeConversion, ...] = ()
    product_order: tuple[UUID, ...] = ()
    archived_at: datetime | None = None
