"""The rate plan: everything about the prices of one period that does not depend on a customer's
usage.

Compiled by `rate_plan` once for a (rate card, period, usage filters) and kept by the caller for as
long as catalogue and card stay the same; thousands of customers are then rated against it.
Immutable, and free of instants once rating starts: stretches of time are index ranges into a
metric's cuts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from meterline.core.catalogue import Rate
from meterline.core.contract.override import Override
from meterline.core.metric import Aggregation
from meterline.core.money import CreditType
from meterline.core.period import Period
from meterline.core.rating.piece import PriceModel
from meterline.core.rating.quantity import QuantityRule
from meterline.core.usage import GroupValues

if TYPE_CHECKING:
    from meterline.core.ledger.grant import Grant


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
class PriceSegment:
    """A stretch under one entitled rate: `period`, which is the metric's segments first <= i <
    last.

    `rate` is as it acts: the card's (`listed`, None where the card has none), or what `override` made of it.
    """

    period: Period
    first: int
    last: int
    rate: Rate
    model: PriceModel
    listed: Rate | None = None
    override: Override | None = None

    def list_model(self, values: GroupValues) -> PriceModel:
        """Return the model that prices usage with these group values (pricing, then presentation)."""
        del values
        return self.model

    def commit_model(self, grant: Grant, values: GroupValues) -> PriceModel:
        """Return the model that prices usage with these group values while `grant` pays for it."""
        del grant, values
        return self.model


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
    """The stints of a product that share group keys, and so tier counters, in order of time."""

    pricing_key: tuple[str, ...]
    presentation_key: tuple[str, ...]
    stints: tuple[Stint, ...]


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
