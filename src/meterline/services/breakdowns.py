"""Spend over time: usage invoices by hour or day. Rows of an invoice add up to it exactly, line by line.

Each page covers a bounded stretch of windows and computes only those, but reads and rates every invoice from its
period's start, because tiers and rounding run on through the period. Usage that came after an invoice was final shows.
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

from meterline.core.breakdown import InvoiceWindow, breakdown
from meterline.core.errors import Invalid
from meterline.core.invoice import Invoice, InvoiceStatus, InvoiceType
from meterline.core.lifecycle import Account, Statement, open_statements, statement_of
from meterline.core.period import Period
from meterline.core.usage import UsageBook
from meterline.services import books, customers, invoices
from meterline.services.paging import Key, Page, PageRequest
from meterline.services.statement_usage import usage_of
from meterline.services.windows import Windows, WindowSize
from meterline.services.workspace import Workspace
from meterline.store.database import Connection

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

    def shows(self, status: InvoiceStatus, credit_type_id: UUID) -> bool:
        """Whether an invoice passes the filters. A void one has to be asked for: its successor counts."""
        asked = status is not InvoiceStatus.VOID if self.status is None else status is self.status
        return asked and self.credit_type_id in (None, credit_type_id)


class _Billed(NamedTuple):
    """A usage invoice, stored or to come, and what it is for."""

    invoice_id: UUID
    period: Period


class _Row(NamedTuple):
    """A row to be shown: one window of one invoice."""

    billed: _Billed
    window: Period

    @property
    def key(self) -> Key:
        """The place in lists: by window start, then by invoice."""
        return (self.window.start.isoformat(), str(self.billed.invoice_id))


async def page(
    workspace: Workspace, customer_id: UUID, query: BreakdownQuery, request: PageRequest
) -> Page[InvoiceWindow]:
    """A customer's spend by window start, then by invoice. Raises Invalid, NotFound."""
    async with books.reading(workspace, [customer_id]) as (connection, accounts):
        await customers.require(connection, customer_id)
        account = accounts[customer_id]
        open_ones = await asyncio.to_thread(open_statements, account, workspace.now)
        billed = [*_stored(account, query), *_to_come(open_ones, query)]
        shown = _page_of_rows(query, billed, request, workspace.now)
        windows = _windows_by_bill(shown.rows)
        found = await _invoices(connection, workspace, account, list(windows))
        statements = {
            one: _cut(account, open_ones, one.invoice_id, wanted) for one, wanted in windows.items()
        }
        usage = await usage_of(connection, workspace.environment_id, accounts, statements.values())
    rows = await asyncio.to_thread(_breakdowns, found, statements, usage, windows)
    return Page([rows[row.key] for row in shown.rows], shown.next_page)


def _stored(account: Account, query: BreakdownQuery) -> list[_Billed]:
    """The stored usage invoices that pass. Those of archived contracts have no terms to be rated by any more."""
    contracts = {contract.id for contract in account.contracts}
    return [
        _Billed(invoice.id, Period(invoice.start_timestamp, invoice.end_timestamp))
        for invoice in account.invoices
        if invoice.type is InvoiceType.USAGE
        and invoice.contract_id in contracts
        and query.shows(invoice.status, invoice.credit_type.id)
    ]


def _to_come(statements: Iterable[Statement], query: BreakdownQuery) -> list[_Billed]:
    return [
        _Billed(one.invoice_id, one.period)
        for one in statements
        if query.shows(InvoiceStatus.DRAFT, one.plan.fiat_credit_type.id)
    ]


async def _invoices(
    connection: Connection, workspace: Workspace, account: Account, billed: Sequence[_Billed]
) -> dict[UUID, Invoice]:
    """The invoices themselves, by id. Drafts are computed only if one of them is shown."""
    ids = {one.invoice_id for one in billed}
    stored = [invoice for invoice in account.invoices if invoice.id in ids]
    found = {invoice.id: invoice for invoice in await invoices.whole(connection, stored)}
    if ids - found.keys():
        live = await books.live(connection, workspace.environment_id, account, workspace.now)
        found |= {invoice.id: invoice for invoice in live.invoices if invoice.id in ids}
    return found


def _cut(
    account: Account, open_ones: Iterable[Statement], invoice_id: UUID, windows: Iterable[Period]
) -> Statement:
    """The statement of an invoice, cut at the windows."""
    known = [one for one in open_ones if one.invoice_id == invoice_id]
    statement = known[0] if known else statement_of(account, invoice_id)
    assert statement is not None, "a usage invoice of a contract that is there has one"
    return statement.cut_at(edge for one in windows for edge in (one.start, one.end))


def _page_of_rows(
    query: BreakdownQuery, billed: Iterable[_Billed], request: PageRequest, now: datetime
) -> Page[_Row]:
    """The rows of a page, before anything is rated."""
    after = request.after_row(2)
    since = None if after[0] is None else datetime.fromisoformat(after[0])
    windows_max = WINDOWS_MAX[query.size]
    rows = [
        _Row(one, window) for one in billed for window in _windows(one.period, query, since, now)
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


def _windows_by_bill(rows: Iterable[_Row]) -> dict[_Billed, list[Period]]:
    windows: dict[_Billed, list[Period]] = defaultdict(list)
    for row in rows:
        windows[row.billed].append(row.window)
    return {one: sorted(found) for one, found in windows.items()}


def _breakdowns(
    found: Mapping[UUID, Invoice],
    statements: Mapping[_Billed, Statement],
    usage: Mapping[UUID, UsageBook],
    windows: Mapping[_Billed, Sequence[Period]],
) -> dict[Key, InvoiceWindow]:
    """Rate every invoice again, by window; by the keys of their rows."""
    return {
        _Row(billed, row.window).key: row
        for billed, statement in statements.items()
        for row in breakdown(
            found[billed.invoice_id],
            statement.terms,
            usage[billed.invoice_id],
            windows[billed],
        )
    }
