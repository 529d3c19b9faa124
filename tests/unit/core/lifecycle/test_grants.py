"""Grants from their beginning to their end, in cents."""

from __future__ import annotations

from tests.unit.core.builders import uid, utc
from tests.unit.core.lifecycle.world import (
    APRIL,
    FEBRUARY,
    JANUARY,
    MARCH,
    Books,
    agreed,
    granted,
    lines,
    payable,
)

from meterline.core.ledger.grant import GrantKind


def test_a_credit_pays_and_the_rest_expires_once_its_last_month_is_final() -> None:
    books = Books.of([agreed()], [granted(1, 1_000, JANUARY, MARCH)])
    books.use(utc(2027, 1, 15), 300)
    books.use(utc(2027, 2, 15), 500)
    books.move(MARCH)
    assert books.ledger(1) == [
        ("SEGMENT_START", "1000", "01-01"),
        ("AUTOMATED_INVOICE_DEDUCTION", "-300", "02-01"),
    ]
    books.move(utc(2027, 3, 2))
    assert books.ledger(1)[2:] == [
        ("AUTOMATED_INVOICE_DEDUCTION", "-500", "03-01"),
        ("EXPIRATION", "-200", "03-01"),
    ]
    assert books.totals() == [
        ("USAGE", "FINALIZED", "01-01", "0"),
        ("USAGE", "FINALIZED", "02-01", "0"),
    ]


def test_a_line_paid_in_part_is_three() -> None:
    books = Books.of([agreed()], [granted(1, 100, JANUARY, APRIL)])
    books.use(utc(2027, 1, 15), 130)
    books.move(FEBRUARY)
    (invoice, _) = books.drafts().invoices
    assert lines(invoice) == [
        ("usage", "100", "100"),
        ("applied_commit_or_credit", "100", "-100"),
        ("usage", "30", "30"),
    ]
    assert invoice.total == 30


def test_a_postpaid_commit_is_billed_for_what_it_is_short_of() -> None:
    commit = granted(1, 1_000, JANUARY, MARCH, GrantKind.POSTPAID, invoice=payable((MARCH, 1_000)))
    books = Books.of([agreed(ending_before=MARCH)], [commit])
    books.use(utc(2027, 1, 15), 300)
    books.use(utc(2027, 2, 15), 500)
    books.move(APRIL)
    assert books.totals() == [
        ("USAGE", "FINALIZED", "01-01", "300"),
        ("USAGE", "FINALIZED", "02-01", "500"),
        ("SCHEDULED", "FINALIZED", "03-02", "200"),
    ]
    assert books.ledger(1) == [
        ("INITIAL_BALANCE", "1000", "01-01"),
        ("AUTOMATED_INVOICE_DEDUCTION", "-300", "02-01"),
        ("AUTOMATED_INVOICE_DEDUCTION", "-500", "03-01"),
        ("TRUEUP", "-200", "03-02"),
    ]
    assert books.account.invoices[-1].line_items[0].grant_id == uid(401)
