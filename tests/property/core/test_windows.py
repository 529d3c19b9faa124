"""A period rated window by window costs what it costs rated whole."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tests.property.core.model import rows
from tests.property.core.strategies import HOURS, PERIOD, UsageEvent, price_lists, usage_events
from tests.unit.core.builders import contract, uid

from meterline.core.breakdown import breakdown
from meterline.core.decimals import EXACT, total
from meterline.core.invoice import Invoice, UsageTerms, draft_invoice
from meterline.core.period import HOUR, Period
from meterline.core.rating import PriceList, rate_plan
from meterline.core.rating.windows import windowed


def by_place(*invoices: Invoice) -> dict[str, tuple[Decimal, Decimal]]:
    """(quantity, amount) of each combination of group values, price and tier that has any."""
    sums: dict[str, tuple[Decimal, Decimal]] = {}
    for line in (line for invoice in invoices for line in invoice.line_items):
        place = repr(
            (
                line.product_id,
                line.pricing_group_values,
                line.presentation_group_values,
                line.unit_price,
                line.tier,
            )
        )
        quantity, amount = sums.get(place, (Decimal(0), Decimal(0)))
        sums[place] = EXACT.add(quantity, line.quantity), EXACT.add(amount, line.total)
    return {place: found for place, found in sums.items() if any(found)}


@given(price_lists(), usage_events(), st.sets(st.integers(1, HOURS - 1)))
def test_windows_add_up_to_the_invoice(
    price_list: PriceList, events: list[UsageEvent], edges: set[int]
) -> None:
    aggregation = price_list.metrics[0].aggregation
    plan = rate_plan(price_list, PERIOD)
    whole = draft_invoice(
        contract(), plan, {uid(1): rows(aggregation, plan.cuts[uid(1)], events)}, now=PERIOD.end
    )
    cuts = [PERIOD.start, *(PERIOD.start + edge * HOUR for edge in sorted(edges)), PERIOD.end]
    finer = windowed(plan, cuts)
    windows = breakdown(
        whole,
        UsageTerms(contract(), finer),
        {uid(1): rows(aggregation, finer.cuts[uid(1)], events)},
        [Period(start, end) for start, end in pairwise(cuts)],
    )
    parts = [window.invoice for window in windows]
    assert total(part.total for part in parts) == whole.total
    assert by_place(*parts) == by_place(whole)
