"""A second, naive rating to hold the real one against.

It shares no code with `meterline.core.rating` and none of its ideas: fractions instead of decimals,
every hour on its own instead of segments, every aggregation computed anew from all events instead
of merged, and tiers as a function of the total.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from tests.property.core.strategies import HOURS, START, UsageEvent

from meterline.core.catalogue import (
    CustomModel,
    Operation,
    ProductVersion,
    Rate,
    RateTerms,
    RoundingMethod,
    Tier,
)
from meterline.core.metric import Aggregation
from meterline.core.period import HOUR
from meterline.core.rating import PriceList
from meterline.core.usage import Latest, Part, SegmentUsage


def aggregate(aggregation: Aggregation, events: Sequence[UsageEvent]) -> Fraction:
    """The quantity of `events`, from first principles."""
    if not events:
        return Fraction(0)
    match aggregation:
        case Aggregation.COUNT:
            return Fraction(len(events))
        case Aggregation.SUM:
            return sum((Fraction(event.amount) for event in events), Fraction(0))
        case Aggregation.MAX:
            return max(Fraction(event.amount) for event in events)
        case Aggregation.LATEST:
            return Fraction(max(events, key=lambda event: (event.at, event.id)).amount)
        case Aggregation.UNIQUE:
            return Fraction(len({str(event.amount) for event in events}))


def priced_quantity(version: ProductVersion, quantity: Fraction) -> Fraction:
    """Conversion, then rounding; a quotient that is not rounded is kept to 36 places, half-even."""
    conversion, rounding = version.quantity_conversion, version.quantity_rounding
    if conversion is not None:
        factor = Fraction(conversion.conversion_factor)
        divide = conversion.operation is Operation.DIVIDE
        quantity = quantity / factor if divide else quantity * factor
        if rounding is None:
            return Fraction(round(quantity * 10**36), 10**36)
    if rounding is None:
        return quantity
    scaled = abs(quantity) * 10**rounding.decimal_places
    match rounding.rounding_method:
        case RoundingMethod.ROUND_UP:
            whole = ceil(scaled)
        case RoundingMethod.ROUND_DOWN:
            whole = floor(scaled)
        case RoundingMethod.ROUND_HALF_UP:
            whole = floor(scaled + Fraction(1, 2))
    rounded = Fraction(whole, 10**rounding.decimal_places)
    return rounded if quantity >= 0 else -rounded


def price_of_total(terms: RateTerms, total: Fraction) -> Fraction:
    """What a period's total costs when these terms held all along, without limits of spend."""
    given = terms if terms.custom is None else terms.custom
    tiers = given.tiers or (Tier(given.price or Decimal(0)),)
    if terms.custom is not None and terms.custom.model is CustomModel.VOLUME:
        bounds = [sum(Fraction(one.size or 0) for one in tiers[: i + 1]) for i in range(len(tiers))]
        reached = next(
            tier
            for tier, bound in zip(tiers, bounds, strict=True)
            if tier.size is None or total <= bound
        )
        return total * Fraction(reached.price) + (Fraction(reached.flat_fee) if total > 0 else 0)
    if terms.custom is not None and terms.custom.model is CustomModel.PACKAGE:
        packages = ceil(abs(total) / Fraction(terms.custom.package_size or 0))
        return (packages if total >= 0 else -packages) * Fraction(terms.custom.price or 0)
    amount, lower = Fraction(0), Fraction(0)
    for level, tier in enumerate(tiers):
        upper = total if tier.size is None else min(total, lower + Fraction(tier.size))
        if level == 0 or upper > lower:
            amount += (upper - lower) * Fraction(tier.price)
        if total > lower:
            amount += Fraction(tier.flat_fee)
        if tier.size is not None:
            lower += Fraction(tier.size)
    return amount


def limit(terms: RateTerms, name: str) -> Fraction | None:
    """The minimum_spend or maximum_spend of `terms`."""
    found = None if terms.custom is None else getattr(terms.custom, name)
    return None if found is None else Fraction(found)


def group_amount(quantities: Sequence[Fraction], rates: Sequence[Rate | None]) -> Fraction:
    """What a counter costs in the period: its quantity until each hour (one more than hours), and the rate of each
    hour (None: not sold).
    """
    counter = unlimited = charged = Fraction(0)
    for until, after, rate in zip(quantities, quantities[1:], rates, strict=False):
        if rate is None:
            continue
        moved = counter + after - until
        here = price_of_total(rate.terms, moved) - price_of_total(rate.terms, counter)
        most = limit(rate.terms, "maximum_spend")
        if most is None:
            charged += here
        else:
            charged += min(unlimited + here, most) - min(unlimited, most)
        counter, unlimited = moved, unlimited + here
    sold = [rate for rate in rates if rate is not None]
    least = limit(sold[-1].terms, "minimum_spend") if sold else None
    return charged if least is None else max(charged, least)


def rate_in_force(rates: Iterable[Rate], instant: datetime) -> Rate | None:
    """The latest to start, then the last added, of those that cover `instant`."""
    covering = [
        (rate.starting_at, position, rate)
        for position, rate in enumerate(rates)
        if rate.starting_at <= instant
        and (rate.ending_before is None or rate.ending_before > instant)
    ]
    return max(covering, key=lambda entry: entry[:2])[2] if covering else None


def period_amount(price_list: PriceList, events: Sequence[UsageEvent]) -> Fraction:
    """The amount of the whole period, hour by hour and group by group."""
    version = price_list.products[0].versions[0]
    aggregation = price_list.metrics[0].aggregation
    keys = (*version.pricing_group_key, *version.presentation_group_key)

    def group_of(event: UsageEvent) -> tuple[str | None, ...]:
        return tuple(getattr(event, key) for key in keys)

    amount = Fraction(0)
    for group in {group_of(event) for event in events} if keys else {()}:
        region = group[0] if version.pricing_group_key else None
        rates = [
            rate
            for rate in price_list.rates
            if not version.pricing_group_key or rate.pricing_group_values["region"] == region
        ]
        mine = [event for event in events if group_of(event) == group]
        sold = [
            rate if rate is not None and rate.entitled else None
            for rate in (rate_in_force(rates, START + hour * HOUR) for hour in range(HOURS))
        ]
        quantities = [
            priced_quantity(
                version, aggregate(aggregation, [event for event in mine if event.hour < end])
            )
            for end in range(HOURS + 1)
        ]
        if not keys or any(sold[event.hour] is not None for event in mine):
            amount += group_amount(quantities, sold)
    return amount


def part_of(aggregation: Aggregation, event: UsageEvent) -> Part:
    """What one event alone leaves behind."""
    match aggregation:
        case Aggregation.COUNT:
            return Decimal(1)
        case Aggregation.SUM | Aggregation.MAX:
            return event.amount
        case Aggregation.LATEST:
            return Latest(event.at, event.id, event.amount)
        case Aggregation.UNIQUE:
            return frozenset({str(event.amount)})


def rows(
    aggregation: Aggregation, cuts: Sequence[datetime], events: Iterable[UsageEvent]
) -> list[SegmentUsage]:
    """One row an event, in the segment its hour lies in."""
    return [
        SegmentUsage(
            (event.region, event.user),
            bisect_right(cuts, START + event.hour * HOUR) - 1,
            part_of(aggregation, event),
        )
        for event in events
    ]
