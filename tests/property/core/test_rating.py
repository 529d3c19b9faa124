"""Rating holds against a naive model, and does not care how usage is ordered, split or cut."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from tests.property.core.model import period_amount, rows
from tests.property.core.strategies import (
    PERIOD,
    UsageEvent,
    limited_terms,
    price_lists,
    quantities,
    terms,
    usage_events,
)
from tests.unit.core.builders import card, metric, product, uid, utc

from meterline.core.catalogue import Rate, RateTerms
from meterline.core.contract import Contract
from meterline.core.decimals import EXACT, total
from meterline.core.invoice import Invoice, draft_invoice
from meterline.core.metric import Aggregation
from meterline.core.money import USD_CENTS
from meterline.core.period import HOUR, MONTHLY, StatementSchedule
from meterline.core.rating import PieceKind, PriceList, RatePlan, charges, product_totals, rate_plan
from meterline.core.usage import SegmentUsage, UsageBook, merge

CONTRACT = Contract(
    uid(200), uid(300), uid(100), PERIOD.start, None, StatementSchedule(MONTHLY, utc(2024, 1, 1))
)


def compiled(
    price_list: PriceList, events: list[UsageEvent]
) -> tuple[RatePlan, list[SegmentUsage]]:
    plan = rate_plan(price_list, PERIOD)
    metric = price_list.metrics[0]
    return plan, rows(metric.aggregation, plan.cuts[metric.id], events)


def invoice(plan: RatePlan, usage: list[SegmentUsage]) -> Invoice:
    return draft_invoice(CONTRACT, plan, {uid(1): usage}, now=PERIOD.end)


@given(price_lists(), usage_events())
def test_the_invoice_is_what_the_model_says(
    price_list: PriceList, events: list[UsageEvent]
) -> None:
    plan, usage = compiled(price_list, events)
    assert Fraction(invoice(plan, usage).total) == period_amount(price_list, events)


@given(st.lists(st.tuples(limited_terms(), quantities), min_size=2, max_size=3))
def test_limits_of_spend_hold_for_the_whole_period(
    stretches: list[tuple[RateTerms, Decimal]],
) -> None:
    """One rate after the other, each with limits of its own and some usage."""
    starts = [PERIOD.start + 4 * index * HOUR for index in range(len(stretches))]
    rates = [
        Rate(uid(10), start, None, True, USD_CENTS, found, {})
        for start, (found, _) in zip(starts, stretches, strict=True)
    ]
    price_list = PriceList(card(), [product()], [metric()], rates)
    events = [
        UsageEvent(uid(index), 4 * index + 1, 0, amount, None, None)
        for index, (_, amount) in enumerate(stretches)
    ]
    plan, usage = compiled(price_list, events)
    amounts = product_totals(plan, {uid(1): usage}).values()
    assert sum(Fraction(amount) for amount, _ in amounts) == period_amount(price_list, events)


@given(price_lists(), usage_events(), st.data())
def test_order_and_merging_of_usage_do_not_matter(
    price_list: PriceList, events: list[UsageEvent], data: st.DataObject
) -> None:
    plan, usage = compiled(price_list, events)
    shuffled = data.draw(st.permutations(usage))
    aggregation = price_list.metrics[0].aggregation
    merged: list[SegmentUsage] = []
    for row in shuffled:
        last = merged[-1] if merged else None
        if last and last[:2] == row[:2] and data.draw(st.booleans()):
            merged[-1] = row._replace(part=merge(aggregation, last.part, row.part))
        else:
            merged.append(row)
    assert repr(invoice(plan, merged)) == repr(invoice(plan, usage))


@given(price_lists(), usage_events())
def test_lines_add_up_to_the_total_and_to_the_products_totals(
    price_list: PriceList, events: list[UsageEvent]
) -> None:
    plan, usage = compiled(price_list, events)
    draft = invoice(plan, usage)
    sums: dict[tuple[UUID, UUID], tuple[Decimal, Decimal]] = defaultdict(
        lambda: (Decimal(0), Decimal(0))
    )
    for line in draft.line_items:
        assert line.total == EXACT.multiply(line.quantity, line.unit_price)
    for of_product, _, segment, _, piece in charges(plan, {uid(1): usage}):
        key = (of_product.id, segment.rate.credit_type.id)
        amount, quantity = sums[key]
        counted = piece.quantity if piece.kind is PieceKind.UNITS else Decimal(0)
        sums[key] = EXACT.add(amount, piece.amount), EXACT.add(quantity, counted)
    assert dict(sums) == product_totals(plan, {uid(1): usage})
    assert draft.total == total(amount for amount, _ in sums.values())
    assert draft.total == draft.subtotal == total(line.total for line in draft.line_items)


@given(price_lists(), usage_events())
def test_lines_are_distinct_ordered_and_inside_the_period(
    price_list: PriceList, events: list[UsageEvent]
) -> None:
    plan, usage = compiled(price_list, events)
    places = [
        (
            [(value is not None, value or "") for value in charge.values],
            charge.segment.period.start,
            charge.piece.tier.level if charge.piece.tier else 0,
            charge.piece.kind,
        )
        for charge in charges(plan, {uid(1): usage})
    ]
    assert [place[:2] for place in places] == sorted(place[:2] for place in places)
    assert len({repr(place) for place in places}) == len(places)
    for line in invoice(plan, usage).line_items:
        assert line.starting_at is not None
        assert line.ending_before is not None
        assert PERIOD.start <= line.starting_at < line.ending_before <= PERIOD.end


@given(price_lists(Aggregation.SUM, terms()), usage_events(), usage_events())
def test_events_that_cancel_out_cost_nothing(
    price_list: PriceList, events: list[UsageEvent], others: list[UsageEvent]
) -> None:
    """A correction in the same hour and group undoes what it corrects, whatever came between."""
    plan, usage = compiled(price_list, events)
    _, noise = compiled(price_list, others)
    undone = [row._replace(part=-row.part) for row in noise if isinstance(row.part, Decimal)]
    book: UsageBook = {uid(1): [*noise, *usage, *undone]}
    assert sum(amount for amount, _ in product_totals(plan, book).values()) == sum(
        amount for amount, _ in product_totals(plan, {uid(1): usage}).values()
    )
