"""Rating alone, as a pure function: lines a second by price model, on one core.

    python -m bench rating [--customers 200] [--groups 20] [--seconds 2]

Each customer has usage in `groups` combinations of group values of one product, through three tiers where there are
tiers; a line is a charge of an invoice. Nothing is read or written. `cut` is FLAT with two price changes within the
month, `multiplier` FLAT under a contract's override. `seats` are subscriptions with three increases a month each, the
charges of a quarter; `composite` takes a percentage of the lines of FLAT. The plan is compiled once, before the clock.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from meterline.core.catalogue import (
    CustomModel,
    CustomRate,
    Product,
    ProductType,
    ProductVersion,
    Rate,
    RateCard,
    RateTerms,
    RateType,
    Tier,
)
from meterline.core.charges import (
    Spend,
    composite_charges,
    composite_plan,
    subscription_charges,
)
from meterline.core.contract import Contract
from meterline.core.contract.override import Override, OverrideType
from meterline.core.contract.subscription import (
    CollectionSchedule,
    QuantityChange,
    Subscription,
)
from meterline.core.metric import Aggregation, BillableMetric
from meterline.core.money import USD_CENTS
from meterline.core.period import MONTHLY, Period, StatementSchedule
from meterline.core.rating import PriceList, charges, rate_plan
from meterline.core.usage import SegmentUsage, UsageBook
from meterline.wiring import ALLOCATIONS_A_COLLECTION

METRIC, USAGE, SEAT, SUPPORT = (UUID(int=number) for number in range(1, 5))
CARD = RateCard(UUID(int=5), "bench", USD_CENTS)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
MONTH = Period(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
QUARTER_END = datetime(2027, 2, 1, tzinfo=UTC)
TIERS = (
    Tier(Decimal("0.30"), Decimal(1_000)),
    Tier(Decimal("0.20"), Decimal(10_000)),
    Tier(Decimal("0.10")),
)
FLAT = RateTerms(RateType.FLAT, Decimal("0.30"))

TERMS: Mapping[str, RateTerms] = {
    "FLAT": FLAT,
    "TIERED": RateTerms(RateType.TIERED, tiers=TIERS),
    "VOLUME": RateTerms(RateType.CUSTOM, custom=CustomRate(CustomModel.VOLUME, tiers=TIERS)),
    "PACKAGE": RateTerms(
        RateType.CUSTOM,
        custom=CustomRate(CustomModel.PACKAGE, price=Decimal(5), package_size=Decimal(1_000)),
    ),
    "GRADUATED_PERCENTAGE": RateTerms(
        RateType.CUSTOM, custom=CustomRate(CustomModel.GRADUATED_PERCENTAGE, tiers=TIERS)
    ),
}

Run = Callable[[], int]
"""Rates every customer once; returns how many lines that made."""


def main(arguments: Sequence[str]) -> None:
    """Rate by each price model in turn, and print what it took."""
    parser = argparse.ArgumentParser(prog="bench rating")
    parser.add_argument("--customers", type=int, default=200)
    parser.add_argument("--groups", type=int, default=20, help="combinations of group values")
    parser.add_argument("--seconds", type=float, default=2.0, help="at least, by price model")
    chosen = parser.parse_args(arguments)
    gc.set_threshold(ALLOCATIONS_A_COLLECTION)
    runs = {name: _usage_run(terms, chosen) for name, terms in TERMS.items()}
    runs["cut"] = _usage_run(FLAT, chosen, changes=2)
    half = Override(UUID(int=6), OverrideType.MULTIPLIER, SINCE, multiplier=Decimal("0.5"))
    runs["multiplier"] = _usage_run(FLAT, chosen, overrides=(half,))
    runs["seats"] = _seats_run(chosen)
    runs["composite"] = _composite_run(chosen)
    for name, run in runs.items():
        found = _measured(run, chosen.seconds)
        print(json.dumps({"benchmark": "rating", "model": name, **found}), flush=True)


def _measured(run: Run, seconds: float) -> dict[str, float]:
    """CPU time, as the machine is shared."""
    run()
    lines, started = 0, time.process_time()
    while (took := time.process_time() - started) < seconds:
        lines += run()
    return {"lines": lines, "lines_per_second": round(lines / took), "us": _us(took, lines)}


def _us(seconds: float, lines: int) -> float:
    return round(seconds * 1e6 / lines, 2)


def _price_list(*rates: Rate, composite: bool = False) -> PriceList:
    metric = BillableMetric(METRIC, "tokens", Aggregation.SUM, "amount", group_keys=(("model",),))
    version = ProductVersion("Tokens", billable_metric_id=METRIC, presentation_group_key=("model",))
    products = [Product(USAGE, ProductType.USAGE, (version,))]
    if composite:
        support = ProductVersion("Support", composite_product_ids=(USAGE,))
        products.append(Product(SUPPORT, ProductType.COMPOSITE, (support,)))
    return PriceList(CARD, products, (metric,), rates)


def _rate(product_id: UUID, terms: RateTerms, since: datetime = SINCE) -> Rate:
    return Rate(product_id, since, None, True, USD_CENTS, terms, {})


def _usage(customers: int, groups: int, segments: int) -> list[UsageBook]:
    return [
        {
            METRIC: [
                SegmentUsage((f"model-{group}",), segment, Decimal(11_500 + customer + group))
                for group in range(groups)
                for segment in range(segments)
            ]
        }
        for customer in range(customers)
    ]


def _usage_run(
    terms: RateTerms,
    chosen: argparse.Namespace,
    *,
    changes: int = 0,
    overrides: Sequence[Override] = (),
) -> Run:
    rates = [_rate(USAGE, terms)]
    for change in range(changes):
        dearer = replace(terms, price=Decimal(change + 1))
        rates.append(_rate(USAGE, dearer, MONTH.start + timedelta(days=10 * (change + 1))))
    plan = rate_plan(_price_list(*rates), MONTH, overrides=overrides)
    books = _usage(chosen.customers, chosen.groups, changes + 1)
    return lambda: sum(len(charges(plan, book)) for book in books)


def _seats_run(chosen: argparse.Namespace) -> Run:
    rate = _rate(SEAT, FLAT)
    changes = tuple(
        QuantityChange(MONTH.start + timedelta(days=10 * number), Decimal(10 + number))
        for number in range(10)
    )
    subscriptions = tuple(
        Subscription(
            UUID(int=100 + number),
            SEAT,
            MONTHLY,
            CollectionSchedule.ADVANCE,
            MONTH.start,
            None,
            changes,
        )
        for number in range(chosen.groups)
    )
    schedule = StatementSchedule(MONTHLY, MONTH.start)
    contract = Contract(
        UUID(int=7), UUID(int=8), CARD.id, MONTH.start, None, schedule, subscriptions=subscriptions
    )

    def run() -> int:
        due = subscription_charges(contract, lambda *_: rate, MONTH.start, QUARTER_END)
        return sum(len(charge.pieces) for charge in due)

    return run


def _composite_run(chosen: argparse.Namespace) -> Run:
    tenth = _rate(SUPPORT, RateTerms(RateType.PERCENTAGE, Decimal("0.1")))
    plan = composite_plan(
        _price_list(_rate(USAGE, FLAT), tenth, composite=True), MONTH, lambda *_: tenth
    )
    spend = [
        Spend(USAGE, (), USD_CENTS, MONTH.start, Decimal(1_000 + group))
        for group in range(chosen.groups)
    ]

    def run() -> int:
        lines = 0
        for _ in range(chosen.customers):
            for charge in composite_charges(plan, spend):
                assert charge.pieces
            lines += len(spend)  # counted, into one
        return lines

    return run
