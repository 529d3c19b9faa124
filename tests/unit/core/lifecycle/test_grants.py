"""Grants from their beginning to their end, in cents."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tests.unit.core.builders import flat, product, rate, uid, utc
from tests.unit.core.lifecycle.world import (
    APRIL,
    CONTRACT,
    FEBRUARY,
    FIXED,
    JANUARY,
    MARCH,
    YEAR_END,
    Books,
    agreed,
    entry_sum,
    granted,
    lines,
    payable,
    price_list,
)

from meterline.core.contract import Transition
from meterline.core.contract.recurring import RecurringAmount, RecurringGrant
from meterline.core.contract.schedule import ScheduledCharge
from meterline.core.ledger.grant import GrantKind, GrantSpecifier
from meterline.core.money import USD_CENTS
from meterline.core.period import WEEKLY, StatementSchedule


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


def test_a_segment_that_begins_in_mid_month_pays_from_then_on_and_splits_no_other_line() -> None:
    calls = product(11, "Calls")
    prices = price_list(rate(flat("1")), rate(flat("2"), product_id=uid(11)), products=[calls])
    tokens_only = granted(
        1,
        1_000,
        utc(2027, 1, 10),
        APRIL,
        specifiers=(GrantSpecifier(product_id=uid(10)),),
    )
    books = Books.of([agreed()], [tokens_only], prices)
    books.use(utc(2027, 1, 5), 30)
    books.use(utc(2027, 1, 20), 50)
    books.move(FEBRUARY)
    invoice = books.drafts().invoices[0]
    assert [
        (
            line.name,
            line.type.value,
            line.total,
            f"{line.starting_at:%d}",
            f"{line.ending_before:%d}",
        )
        for line in invoice.line_items
    ] == [
        ("Calls", "usage", 160, "01", "01"),
        ("Tokens", "usage", 30, "01", "10"),
        ("Tokens", "usage", 50, "10", "01"),
        ("Tokens", "applied_commit_or_credit", -50, "10", "01"),
    ]
    assert invoice.total == 190


def test_a_recurring_credit_makes_a_grant_each_month() -> None:
    monthly = RecurringGrant(
        uid(450),
        GrantKind.CREDIT,
        FIXED,
        Decimal(1),
        RecurringAmount(USD_CENTS, Decimal(100)),
        1,
        JANUARY,
    )
    books = Books.of([agreed(recurring_grants=(monthly,))])
    books.use(utc(2027, 1, 5), 30)
    books.use(utc(2027, 2, 5), 130)
    books.move(utc(2027, 3, 2))
    assert [
        (entry.type.value, entry.amount, f"{entry.timestamp:%m-%d}")
        for entry in books.account.entries
    ] == [
        ("SEGMENT_START", 100, "01-01"),
        ("SEGMENT_START", 100, "02-01"),
        ("AUTOMATED_INVOICE_DEDUCTION", -30, "02-01"),
        ("EXPIRATION", -70, "02-01"),
        ("SEGMENT_START", 100, "03-01"),
        ("AUTOMATED_INVOICE_DEDUCTION", -100, "03-01"),
    ]
    assert {grant.recurring_grant_id for grant in books.account.grants} == {uid(450)}
    assert [row[3] for row in books.totals()] == ["0", "30"]


def test_an_edited_segment_is_corrected_by_the_difference_and_one_taken_away_has_nothing() -> None:
    books = Books.of([agreed()], [granted(1, 100, JANUARY, APRIL)])
    books.move(FEBRUARY)
    books.change(grants=(granted(1, 150, JANUARY, APRIL),))
    books.change(grants=(granted(1, 120, JANUARY, APRIL),))
    assert books.ledger(1) == [
        ("SEGMENT_START", "100", "01-01"),
        ("SEGMENT_START", "50", "01-01"),
        ("SEGMENT_START", "-30", "01-01"),
    ]
    books.change(grants=(replace(granted(1, 120, JANUARY, APRIL), segments=()),))
    assert entry_sum(books, uid(401)) == 0


def test_a_contract_that_ends_early_takes_its_grants_with_it() -> None:
    prepaid = granted(1, 1_000, JANUARY, YEAR_END, GrantKind.PREPAID)
    postpaid = granted(
        2, 500, JANUARY, YEAR_END, GrantKind.POSTPAID, invoice=payable((YEAR_END, 500))
    )
    later = granted(3, 77, APRIL, YEAR_END)
    books = Books.of([agreed(ending_before=YEAR_END)], [prepaid, postpaid, later])
    books.use(utc(2027, 1, 5), 300)
    books.move(utc(2027, 2, 10))
    books.change(contracts=(agreed(ending_before=utc(2027, 2, 20)),))
    books.move(YEAR_END)
    assert books.ledger(1)[-1] == ("EXPIRATION", "-700", "02-20")
    assert books.ledger(2)[-1] == ("TRUEUP", "-500", "01-01")
    assert books.ledger(3) == []
    assert books.totals()[-2:] == [
        ("USAGE", "FINALIZED", "02-01", "0"),
        ("SCHEDULED", "FINALIZED", "01-01", "500"),
    ]


def test_an_archived_grant_expires_at_once_and_pays_no_more() -> None:
    books = Books.of([agreed()], [granted(1, 100, JANUARY, APRIL)])
    books.use(utc(2027, 1, 5), 30)
    books.move(utc(2027, 1, 20))
    gone = granted(1, 100, JANUARY, APRIL, archived_at=utc(2027, 1, 20))
    books.change(grants=(gone,))
    assert books.ledger(1)[1:] == [("EXPIRATION", "-100", "01-20")]
    assert books.drafts().invoices[0].total == 30
    books.move(APRIL)
    assert len(books.ledger(1)) == 2


def test_an_archived_contract_gets_nothing_more_and_closes_its_grants() -> None:
    books = Books.of([agreed()], [granted(1, 100, JANUARY, APRIL)])
    books.move(utc(2027, 1, 20))
    books.change(contracts=(agreed(archived_at=utc(2027, 1, 20)),))
    books.move(APRIL)
    assert books.totals() == []
    assert books.ledger(1)[1:] == [("EXPIRATION", "-100", "01-20")]
    assert books.drafts().invoices == ()


def test_a_renewal_rolls_over_what_is_left_up_to_its_fraction() -> None:
    commit = granted(1, 1_000, JANUARY, MARCH, GrantKind.PREPAID, rollover_fraction=Decimal("0.25"))
    old = agreed(ending_before=MARCH)
    new = agreed(
        id=uid(201),
        starting_at=MARCH,
        ending_before=YEAR_END,
        created_at=FEBRUARY,
        transition=Transition(CONTRACT),
    )
    books = Books.of([old, new], [commit])
    books.use(utc(2027, 1, 5), 300)
    books.move(utc(2027, 3, 2))
    assert books.ledger(1)[-2:] == [
        ("ROLLOVER", "-250", "03-01"),
        ("EXPIRATION", "-450", "03-01"),
    ]
    rolled = books.account.grants[-1]
    assert (rolled.contract_id, rolled.segments[0].amount) == (uid(201), 250)
    books.use(utc(2027, 3, 5), 300)
    books.move(utc(2027, 4, 2))
    assert books.totals()[-1] == ("USAGE", "FINALIZED", "03-01", "50")


def test_a_renewal_that_removes_the_true_up_bills_nothing_and_drops_later_charges() -> None:
    postpaid = granted(1, 500, JANUARY, MARCH, GrantKind.POSTPAID, invoice=payable((MARCH, 500)))
    charge = ScheduledCharge(uid(799), FIXED, payable((FEBRUARY, 10), (APRIL, 10), number=800))
    old = agreed(ending_before=MARCH, scheduled_charges=(charge,))
    new = agreed(
        id=uid(201), starting_at=MARCH, transition=Transition(CONTRACT, removes_trueup=True)
    )
    books = Books.of([old, new], [postpaid])
    books.move(utc(2027, 4, 2))
    assert [row for row in books.totals() if row[0] == "SCHEDULED"] == [
        ("SCHEDULED", "FINALIZED", "02-01", "10")
    ]
    assert books.ledger(1)[-1] == ("EXPIRATION", "-500", "03-01")


def test_contracts_share_a_customers_credit_in_final_order_and_a_final_one_changes_no_draft() -> (
    None
):
    shared = granted(1, 100, JANUARY, APRIL, contract_id=None)
    weekly = agreed(
        id=uid(201),
        schedule=StatementSchedule(WEEKLY, utc(2027, 1, 4)),
        starting_at=utc(2027, 1, 4),
        created_at=JANUARY,
    )
    books = Books.of([agreed(), weekly], [shared])
    books.use(utc(2027, 1, 5), 60)
    books.use(utc(2027, 1, 25), 30)
    books.move(utc(2027, 1, 28))
    by_contract = {
        (one.contract_id, one.start_timestamp): one.total for one in books.drafts().invoices
    }
    # The week of the 4th was final on the 12th and took 60. That of the 25th is final together with January, which
    # began first.
    assert by_contract == {
        (uid(201), utc(2027, 1, 25)): 30,
        (CONTRACT, JANUARY): 50,
    }
    books.move(utc(2027, 2, 2))
    assert books.drafts().entries == ()
    assert {row[3] for row in books.totals()} == {"0", "30", "50"}
    assert sum(one.total for one in books.account.invoices) == 80


def test_a_draft_shows_what_it_would_draw() -> None:
    books = Books.of([agreed()], [granted(1, 100, JANUARY, APRIL)])
    books.use(utc(2027, 1, 5), 60)
    books.move(utc(2027, 1, 6))
    (entry,) = books.drafts().entries
    assert (entry.amount, entry.timestamp) == (-60, FEBRUARY)
    books.move(utc(2027, 2, 2))
    assert books.account.entries[-1] == entry
