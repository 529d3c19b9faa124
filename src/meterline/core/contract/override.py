"""Overrides: prices a contract has of its own. Which one acts on a line is decided in rating.overriding.

Source: Metronome's rate card overrides. Never more than one price override acts on a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from meterline.core.catalogue import RateTerms
from meterline.core.money import CreditType


class OverrideType(StrEnum):
    """What an override does to the list price."""

    OVERWRITE = "OVERWRITE"
    MULTIPLIER = "MULTIPLIER"
    TIERED = "TIERED"


class OverrideTarget(StrEnum):
    """Which of a rate's prices an override changes: the list rate, or the commit rate beside it."""

    LIST_RATE = "LIST_RATE"
    COMMIT_RATE = "COMMIT_RATE"


class Prioritization(StrEnum):
    """Which of several multipliers acts: the lowest, or the one of the lowest priority number."""

    LOWEST_MULTIPLIER = "LOWEST_MULTIPLIER"
    EXPLICIT = "EXPLICIT"


@dataclass(frozen=True, slots=True)
class OverrideSpecifier:
    """What an override applies to. Fields are ANDed, an empty one does not restrict.

    `product_tags`: the product has all of them. Group values: a subset of the line's. `grant_ids` are commits and
    credits, `recurring_grant_ids` those that make them: the override is about what they pay for.
    """

    product_id: UUID | None = None
    product_tags: tuple[str, ...] = ()
    pricing_group_values: Mapping[str, str] = field(default_factory=dict)
    presentation_group_values: Mapping[str, str | None] = field(default_factory=dict)
    billing_frequency: str | None = None
    grant_ids: tuple[UUID, ...] = ()
    recurring_grant_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class OverrideTier:
    """A tier of a TIERED override: `size` units (None, the last: all further ones) at `multiplier` x list price."""

    multiplier: Decimal
    size: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """An override, in force in starting_at <= t < ending_before (None: open).

    `specifiers` are ORed; none at all: the whole card. `product_id` and `applicable_product_tags` of the wire are
    specifiers too (one with the product; one a tag). OVERWRITE has `overwrite`, or `entitled` alone;
    MULTIPLIER has `multiplier`; TIERED has `tiers`. A contract keeps its overrides in the order they were added.
    """

    id: UUID
    type: OverrideType
    starting_at: datetime
    ending_before: datetime | None = None
    specifiers: tuple[OverrideSpecifier, ...] = ()
    multiplier: Decimal | None = None
    overwrite: RateTerms | None = None
    overwrite_credit_type: CreditType | None = None
    tiers: tuple[OverrideTier, ...] = ()
    entitled: bool | None = None
    priority: Decimal | None = None
    is_commit_specific: bool = False
    target: OverrideTarget = OverrideTarget.LIST_RATE
