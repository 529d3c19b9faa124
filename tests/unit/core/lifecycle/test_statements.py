"""Which periods get a usage invoice, when they are final, and that time passes alike in any steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.unit.core.builders import uid, utc
from tests.unit.core.lifecycle.world import (
    APRIL,
    CONTRACT,
    FEBRUARY,
    JANUARY,
    MARCH,
    Books,
    agreed,
    granted,
    payable,
)

from meterline.core.ids import usage_invoice_id
from meterline.core.ledger.grant import GrantKind
from meterline.core.lifecycle import (
    StepKind,
    drafts,
    next_due,
    next_step,
    open_statements,
    statement_of,
)


def test_a_period_is_final_a_day_after_it_ends_or_after_its_contract_was_made() -> None:
    books = Books.of([agreed(created_at=utc(2027, 2, 10, 7))])
    books.move(utc(2027, 2, 11, 6))
    assert books.totals() == []
    books.move(utc(2027, 2, 11, 7))
    (first,) = books.account.invoices
    assert (first.id, first.issued_at) == (
        usage_invoice_id(CONTRACT, JANUARY),
        utc(2027, 2, 11, 7),
    )


def test_another_grace_is_kept() -> None:
    books = Books.of([agreed()])
    books.account = replace(books.account, grace=timedelta(hours=1))
    books.move(utc(2027, 2, 1, 1))
    assert len(books.account.invoices) == 1


def test_nothing_is_invoiced_from_before_invoicing_began() -> None:
    books = Books.of([agreed(invoices_from=utc(2027, 2, 15))])
    for day in (utc(2027, 1, 5), utc(2027, 2, 5), utc(2027, 2, 20)):
        books.use(day, 10)
    books.move(utc(2027, 3, 2))
    assert books.totals() == [("USAGE", "FINALIZED", "02-15", "10")]


def test_a_contract_whose_end_is_put_off_goes_on_where_its_last_invoice_ended() -> None:
    books = Books.of([agreed(ending_before=utc(2027, 1, 20))])
    books.use(utc(2027, 1, 5), 10)
    books.use(utc(2027, 1, 25), 7)
    books.move(utc(2027, 1, 22))
    assert books.totals() == [("USAGE", "FINALIZED", "01-01", "10")]
    books.change(contracts=(agreed(),))
    assert [one.period.start for one in open_statements(books.account, books.now)] == [
        utc(2027, 1, 20)
    ]
    books.move(utc(2027, 2, 2))
    assert books.totals()[1:] == [("USAGE", "FINALIZED", "01-20", "7")]


def test_a_statement_is_found_again_by_its_invoice() -> None:
    books = Books.of([agreed()])
    books.move(utc(2027, 2, 2))
    stored, open_one, to_come = (
        usage_invoice_id(CONTRACT, start) for start in (JANUARY, FEBRUARY, APRIL)
    )
    for invoice_id, start in ((stored, JANUARY), (open_one, FEBRUARY), (to_come, APRIL)):
        found = statement_of(books.account, invoice_id)
        assert found is not None
        assert (found.period.start, found.invoice_id) == (start, invoice_id)
    assert statement_of(books.account, uid(1)) is None


def test_plans_are_cut_where_a_grant_begins_or_ends() -> None:
    books = Books.of([agreed()], [granted(1, 5, utc(2027, 1, 10), utc(2027, 2, 7))])
    (statement,) = open_statements(books.account, JANUARY)
    assert statement.plan.cuts[uid(1)] == (JANUARY, utc(2027, 1, 10), FEBRUARY)


def test_what_is_next_is_known_and_what_never_comes_too() -> None:
    books = Books.of([agreed(ending_before=FEBRUARY)], [granted(1, 5, utc(2027, 1, 10), MARCH)])
    dues: list[tuple[str, datetime]] = []
    while (due := next_due(books.account, books.now)) is not None:
        step = next_step(books.account, due)
        assert step is not None
        assert step.at == due
        dues.append((StepKind(step.kind).name, due))
        books.move(due)
    assert dues == [
        ("START_SEGMENT", utc(2027, 1, 10)),
        ("FINALIZE_USAGE", utc(2027, 2, 2)),
    ]
    assert books.ledger(1)[-1][0] == "EXPIRATION"


def busy() -> Books:
    """Two contracts, grants of every kind, and usage through three months."""
    own = granted(1, 120, JANUARY, MARCH, GrantKind.PREPAID, invoice=payable((JANUARY, 100)))
    shared = granted(2, 90, utc(2027, 1, 15), APRIL, contract_id=None)
    promised = granted(
        3, 400, JANUARY, APRIL, GrantKind.POSTPAID, invoice=payable((APRIL, 400), number=650)
    )
    other = agreed(id=uid(201), starting_at=utc(2027, 1, 10), created_at=JANUARY)
    books = Books.of([agreed(ending_before=APRIL), other], [own, shared, promised])
    for day in range(80):
        books.use(JANUARY + timedelta(days=day, hours=day % 7), day % 11)
    return books


@pytest.mark.parametrize("hours", [1, 24, 24 * 9])
def test_one_step_or_many_give_the_same_books(hours: int) -> None:
    """Usage is all there before, as what comes late may come too late."""
    end = utc(2027, 4, 10)
    at_once = busy()
    at_once.move(end)
    slowly = busy()
    step = timedelta(hours=hours)
    due: datetime | None = slowly.now
    while due is not None and due <= end:
        # Between two things that fall due nothing happens; `hours` late is late enough.
        slowly.move(min(end, due + step))
        due = next_due(slowly.account, slowly.now)
    slowly.move(end)
    assert repr(slowly.account) == repr(at_once.account)
    assert slowly.account == at_once.account


def test_finalizing_one_draft_changes_no_other_and_makes_what_it_showed() -> None:
    books = busy()
    books.move(utc(2027, 2, 1, 12))
    before = {one.id: one for one in books.drafts().invoices if one.type == "USAGE"}
    pending = {one.id: one for one in books.drafts().entries}
    assert len(before) == 4
    books.move(utc(2027, 2, 2))
    after = {one.id: one for one in books.drafts().invoices if one.type == "USAGE"}
    assert len(after) == 2
    for invoice in after.values():
        # Its stretches that begin meanwhile show as lines of nothing.
        was = before[invoice.id]
        assert (was.total, was.subtotal) == (invoice.total, invoice.subtotal)
        assert was.line_items == invoice.line_items
    stored = {one.id: one for one in books.account.invoices}
    for invoice_id in before.keys() - after.keys():
        shown = before[invoice_id]
        assert stored[invoice_id] == replace(
            shown, status=stored[invoice_id].status, issued_at=utc(2027, 2, 2)
        )
    kept = {one.id: one for one in (*books.account.entries, *books.drafts().entries)}
    assert {key: kept[key] for key in pending} == pending


def test_drafts_are_the_same_whenever_they_are_asked_for() -> None:
    books = busy()
    books.move(utc(2027, 2, 15))
    usage = {one.invoice_id: books.usage(one) for one in open_statements(books.account, books.now)}
    assert drafts(books.account, usage, books.now) == drafts(books.account, usage, books.now)
