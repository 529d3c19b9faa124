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
    Operation,
    ProductVersion,
    Rate,
    RateTerms,
    RateType,
    RoundingMethod,
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
    """What a period's total costs when these terms held all along."""
    if terms.rate_type is RateType.FLAT:
        assert terms.price is not None
        return total * Fraction(terms.price)
    amount, lower = Fraction(0), Fraction(0)
    for level, tier in enumerate(terms.tiers):
        upper = total if tier.size is None else min(total, lower + Fraction(tier.size))
        if level == 0 or upper > lower:
            amount += (upper - lower) * Fraction(tier.price)
        if tier.size is not None:
            lower += Fraction(tier.size)
    return amount


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
    for group in {group_of(event) for event in events}:
        region = group[0] if version.pricing_group_key else None
        rates = [
            rate
            for rate in price_list.rates
            if not version.pricing_group_key or rate.pricing_group_values["region"] == region
        ]
        mine = [event for event in events if group_of(event) == group]
        counter = Fraction(0)
        for hour in range(HOURS):
            until, after = (
                priced_quantity(
                    version, aggregate(aggregation, [event for event in mine if event.hour < end])
                )
                for end in (hour, hour + 1)
            )
            rate = rate_in_force(rates, START + hour * HOUR)
            if rate is not None and rate.entitled:
                moved = counter + after - until
                amount += price_of_total(rate.terms, moved) - price_of_total(rate.terms, counter)
                counter = moved
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
