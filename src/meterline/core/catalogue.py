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

from meterline.core.decimals import ZERO
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
    """A product as it is from `starting_at` on (None: since ever).

    A COMPOSITE product charges a fraction of the spend on the products that `composite_product_ids`
    names or that have any of `composite_tags`; neither: on all usage. `exclude_free_usage`: not on
    products that cost nothing. `include_composite_spend`: on other composites too.
    """

    name: str
    starting_at: datetime | None = None
    billable_metric_id: UUID | None = None
    pricing_group_key: tuple[str, ...] = ()
    presentation_group_key: tuple[str, ...] = ()
    quantity_conversion: QuantityConversion | None = None
    quantity_rounding: QuantityRounding | None = None
    tags: tuple[str, ...] = ()
    composite_product_ids: tuple[UUID, ...] = ()
    composite_tags: tuple[str, ...] = ()
    exclude_free_usage: bool = False
    include_composite_spend: bool = False


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
    """The price models of Metronome's API. CUSTOM ones are told apart by `CustomModel`."""

    FLAT = "FLAT"
    TIERED = "TIERED"
    PERCENTAGE = "PERCENTAGE"
    TIERED_PERCENTAGE = "TIERED_PERCENTAGE"
    SUBSCRIPTION = "SUBSCRIPTION"
    CUSTOM = "CUSTOM"


class CustomModel(StrEnum):
    """The price models of CUSTOM rates: docs/decisions/0008-price-models-and-overrides.md."""

    FLAT = "FLAT"
    TIERED = "TIERED"
    VOLUME = "VOLUME"
    PACKAGE = "PACKAGE"
    PERCENTAGE = "PERCENTAGE"
    GRADUATED_PERCENTAGE = "GRADUATED_PERCENTAGE"


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier: `size` units (None, the last: all further ones) at `price` each.

    `flat_fee`: once, when the counter enters the tier; CUSTOM rates only.
    """

    price: Decimal
    size: Decimal | None = None
    flat_fee: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class CustomRate:
    """What a CUSTOM rate charges: the terms of its `model`, and limits of what a period may cost.

    PACKAGE: `price` for each begun package of `package_size` units. `minimum_spend` and `maximum_spend` hold for what
    the units of one line cost in a billing period, in the rate's credit type. `multiplier_tiers`: only by a TIERED
    override; the part of the counter in each tier costs `price` times what it would.
    """

    model: CustomModel
    price: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    package_size: Decimal | None = None
    minimum_spend: Decimal | None = None
    maximum_spend: Decimal | None = None
    multiplier_tiers: tuple[Tier, ...] = ()


@dataclass(frozen=True, slots=True)
class RateTerms:
    """What a rate charges.

    FLAT and PERCENTAGE have `price` (a percentage is a fraction of 1), TIERED and TIERED_PERCENTAGE `tiers`,
    SUBSCRIPTION (the old form) `price`, `quantity` and `is_prorated`, CUSTOM `custom`.
    """

    rate_type: RateType
    price: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    quantity: Decimal | None = None
    is_prorated: bool | None = None
    custom: CustomRate | None = None


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
