"""Short ways to build the core's values in tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from meterline.core.catalogue import (
    Operation,
    Product,
    ProductType,
    ProductVersion,
    QuantityConversion,
    Rate,
    RateCard,
    RateTerms,
    RateType,
    Tier,
)
from meterline.core.contract import Contract, UsageFilter
from meterline.core.metric import Aggregation, BillableMetric
from meterline.core.money import USD_CENTS, CreditType
from meterline.core.period import MONTHLY, Period, StatementSchedule

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def utc(year: int, month: int, day: int, hour: int = 0) -> datetime:
    """An hour of a day, UTC."""
    return datetime(year, month, day, hour, tzinfo=UTC)


NOVEMBER = Period(utc(2026, 11, 1), utc(2026, 12, 1))
MILLION = QuantityConversion(Decimal(1_000_000), Operation.DIVIDE)


def uid(number: int) -> UUID:
    """The id with this number."""
    return UUID(int=number)


def metric(
    number: int = 1,
    aggregation: Aggregation = Aggregation.SUM,
    group_keys: Sequence[Sequence[str]] = (),
) -> BillableMetric:
    """A metric over the property `amount`."""
    return BillableMetric(
        uid(number),
        f"metric {number}",
        aggregation,
        None if aggregation is Aggregation.COUNT else "amount",
        group_keys=tuple(tuple(key) for key in group_keys),
    )


def product(
    number: int = 10, name: str = "Tokens", metric_id: UUID | None = None, **fields: object
) -> Product:
    """A usage product of one version."""
    version = ProductVersion(name, billable_metric_id=metric_id or uid(1), **fields)  # type: ignore[arg-type]
    return Product(uid(number), ProductType.USAGE, (version,))


def flat(price: str) -> RateTerms:
    """Flat terms."""
    return RateTerms(RateType.FLAT, Decimal(price))


def tiered(*tiers: tuple[str, str | None]) -> RateTerms:
    """Tiered terms from (price, size) pairs."""
    return RateTerms(
        RateType.TIERED,
        tiers=tuple(Tier(Decimal(price), size and Decimal(size)) for price, size in tiers),  # type: ignore[arg-type]
    )


def rate(
    terms: RateTerms,
    *,
    product_id: UUID | None = None,
    starting_at: datetime = LONG_AGO,
    ending_before: datetime | None = None,
    entitled: bool = True,
    credit_type: CreditType = USD_CENTS,
    values: Mapping[str, str] | None = None,
) -> Rate:
    """A rate of product 10 since long ago."""
    return Rate(
        product_id or uid(10),
        starting_at,
        ending_before,
        entitled,
        credit_type,
        terms,
        values or {},
    )


def card(**fields: object) -> RateCard:
    """A card in US dollars."""
    return RateCard(uid(100), "List prices", USD_CENTS, **fields)  # type: ignore[arg-type]


def contract(*filters: UsageFilter, starting_at: datetime = LONG_AGO) -> Contract:
    """An open contract billed by the calendar month."""
    return Contract(
        uid(200),
        uid(300),
        uid(100),
        starting_at,
        None,
        StatementSchedule(MONTHLY, utc(2020, 1, 1)),
        filters,
    )
