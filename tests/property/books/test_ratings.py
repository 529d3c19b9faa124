"""What a period's usage costs before anybody pays, under overrides and price changes: model and platform."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.model import terms as t
from tests.model.calendar import periods
from tests.model.statement import usage_dues
from tests.property.books import choices
from tests.property.books.core_books import CARD, CoreBooks, exact

from meterline.core.period import Period
from meterline.core.rating import rate_plan
from meterline.core.rating.charges import charges
from meterline.core.usage import SegmentUsage


@st.composite
def rated_worlds(draw: st.DrawFn) -> tuple[t.World, t.Contract, tuple[t.Event, ...]]:
    world = draw(choices.worlds())
    changes = [
        draw(choices.rates(draw(st.sampled_from(choices.PRODUCTS)), draw(choices.hours(0, 1500))))
        for _ in range(draw(st.integers(0, 3)))
    ]
    contract = replace(
        draw(choices.contracts("contract", 0, {})).contract,
        overrides=tuple(
            draw(choices.overrides(f"override {n}", 300)) for n in range(draw(st.integers(0, 4)))
        ),
    )
    world = t.World(world.products, (*world.rates, *changes))
    return world, contract, draw(choices.events(1500, 62, 10))


@settings(
    max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(rated_worlds())
def test_every_period_costs_the_same(
    made: tuple[t.World, t.Contract, tuple[t.Event, ...]],
) -> None:
    world, contract, events = made
    core = CoreBooks(world)
    core.do(t.Sign(replace(contract, charges=(), subscriptions=(), recurring=())))
    signed = core.contracts[contract.name]
    for start, end in periods(contract, 1500):
        expected: dict[tuple[str, str | None, str | None], Fraction] = defaultdict(Fraction)
        for due in usage_dues(contract, (start, end), world.products, world.rates, events, []):
            expected[due.name, due.region, due.team] += due.worth
        plan = rate_plan(
            core.account.price_lists[CARD.id],
            Period(t.instant(start), t.instant(end)),
            signed.usage_filters,
            signed.overrides,
            signed.prioritization,
        )
        book = {}
        for name, metric in core.metrics.items():
            if metric.id in plan.metrics:
                cuts = plan.metrics[metric.id].cuts
                book[metric.id] = [
                    SegmentUsage(
                        (event.region, event.team),
                        max(n for n, cut in enumerate(cuts) if cut <= t.instant(event.hour)),
                        exact(event.quantity),
                    )
                    for event in events
                    if event.product == name and start <= event.hour < end
                ]
        found: dict[tuple[str, str | None, str | None], Fraction] = defaultdict(Fraction)
        for charge in charges(plan, book):
            values = dict(
                zip(
                    (*charge.grouping.pricing_key, *charge.grouping.presentation_key),
                    charge.values,
                    strict=True,
                )
            )
            key = (charge.product.name, values.get("region"), values.get("team"))
            found[key] += Fraction(charge.piece.amount)
        assert {k: v for k, v in found.items() if v} == {k: v for k, v in expected.items() if v}
