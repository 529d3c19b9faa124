"""Void and regenerate, and what they do to ledgers."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.unit.core.builders import uid, utc
from tests.unit.core.lifecycle.test_dates import with_seats
from tests.unit.core.lifecycle.world import (
    APRIL,
    FEBRUARY,
    JANUARY,
    MARCH,
    Books,
    agreed,
    entry_sum,
    granted,
    payable,
)

from meterline.core.errors import Invalid
from meterline.core.ids import usage_invoice_id
from meterline.core.invoice import InvoiceStatus
from meterline.core.ledger.grant import GrantKind
from meterline.core.lifecycle import regenerate, void

FIRST = usage_invoice_id(uid(200), JANUARY)


def settled() -> Books:
    """A credit of 100 for January, of which 60 were used; all of it final and the rest expired."""
    books = Books.of([agreed()], [granted(1, 100, JANUARY, FEBRUARY)])
    books.use(utc(2027, 1, 5), 60)
    books.move(utc(2027, 2, 10))
    assert books.ledger(1) == [
        ("SEGMENT_START", "100", "01-01"),
        ("AUTOMATED_INVOICE_DEDUCTION", "-60", "02-01"),
        ("EXPIRATION", "-40", "02-01"),
    ]
    return books


def test_void_gives_back_and_holds_what_would_expire() -> None:
    books = settled()
    books.void(FIRST)
    books.move(APRIL)
    assert books.ledger(1)[3:] == [("CREDITED", "60", "02-01")]
    first = next(one for one in books.account.invoices if one.id == FIRST)
    assert (first.status, first.voided_at) == (InvoiceStatus.VOID, utc(2027, 2, 10))
    assert [row[2] for row in books.totals() if row[1] == "FINALIZED"] == ["02-01"]


def test_regenerate_draws_on_what_had_expired_and_lets_the_rest_expire_again() -> None:
    books = settled()
    books.use(utc(2027, 1, 30), 25)
    books.void(FIRST)
    anew = books.regenerate(FIRST)
    assert books.ledger(1)[4:] == [
        ("EXPIRATION", "40", "02-01"),
        ("AUTOMATED_INVOICE_DEDUCTION", "-85", "02-01"),
        ("EXPIRATION", "-15", "02-01"),
    ]
    assert entry_sum(books, uid(401)) == 0
    made = next(one for one in books.account.invoices if one.id == anew)
    assert (made.status, made.regenerated_from, made.issued_at) == (
        InvoiceStatus.FINALIZED,
        FIRST,
        utc(2027, 2, 10),
    )
    assert {line.id for line in made.line_items}.isdisjoint(
        line.id for one in books.account.invoices if one.id == FIRST for line in one.line_items
    )
    books.void(anew)
    again = books.regenerate(anew)
    assert again not in (FIRST, anew)
    assert entry_sum(books, uid(401)) == 0


def test_a_past_balance_is_what_it_would_have_been() -> None:
    books = settled()
    books.use(utc(2027, 1, 30), 25)
    books.void(FIRST)
    books.regenerate(FIRST)
    for at, expected in ((utc(2027, 1, 31), 100), (FEBRUARY, 0), (MARCH, 0)):
        entries = books.account.entries
        assert sum((one.amount for one in entries if one.timestamp <= at), Decimal(0)) == expected


def test_what_cannot_be_corrected_says_so() -> None:
    books = settled()
    for wrong in (uid(1), usage_invoice_id(uid(200), FEBRUARY)):
        with pytest.raises(Invalid, match="id: must be"):
            void(books.account, wrong, books.now)
    with pytest.raises(Invalid, match="VOID"):
        regenerate(books.account, FIRST, {}, books.now)
    books.void(FIRST)
    with pytest.raises(Invalid, match="FINALIZED"):
        void(books.account, FIRST, books.now)
    books.regenerate(FIRST)
    with pytest.raises(Invalid, match="not regenerated yet"):
        regenerate(books.account, FIRST, {}, books.now)


def test_an_invoice_of_a_date_is_not_billed_twice_and_made_anew_from_present_terms() -> None:
    commit = granted(1, 100, JANUARY, APRIL, GrantKind.PREPAID, invoice=payable((JANUARY, 90)))
    books = Books.of([agreed()], [commit])
    (bought,) = books.account.invoices
    books.void(bought.id)
    assert books.totals() == [("SCHEDULED", "VOID", "01-01", "90")]
    books.change(grants=(replace(commit, invoice=payable((JANUARY, 80))),))
    assert len(books.totals()) == 1
    books.regenerate(bought.id)
    assert books.totals()[1:] == [("SCHEDULED", "FINALIZED", "01-01", "80")]


def test_a_void_true_up_waits_to_be_made_anew() -> None:
    commit = granted(
        1, 100, JANUARY, FEBRUARY, GrantKind.POSTPAID, invoice=payable((FEBRUARY, 100))
    )
    books = Books.of([agreed()], [commit])
    books.use(utc(2027, 1, 5), 60)
    books.move(utc(2027, 2, 2))
    true_up = books.account.invoices[-1]
    assert true_up.total == 40
    books.void(true_up.id)
    books.move(utc(2027, 2, 5))
    assert entry_sum(books, uid(401)) == 40
    books.regenerate(true_up.id)
    assert entry_sum(books, uid(401)) == 0
    assert books.totals()[-1] == ("SCHEDULED", "FINALIZED", "02-05", "40")


def test_a_correction_that_leaves_a_further_shortfall_is_trued_up_further() -> None:
    commit = granted(
        1, 100, JANUARY, FEBRUARY, GrantKind.POSTPAID, invoice=payable((FEBRUARY, 100))
    )
    books = Books.of([agreed()], [commit])
    books.use(utc(2027, 1, 5), 60)
    books.move(utc(2027, 2, 2))
    books.events.clear()
    books.use(utc(2027, 1, 5), 50)
    books.void(FIRST)
    books.regenerate(FIRST)
    assert [row[3] for row in books.totals() if row[0] == "SCHEDULED"] == ["40", "10"]
    assert entry_sum(books, uid(401)) == 0


def test_a_grant_spent_in_advance_is_held_and_given_back_too() -> None:
    """January's invoice charges February's seats, which February's credit pays."""
    books = with_seats()
    books.change(grants=(granted(1, 700, FEBRUARY, MARCH),))
    books.move(utc(2027, 3, 2))
    drawn = [
        ("SEGMENT_START", "700", "02-01"),
        ("AUTOMATED_INVOICE_DEDUCTION", "-500", "02-01"),
    ]
    assert books.ledger(1) == [*drawn, ("EXPIRATION", "-200", "03-01")]
    books.void(FIRST)
    assert entry_sum(books, uid(401)) == 500
    books.regenerate(FIRST)
    assert books.ledger(1)[3:] == [
        ("CREDITED", "500", "02-01"),
        ("EXPIRATION", "200", "03-01"),
        ("AUTOMATED_INVOICE_DEDUCTION", "-500", "02-01"),
        ("EXPIRATION", "-200", "03-01"),
    ]
