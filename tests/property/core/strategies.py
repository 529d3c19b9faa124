"""Generated periods, usage and prices. Small enough that a model can look at every hour."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import strategies as st
from tests.unit.core.builders import uid, utc

from meterline.core.catalogue import (
    CustomModel,
    CustomRate,
    Operation,
    Product,
    ProductType,
    ProductVersion,
    QuantityConversion,
    QuantityRounding,
    Rate,
    RateCard,
    RateTerms,
    RateType,
    RoundingMethod,
    Tier,
)
from meterline.core.metric import Aggregation, BillableMetric
from meterline.core.money import USD_CENTS
from meterline.core.period import HOUR, Period
from meterline.core.rating import PriceList

START = utc(2024, 2, 28, 20)
HOURS = 12
PERIOD = Period(START, START + HOURS * HOUR)
REGIONS = ("eu", "us")
USERS = (None, "u1", "u2")


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """An event of the one metric: its hour in the period, its number, and the values of its groups."""

    id: UUID
    hour: int
    minute: int
    amount: Decimal
    region: str | None
    user: str | None

    @property
    def at(self) -> int:
        """Microseconds since the period's start."""
        return (self.hour * 60 + self.minute) * 60_000_000


quantities = st.decimals(-1000, 1000, places=3)
prices = st.decimals(0, 20, places=4)

# Steps that often land on a tier's bound or on each other.
round_quantities = st.sampled_from([Decimal(n) for n in (-7, -1, 0, 1, 2, 5, 10, 15)])


@st.composite
def usage_events(draw: st.DrawFn, max_size: int = 12) -> list[UsageEvent]:
    """Events with distinct ids, in no order."""
    fields = st.tuples(
        st.integers(0, HOURS - 1),
        st.integers(0, 2),
        quantities | round_quantities,
        st.sampled_from((None, *REGIONS)),
        st.sampled_from(USERS),
    )
    found = draw(st.lists(fields, max_size=max_size))
    return [UsageEvent(uid(number), *event) for number, event in enumerate(found)]


fractions = st.decimals(0, 1, places=3)
no_fees = st.just(Decimal(0))
fees = no_fees | st.decimals(0, 30, places=2)


@st.composite
def scales(
    draw: st.DrawFn,
    price: st.SearchStrategy[Decimal] = prices,
    fee: st.SearchStrategy[Decimal] = no_fees,
) -> tuple[Tier, ...]:
    """Tiers, of which the last has no end."""
    sizes = draw(st.lists(st.decimals("0.001", 50, places=3) | st.just(Decimal(5)), max_size=3))
    return tuple(Tier(draw(price), size, draw(fee)) for size in (*sizes, None))


@st.composite
def custom_rates(draw: st.DrawFn) -> CustomRate:
    """Terms of any custom model, without limits of spend."""
    match model := draw(st.sampled_from(CustomModel)):
        case CustomModel.FLAT:
            return CustomRate(model, draw(prices))
        case CustomModel.PERCENTAGE:
            return CustomRate(model, draw(fractions))
        case CustomModel.PACKAGE:
            sizes = st.sampled_from([Decimal(text) for text in ("1", "5", "7.5", "0.001")])
            return CustomRate(model, draw(prices), package_size=draw(sizes))
        case CustomModel.GRADUATED_PERCENTAGE:
            return CustomRate(model, tiers=draw(scales(fractions, fees)))
        case CustomModel.TIERED | CustomModel.VOLUME:
            return CustomRate(model, tiers=draw(scales(prices, fees)))


@st.composite
def terms(draw: st.DrawFn) -> RateTerms:
    """Terms of any price model of usage."""
    kinds = [one for one in RateType if one is not RateType.SUBSCRIPTION]
    match rate_type := draw(st.sampled_from(kinds)):
        case RateType.FLAT:
            return RateTerms(rate_type, draw(prices))
        case RateType.PERCENTAGE:
            return RateTerms(rate_type, draw(fractions))
        case RateType.TIERED_PERCENTAGE:
            return RateTerms(rate_type, tiers=draw(scales(fractions)))
        case RateType.CUSTOM:
            return RateTerms(rate_type, custom=draw(custom_rates()))
        case _:
            return RateTerms(rate_type, tiers=draw(scales()))


@st.composite
def limited_terms(draw: st.DrawFn) -> RateTerms:
    """Terms of a custom model with a minimum or maximum spend, or both."""
    limits = st.sampled_from([None, *(Decimal(text) for text in ("0", "3", "50", "100.5", "2000"))])
    lowest, highest = draw(limits), draw(limits)
    if lowest is not None and highest is not None and lowest > highest:
        lowest, highest = highest, lowest
    custom = replace(draw(custom_rates()), minimum_spend=lowest, maximum_spend=highest)
    return RateTerms(RateType.CUSTOM, custom=custom)


ANY_TERMS = terms() | limited_terms()


def hours_of_period(first: int = -2, last: int = HOURS + 2) -> st.SearchStrategy[datetime]:
    """Hour boundaries in and around the period."""
    return st.integers(first, last).map(lambda hour: START + timedelta(hours=hour))


@st.composite
def price_lists(
    draw: st.DrawFn,
    aggregation: Aggregation | None = None,
    any_terms: st.SearchStrategy[RateTerms] = ANY_TERMS,
) -> PriceList:
    """One product over one metric, with keys or without, and rates that start, end and overlap."""
    metric = BillableMetric(
        uid(1),
        "metric",
        aggregation or draw(st.sampled_from(Aggregation)),
        group_keys=(("region", "user"),),
    )
    pricing, presentation = draw(
        st.sampled_from([((), ()), (("region",), ("user",)), ((), ("user", "region"))])
    )
    conversion = draw(
        st.none()
        | st.builds(
            QuantityConversion,
            st.sampled_from([Decimal(3), Decimal(10), Decimal("0.7")]),
            st.sampled_from(Operation),
        )
    )
    rounding = draw(
        st.none() | st.builds(QuantityRounding, st.sampled_from(RoundingMethod), st.integers(0, 2))
    )
    version = ProductVersion(
        "product", None, metric.id, pricing, presentation, conversion, rounding
    )
    product = Product(uid(10), ProductType.USAGE, (version,))
    rates = []
    for _ in range(draw(st.integers(1, 5))):
        starting_at = draw(st.just(utc(2020, 1, 1)) | hours_of_period())
        length = draw(st.none() | st.integers(1, HOURS))
        rates.append(
            Rate(
                product.id,
                starting_at,
                None if length is None else starting_at + length * HOUR,
                draw(st.sampled_from([True, True, True, False])),
                USD_CENTS,
                draw(any_terms),
                {"region": draw(st.sampled_from(REGIONS))} if pricing else {},
            )
        )
    return PriceList(RateCard(uid(100), "card", USD_CENTS), [product], [metric], rates)
