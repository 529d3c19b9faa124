"""Invoices drawn on grants: what they add up to, whole and by window, whatever prices, usage and grants are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from tests.property.core.model import rows
from tests.property.core.strategies import (
    HOURS,
    PERIOD,
    START,
    UsageEvent,
    price_lists,
    usage_events,
)
from tests.unit.core.builders import contract, uid

from meterline.core.breakdown import breakdown
from meterline.core.decimals import EXACT, ZERO, total
from meterline.core.invoice import Invoice, InvoiceStatus, LineType, UsageTerms, draft_invoice
from meterline.core.invoice.lines import is_counted
from meterline.core.invoice.usage_invoice import Drafted, usage_invoice
from meterline.core.ledger.grant import (
    AccessType,
    Grant,
    GrantKind,
    GrantSegment,
    GrantSpecifier,
    RateChoice,
)
from meterline.core.ledger.pool import EMPTY, Pool
from meterline.core.ledger.posting import segment_start
from meterline.core.money import USD_CENTS
from meterline.core.period import HOUR, Period
from meterline.core.rating import PriceList, RatePlan, rate_plan
from meterline.core.rating.windows import windowed
from meterline.core.usage import UsageBook


@st.composite
def grant_lists(draw: st.DrawFn) -> list[Grant]:
    """Grants that hold for some hours in and around the period."""
    found = []
    for number in range(draw(st.integers(0, 4))):
        start = draw(st.integers(-3, HOURS - 1))
        length = draw(st.integers(1, HOURS + 4))
        amount = draw(st.sampled_from([Decimal(one) for one in ("0.01", "7", "33.3", "500")]))
        segment = GrantSegment(
            uid(500 + number), amount, START + start * HOUR, START + (start + length) * HOUR
        )
        region = draw(st.sampled_from([None, None, "eu"]))
        found.append(
            Grant(
                uid(400 + number),
                contract().customer_id,
                draw(st.sampled_from(GrantKind)),
                uid(90),
                USD_CENTS,
                (segment,),
                START,
                contract().id,
                priority=Decimal(draw(st.integers(0, 2))),
                access_type=draw(st.sampled_from([AccessType.SPEND] * 3 + [AccessType.QUANTITY])),
                rate_type=draw(st.sampled_from(RateChoice)),
                specifiers=()
                if region is None
                else (GrantSpecifier(pricing_group_values={"region": region}),),
            )
        )
    return found


@dataclass(frozen=True)
class World:
    """Prices, usage and grants of one period."""

    price_list: PriceList
    events: list[UsageEvent]
    grants: list[Grant]

    @property
    def pool(self) -> Pool:
        entries = [segment_start(grant, one) for grant in self.grants for one in grant.segments]
        return Pool.of(self.grants, entries, contract())

    @property
    def edges(self) -> list[object]:
        return [
            edge
            for grant in self.grants
            for segment in grant.segments
            for edge in (segment.starting_at, segment.ending_before)
        ]

    def plan(self, edges: object = ()) -> RatePlan:
        plan = rate_plan(self.price_list, PERIOD)
        return windowed(plan, [*self.edges, *edges])  # type: ignore[misc, list-item]

    def usage(self, plan: RatePlan) -> UsageBook:
        return {
            metric_id: rows(metric.aggregation, metric.cuts, self.events)
            for metric_id, metric in plan.metrics.items()
        }

    def drafted(self) -> Drafted:
        plan = self.plan()
        return usage_invoice(
            UsageTerms(contract(), plan), self.usage(plan), self.pool, now=PERIOD.end
        )


worlds = st.builds(World, price_lists(), usage_events(), grant_lists())


@given(worlds)
def test_the_total_is_the_sum_of_the_lines_and_what_is_applied_is_what_is_drawn(
    world: World,
) -> None:
    invoice, entries, pool = world.drafted()
    assert invoice.total == total(line.total for line in invoice.line_items if is_counted(line))
    assert len({line.id for line in invoice.line_items}) == len(invoice.line_items)
    drawn = {entry.segment_id: entry.amount.copy_negate() for entry in entries}
    applied: dict[UUID | None, Decimal] = defaultdict(lambda: ZERO)
    for line in invoice.line_items:
        if line.type is LineType.APPLIED and line.applied is not None:
            in_units = line.applied.access_type is AccessType.QUANTITY
            amount = line.quantity if in_units else line.total.copy_negate()
            applied[line.segment_id] = EXACT.add(applied[line.segment_id], amount)
    assert {key: value for key, value in applied.items() if value} == drawn
    for purse in world.pool.purses:
        left = pool.left[purse.segment.id]
        assert left == EXACT.subtract(purse.segment.amount, drawn.get(purse.segment.id, ZERO))
        assert left >= 0


@given(worlds)
def test_grants_that_are_used_up_leave_the_lines_of_the_plan(world: World) -> None:
    plan, cut = rate_plan(world.price_list, PERIOD), world.plan()
    whole = draft_invoice(contract(), plan, world.usage(plan), now=PERIOD.end)
    found = usage_invoice(UsageTerms(contract(), cut), world.usage(cut), EMPTY, now=PERIOD.end)
    assert found.invoice.total == whole.total
    assert sums(found.invoice) == sums(whole)


@given(worlds, st.sets(st.integers(1, HOURS - 1)))
def test_windows_add_up_to_the_invoice_line_by_line(world: World, edges: set[int]) -> None:
    invoice = world.drafted().invoice
    cuts = [PERIOD.start, *(START + edge * HOUR for edge in sorted(edges)), PERIOD.end]
    plan = world.plan(cuts)
    windows = [Period(start, end) for start, end in pairwise(cuts)]
    found = breakdown(invoice, UsageTerms(contract(), plan), world.usage(plan), windows)
    assert [window for window, _ in found] == windows
    assert total(row.total for _, row in found) == invoice.total
    assert by_line(*(row for _, row in found)) == by_line(invoice)


def by_line(*invoices: Invoice) -> dict[UUID, tuple[Decimal, Decimal]]:
    """(quantity, total) of each line that has any."""
    found: dict[UUID, tuple[Decimal, Decimal]] = {}
    for line in (line for invoice in invoices for line in invoice.line_items):
        quantity, amount = found.get(line.id, (ZERO, ZERO))
        found[line.id] = EXACT.add(quantity, line.quantity), EXACT.add(amount, line.total)
    return {line_id: row for line_id, row in found.items() if any(row)}


def sums(invoice: Invoice) -> dict[str, tuple[Decimal, Decimal]]:
    """(quantity, total) by group values, price and tier, of lines that have any."""
    assert invoice.status is InvoiceStatus.DRAFT
    found: dict[str, tuple[Decimal, Decimal]] = {}
    for line in invoice.line_items:
        place = repr(
            (
                line.pricing_group_values,
                line.presentation_group_values,
                line.unit_price,
                line.tier,
            )
        )
        quantity, amount = found.get(place, (ZERO, ZERO))
        found[place] = EXACT.add(quantity, line.quantity), EXACT.add(amount, line.total)
    return {place: row for place, row in found.items() if any(row)}
