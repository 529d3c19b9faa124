"""The rate plan: everything about the prices of one period that does not depend on a customer's
usage.

Compiled by `rate_plan` once for a (rate card, period, usage filters) and kept by the caller for as
long as catalogue and card stay the same; thousands of customers are then rated against it.
Immutable, and free of instants once rating starts: stretches of time are index ranges into a
metric's cuts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from meterline.core.catalogue import Rate
from meterline.core.contract.override import Override, OverrideSpecifier, OverrideTarget
from meterline.core.ledger.grant import Grant, RateChoice
from meterline.core.metric import Aggregation
from meterline.core.money import CreditType
from meterline.core.period import Period
from meterline.core.rating.piece import PriceModel
from meterline.core.rating.quantity import QuantityRule
from meterline.core.rating.spend_limits import Capped, Spent, maximum_spend
from meterline.core.usage import GroupValues


@dataclass(frozen=True, slots=True)
class Admission:
    """A usage filter on a metric: usage counts if the group value at `position` is one of `values`.

    `position` None: the metric has no such group property, so none of its usage can be the
    contract's.
    """

    position: int | None
    values: frozenset[str]

    def admits(self, group_values: GroupValues) -> bool:
        """Whether usage with these group values counts."""
        return self.position is not None and group_values[self.position] in self.values


@dataclass(frozen=True, slots=True)
class MetricPlan:
    """How a metric's usage is to be cut: segment i is cuts[i] <= t < cuts[i + 1].

    The first cut is the period's start and the last its end. `admissions`: the filter of each
    segment, empty for none at all.
    """

    aggregation: Aggregation
    cuts: tuple[datetime, ...]
    admissions: tuple[Admission | None, ...]


@dataclass(frozen=True, slots=True)
class ActingPrice:
    """A price that acts: the rate, with the terms and the unit that `override` gave it (None: the card's own)."""

    rate: Rate
    model: PriceModel
    override: Override | None = None


@dataclass(frozen=True, slots=True)
class ConditionalPrice:
    """A price that an override sets for a part of a segment's usage only.

    `presentation`: the usage has these values, each at its place in the values of a line. `specifier`: for
    commit-specific overrides, which grants it is about (None: any).
    """

    price: ActingPrice
    presentation: tuple[tuple[int, str | None], ...] = ()
    specifier: OverrideSpecifier | None = None

    def covers(self, values: GroupValues) -> bool:
        """Whether usage with these group values is meant."""
        return all(values[place] == value for place, value in self.presentation)

    def is_about(self, grant: Grant) -> bool:
        """Whether `grant` is meant. A price of the commit rate is only about grants that pay at it."""
        override, specifier = self.price.override, self.specifier
        assert override is not None, "a price on conditions is an override's"
        if override.target is OverrideTarget.COMMIT_RATE and not _pays_commit_rate(grant):
            return False
        if specifier is None or not (specifier.grant_ids or specifier.recurring_grant_ids):
            return True
        made_by = grant.recurring_grant_id
        return (
            grant.id in specifier.grant_ids
            or made_by in specifier.grant_ids
            or made_by in specifier.recurring_grant_ids
        )


@dataclass(frozen=True, slots=True)
class PriceSegment:
    """A stretch under one entitled rate: `period`, which is the metric's segments first <= i <
    last.

    `rate` and `model`: the list price as it acts, which `override` made of the card's rate `listed` (None: the card
    has none). `by_presentation` and `by_grant`: overrides that act instead on some of the usage, by rank. `commit`:
    the model of the commit rate. `spent`: set in moves of a rate that limits spend. `is_plain`: `model` prices all
    usage, as no override asks for more and nothing limits spend.
    """

    period: Period
    first: int
    last: int
    rate: Rate
    model: PriceModel
    listed: Rate | None = None
    override: Override | None = None
    by_presentation: tuple[ConditionalPrice, ...] = ()
    by_grant: tuple[ConditionalPrice, ...] = ()
    commit: PriceModel | None = None
    spent: Spent | None = None
    is_plain: bool = True

    def acting(self, values: GroupValues, grant: Grant | None = None) -> ActingPrice:
        """Return the price of usage with these group values (pricing, then presentation), before limits of spend.

        `grant`: the one that pays for it; None: none does.
        """
        if grant is not None:
            for conditional in self.by_grant:
                if conditional.covers(values) and conditional.is_about(grant):
                    return conditional.price
            if self.commit is not None and _pays_commit_rate(grant):
                assert self.rate.commit_terms is not None
                return ActingPrice(replace(self.rate, terms=self.rate.commit_terms), self.commit)
        for conditional in self.by_presentation:
            if conditional.covers(values):
                return conditional.price
        return ActingPrice(self.rate, self.model, self.override)

    def list_model(self, values: GroupValues) -> PriceModel:
        """Return the model that prices usage with these group values (pricing, then presentation)."""
        return self.model if self.is_plain else self._limited(self.acting(values))

    def commit_model(self, grant: Grant, values: GroupValues) -> PriceModel:
        """Return the model that prices usage with these group values while `grant` pays for it."""
        return self._limited(self.acting(values, grant))

    def _limited(self, price: ActingPrice) -> PriceModel:
        maximum = maximum_spend(price.rate.terms)
        if maximum is None:
            return price.model
        return Capped(price.model, maximum, self.spent or Spent())


def _pays_commit_rate(grant: Grant) -> bool:
    return grant.rate_type is RateChoice.COMMIT_RATE


@dataclass(frozen=True, slots=True)
class Stint:
    """A stretch of the period in which a product measures and prices alike: one metric, one
    quantity rule.

    `positions`: where in GroupValues the pricing keys' and then the presentation keys' values are.
    `prices`: the segments, in order, of each combination of pricing group values, in the order of
    the pricing key.
    """

    metric_id: UUID
    metric: MetricPlan
    positions: tuple[int, ...]
    rule: QuantityRule | None
    prices: Mapping[GroupValues, tuple[PriceSegment, ...]]


@dataclass(frozen=True, slots=True)
class Grouping:
    """The stints of a product that share group keys, and so tier counters, in order of time.

    `is_limited`: some rate has a minimum or maximum spend.
    """

    pricing_key: tuple[str, ...]
    presentation_key: tuple[str, ...]
    stints: tuple[Stint, ...]
    is_limited: bool = False


@dataclass(frozen=True, slots=True)
class ProductPlan:
    """A product as it appears on this period's invoice: under its last name."""

    id: UUID
    name: str
    tags: tuple[str, ...]
    groupings: tuple[Grouping, ...]


@dataclass(frozen=True, slots=True)
class RatePlan:
    """The compiled prices of a period. `products` in the order of invoice lines.

    `metrics` tells the reader of usage which metrics to read and where to cut them. `conversions`:
    units of `fiat_credit_type` for one unit of a custom credit type.
    """

    period: Period
    fiat_credit_type: CreditType
    conversions: Mapping[UUID, Decimal]
    products: tuple[ProductPlan, ...]
    metrics: Mapping[UUID, MetricPlan]

    @property
    def cuts(self) -> dict[UUID, tuple[datetime, ...]]:
        """The instants between which each metric's usage must be read: see `MetricPlan`."""
        return {metric_id: metric.cuts for metric_id, metric in self.metrics.items()}
