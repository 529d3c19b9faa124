"""What an edit may not do to what is billed."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.core.builders import uid, utc
from tests.unit.core.lifecycle.world import (
    APRIL,
    FEBRUARY,
    FIXED,
    JANUARY,
    Books,
    agreed,
    granted,
    payable,
)

from meterline.core.contract.schedule import ScheduledCharge
from meterline.core.ledger.grant import GrantKind
from meterline.core.lifecycle import edit_issues

CHARGE = ScheduledCharge(uid(799), FIXED, payable((JANUARY, 10), (APRIL, 20), number=800))
COMMIT = granted(
    1, 100, JANUARY, APRIL, GrantKind.PREPAID, invoice=payable((JANUARY, 90), (APRIL, 10))
)


def billed() -> Books:
    books = Books.of([agreed(scheduled_charges=(CHARGE,))], [COMMIT])
    books.use(utc(2027, 1, 5), 60)
    books.move(utc(2027, 2, 2))
    return books


def issues(books: Books, **terms: object) -> list[str]:
    after = replace(books.account, **terms)  # type: ignore[arg-type]
    return [issue.field for issue in edit_issues(books.account, after)]


def charging(*items: tuple[object, int]) -> tuple[object, ...]:
    schedule = payable(*items, number=800)  # type: ignore[arg-type]
    return (agreed(scheduled_charges=(replace(CHARGE, schedule=schedule),)),)


def test_what_is_not_billed_may_change() -> None:
    books = billed()
    assert issues(books) == []
    assert issues(books, contracts=charging((JANUARY, 10), (APRIL, 25))) == []
    assert issues(books, contracts=charging((JANUARY, 10))) == []


def test_an_item_on_a_final_invoice_stays() -> None:
    books = billed()
    assert issues(books, contracts=charging((JANUARY, 11), (APRIL, 20))) == [
        "update_scheduled_charges.invoice_schedule.update_schedule_items"
    ]
    assert issues(books, contracts=charging((FEBRUARY, 10), (APRIL, 20))) != []
    without = replace(CHARGE, schedule=replace(CHARGE.schedule, items=CHARGE.schedule.items[1:]))
    assert issues(books, contracts=(agreed(scheduled_charges=(without,)),)) == [
        "update_scheduled_charges.invoice_schedule.remove_schedule_items"
    ]
    dearer = replace(COMMIT, invoice=payable((JANUARY, 91), (APRIL, 10)))
    assert issues(books, grants=(dearer,)) == [
        "update_commits.invoice_schedule.update_schedule_items"
    ]


def test_an_item_on_a_void_invoice_may_be_altered_and_not_removed() -> None:
    books = billed()
    for invoice in books.account.invoices:
        if invoice.type == "SCHEDULED":
            books.void(invoice.id)
    assert issues(books, contracts=charging((JANUARY, 11), (APRIL, 20))) == []
    without = replace(CHARGE, schedule=replace(CHARGE.schedule, items=CHARGE.schedule.items[1:]))
    assert issues(books, contracts=(agreed(scheduled_charges=(without,)),)) != []


def test_a_segment_that_was_drawn_on_stays_until_the_invoice_is_void() -> None:
    books = billed()
    emptied = replace(COMMIT, segments=())
    assert issues(books, grants=(emptied,)) == [
        "update_commits.access_schedule.remove_schedule_items"
    ]
    usage = next(one for one in books.account.invoices if one.type == "USAGE")
    books.void(usage.id)
    assert issues(books, grants=(emptied,)) == []


def test_a_commit_is_archived_once_its_purchase_is_void() -> None:
    books = billed()
    archived = replace(COMMIT, archived_at=books.now)
    assert issues(books, grants=(archived,)) == ["archive_commits"]
    for invoice in books.account.invoices:
        if invoice.type == "SCHEDULED":
            books.void(invoice.id)
    assert issues(books, grants=(archived,)) == []


def test_a_contract_ends_after_its_final_invoices_unless_told_otherwise() -> None:
    books = billed()
    ended = agreed(scheduled_charges=(CHARGE,), ending_before=utc(2027, 1, 20))
    assert issues(books, contracts=(ended,)) == ["ending_before"]
    after = replace(books.account, contracts=(ended,))
    assert edit_issues(books.account, after, may_end_before_finalized=True) == []
    on_time = agreed(scheduled_charges=(CHARGE,), ending_before=FEBRUARY)
    assert issues(books, contracts=(on_time,)) == []
