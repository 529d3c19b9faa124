"""Cuts a rate plan finer: at the edges of windows, so that charges come a window at a time.

Counters run on across the new cuts, which change neither prices nor what is counted.
# invariant: the charges of a windowed plan add up, by product, group values and rate, to those of
the plan itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from meterline.core.period import Period
from meterline.core.rating.plan import Grouping, MetricPlan, PriceSegment, RatePlan, Stint


def windowed(plan: RatePlan, edges: Iterable[datetime]) -> RatePlan:
    """Return `plan` cut at those `edges` (on the hour) that lie within its period.

    Usage must be read anew, by the `cuts` of the plan returned.
    """
    inner = {edge for edge in edges if plan.period.start < edge < plan.period.end}
    metrics = {metric_id: _cut_metric(metric, inner) for metric_id, metric in plan.metrics.items()}
    products = tuple(
        replace(
            product,
            groupings=tuple(
                _cut_grouping(grouping, metrics, inner) for grouping in product.groupings
            ),
        )
        for product in plan.products
    )
    return replace(plan, products=products, metrics=metrics)


def _cut_metric(metric: MetricPlan, edges: Collection[datetime]) -> MetricPlan:
    """Each new segment keeps the usage filter of the one it is a part of."""
    cuts = tuple(sorted({*metric.cuts, *edges}))
    if not metric.admissions:
        return replace(metric, cuts=cuts)
    filters = dict(zip(metric.cuts, metric.admissions, strict=False))
    admissions = []
    current = metric.admissions[0]
    for cut in cuts[:-1]:
        current = filters.get(cut, current)
        admissions.append(current)
    return replace(metric, cuts=cuts, admissions=tuple(admissions))


def _cut_grouping(
    grouping: Grouping, metrics: Mapping[UUID, MetricPlan], edges: Collection[datetime]
) -> Grouping:
    return replace(
        grouping,
        stints=tuple(
            _cut_stint(stint, metrics[stint.metric_id], edges) for stint in grouping.stints
        ),
    )


def _cut_stint(stint: Stint, metric: MetricPlan, edges: Collection[datetime]) -> Stint:
    place = {cut: index for index, cut in enumerate(metric.cuts)}
    prices = {
        values: tuple(
            replace(segment, period=Period(start, end), first=place[start], last=place[end])
            for segment in segments
            for start, end in pairwise(_edges_of(segment, edges))
        )
        for values, segments in stint.prices.items()
    }
    return replace(stint, metric=metric, prices=prices)


def _edges_of(segment: PriceSegment, edges: Collection[datetime]) -> list[datetime]:
    start, end = segment.period.start, segment.period.end
    return sorted({start, end, *(edge for edge in edges if start < edge < end)})
