"""Spend over time: drafts by hour or day. Rows of an invoice add up to it exactly, line by line.

Each page covers a bounded stretch of windows and computes only those, but reads and rates every
invoice from its period's start, because tiers and rounding run on through the period.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from meterline.core.breakdown import InvoiceWindow, draft_breakdown
from meterline.core.errors import Invalid
from meterline.core.invoice import InvoiceStatus
from meterline.core.period import Period
from meterline.core.rating import PriceList
from meterline.core.rating.windows import windowed
from meterline.core.usage import UsageBook
from meterline.services import bills, customers
from meterline.services.bills import Bill, Priced
from meterline.services.paging import Key, Page, PageRequest
from meterline.services.windows import Windows, WindowSize
from meterline.services.workspace import Workspace

WINDOWS_MAX = {WindowSize.HOUR: 24, WindowSize.DAY: 35}
"""Windows a page covers. Source: API page of the invoice breakdowns."""


@dataclass(frozen=True, slots=True)
class BreakdownQuery:
    """Windows of `size` (HOUR or DAY) that lie in starting_on <= t < ending_before as a whole."""

    starting_on: datetime
    ending_before: datetime
    size: WindowSize = WindowSize.DAY
    status: InvoiceStatus | None = None
    credit_type_id: UUID | None = None
    newest_first: bool = False

    def __post_init__(self) -> None:
        if self.starting_on >= self.ending_before:
            raise Invalid("ending_before", "must be after starting_on")

    def shows(self, bill: Bill, price_lists: Mapping[UUID, PriceList]) -> bool:
        """Whether a bill's draft passes the filters."""
        card = bills.price_list_of(bill, price_lists).card
        return self.status in (None, InvoiceStatus.DRAFT) and self.credit_type_id in (
            None,
            card.fiat_credit_type.id,
        )


class _Row(NamedTuple):
    """A row to be shown: one window of one bill."""

    bill: Bill
    window: Period

    @property
    def key(self) -> Key:
        """The place in lists: by window start, then by invoice."""
        return (self.window.start.isoformat(), str(self.bill.invoice_id))


async def page(
    workspace: Workspace, customer_id: UUID, query: BreakdownQuery, request: PageRequest
) -> Page[InvoiceWindow]:
    """A customer's spend by window start, then by invoice. Raises Invalid, NotFound."""
    async with workspace.transaction() as connection:
        await customers.require(connection, customer_id)
        begun = await bills.begun(connection, customer_id, workspace.now)
        price_lists = await bills.load_price_lists(connection, begun)
        billed = [bill for bill in begun if query.shows(bill, price_lists)]
        shown = _page_of_rows(query, billed, request, workspace.now)
        windows = _windows_by_bill(shown.rows)
        priced = [
            Priced(
                bill,
                windowed(
                    bills.plan_of(bill, price_lists),
                    (edge for one in windows[bill] for edge in (one.start, one.end)),
                ),
            )
            for bill in windows
        ]
        usage = await bills.load_usage(connection, workspace.environment_id, priced, price_lists)
    found = await asyncio.to_thread(_breakdowns, priced, usage, windows, workspace.now)
    return Page([found[row.key] for row in shown.rows], shown.next_page)


def _page_of_rows(
    query: BreakdownQuery, billed: Iterable[Bill], request: PageRequest, now: datetime
) -> Page[_Row]:
    """The rows of a page, before anything is rated."""
    after = request.after_row(2)
    since = None if after[0] is None else datetime.fromisoformat(after[0])
    windows_max = WINDOWS_MAX[query.size]
    rows = [
        _Row(bill, window) for bill in billed for window in _windows(bill.period, query, since, now)
    ]
    rows.sort(key=lambda row: row.key, reverse=query.newest_first)
    if after[0] is not None:
        seen = (str(after[0]), str(after[1]))
        rows = [row for row in rows if (row.key < seen) == query.newest_first and row.key != seen]
    starts = list(dict.fromkeys(row.window.start for row in rows))[:windows_max]
    within = sum(1 for row in rows if row.window.start in starts)
    # More windows than a page covers leave a cursor, just as more rows than its limit do.
    return replace(request, limit=max(1, min(request.limit, within))).page_of(
        rows, lambda row: row.key
    )


def _windows(
    period: Period, query: BreakdownQuery, since: datetime | None, now: datetime
) -> Iterator[Period]:
    """The windows of a billing period that the query asks for and that have begun, from `since` on
    in the order asked for: as many as a page can need.
    """
    windows = Windows(period, query.size)
    numbers = range(windows.count)
    first = bisect_left(numbers, query.starting_on, key=windows.start)
    after_last = min(
        bisect_right(numbers, query.ending_before, key=lambda number: windows.start(number + 1)),
        bisect_right(numbers, now, key=windows.start),
    )
    count = WINDOWS_MAX[query.size] + 2  # the one `since`, a page, and one that tells of the next
    if query.newest_first:
        if since is not None:
            after_last = min(after_last, bisect_right(numbers, since, key=windows.start))
        first = max(first, after_last - count)
    else:
        if since is not None:
            first = max(first, bisect_left(numbers, since, key=windows.start))
        after_last = min(after_last, first + count)
    for number in range(first, after_last):
        yield Period(windows.start(number), windows.start(number + 1))


def _windows_by_bill(rows: Iterable[_Row]) -> dict[Bill, list[Period]]:
    windows: dict[Bill, list[Period]] = defaultdict(list)
    for row in rows:
        windows[row.bill].append(row.window)
    return {bill: sorted(found) for bill, found in windows.items()}


def _breakdowns(
    priced: Sequence[Priced],
    usage: Sequence[UsageBook],
    windows: Mapping[Bill, Sequence[Period]],
    now: datetime,
) -> dict[Key, InvoiceWindow]:
    """Rate every bill; by the keys of their rows."""
    return {
        _Row(bill, row.window).key: row
        for (bill, plan), book in zip(priced, usage, strict=True)
        for row in draft_breakdown(bill.contract, plan, book, windows[bill], now=now)
    }
