"""Spend over time: the draft of a billing period, window by window.

A row is an invoice of one window's charges, with the id of the invoice it is a part of. Prices,
tiers and quantities run on through the period exactly as on the invoice, so a window's spend
depends on what came before it, and: # invariant: the lines of all windows add up, by product, group
values, rate and tier, to the lines of the invoice, and their totals to its total.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from meterline.core.contract import Contract
from meterline.core.invoice import Invoice, invoice_of
from meterline.core.period import Period
from meterline.core.rating.charges import Charge, charges
from meterline.core.rating.plan import RatePlan
from meterline.core.usage import UsageBook


class InvoiceWindow(NamedTuple):
    """What an invoice charges for one window."""

    window: Period
    invoice: Invoice


def draft_breakdown(
    contract: Contract,
    plan: RatePlan,
    usage: UsageBook,
    windows: Sequence[Period],
    *,
    now: datetime,
) -> list[InvoiceWindow]:
    """Return what the draft of `plan`'s period charges in each of `windows`.

    `plan`: cut at every start and end of the windows by `windowed`; `usage`: by that plan's cuts,
    from the start of the period on. `windows` ascend and do not overlap.
    """
    starts = [window.start for window in windows]
    found: list[list[Charge]] = [[] for _ in windows]
    for charge in charges(plan, usage):
        index = bisect_right(starts, charge.segment.period.start) - 1
        if index >= 0 and charge.segment.period.end <= windows[index].end:
            found[index].append(charge)
    return [
        InvoiceWindow(window, invoice_of(contract, plan, charged, now=now))
        for window, charged in zip(windows, found, strict=True)
    ]


def breakdown(
    invoice: Invoice, plan: RatePlan, usage: UsageBook, windows: Sequence[Period]
) -> list[InvoiceWindow]:
    """Return what of each line of a usage invoice, draft or stored, falls in each of `windows`.

    `plan`: its statement's, cut at every start and end of the windows by `windowed`; `usage`: by that plan's cuts. A
    row's lines keep the ids of the invoice's. What a grant covered of a line is handed to the line's earliest windows.
    Over windows that tile the period the rows' lines add up to the invoice's, application lines included. Usage that
    came after a stored invoice shows as well: the lines that then have more than the invoice's are told by their sums.
    """
    raise NotImplementedError
