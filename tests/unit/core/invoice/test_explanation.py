"""A line explains itself: rate, walk, drawdowns and usage, from the same values that made it."""

from __future__ import annotations

from decimal import Decimal

from tests.unit.core.builders import flat, rate, tiered, uid, utc
from tests.unit.core.lifecycle.world import (
    APRIL,
    JANUARY,
    Books,
    agreed,
    granted,
    price_list,
)

from meterline.core.contract.override import Override, OverrideType
from meterline.core.invoice import Invoice, LineItem
from meterline.core.invoice.explanation import CHANGED, Explanation, explain
from meterline.core.invoice.explanation import Books as Beside
from meterline.core.lifecycle import statement_of
from meterline.core.rating import TierPosition

TIERS = (("3", "100"), ("2", None))


def explained(books: Books, invoice: Invoice, line: LineItem) -> Explanation:
    statement = statement_of(books.account, invoice.id)
    assert statement is not None
    entries = (*books.account.entries, *books.drafts().entries)
    found = explain(
        invoice,
        line.id,
        Beside(
            statement.plan,
            books.usage(statement),
            statement.contract.overrides,
            books.account.grants,
            entries,
        ),
    )
    assert found is not None
    return found


def tiered_books() -> Books:
    books = Books.of(
        [agreed()], [granted(1, 240, JANUARY, APRIL)], price_list(rate(tiered(*TIERS)))
    )
    books.use(utc(2027, 1, 10), 70)
    books.use(utc(2027, 1, 20), 80)
    books.move(utc(2027, 1, 25))
    return books


def test_a_covered_line_tells_its_rate_walk_drawdown_and_usage() -> None:
    """70 + 80 units, 100 at 3 and 50 at 2, of which a credit of 240 pays 80 at 3."""
    books = tiered_books()
    invoice = books.drafts().invoices[0]
    covered, applied, over, _ = invoice.line_items
    found = explained(books, invoice, covered)
    assert found.line == covered
    assert found.rate is not None
    assert found.rate.terms == found.rate.list_terms == tiered(*TIERS)
    assert found.override is None
    assert (found.metered_quantity, found.priced_quantity) == (150, 150)
    assert [(step.counter_before, step.counter_after, step.amount) for step in found.walk] == [
        (0, 100, 300),
        (100, 150, 100),
    ]
    assert found.walk[1].tier == TierPosition(2, Decimal(100), None)
    assert [(one.amount, one.balance_before, one.balance_after) for one in found.drawdowns] == [
        (240, 240, 0)
    ]
    assert [source.quantity for source in found.usage] == [150]
    assert found.usage[0].metric_id == uid(1)
    assert explained(books, invoice, applied).drawdowns == found.drawdowns
    assert explained(books, invoice, over).drawdowns == found.drawdowns
    assert found.notes == ()


def test_a_final_invoice_says_when_usage_has_changed_since() -> None:
    books = tiered_books()
    books.move(utc(2027, 2, 3))
    final = books.account.invoices[0]
    before = explained(books, final, final.line_items[0])
    assert CHANGED not in before.notes
    assert [one.balance_before for one in before.drawdowns] == [240]
    books.use(utc(2027, 1, 30), 5)
    after = explained(books, final, final.line_items[0])
    assert CHANGED in after.notes
    assert after.priced_quantity == 155


def test_the_override_that_acted_is_named() -> None:
    override = Override(
        uid(700), OverrideType.MULTIPLIER, utc(2027, 1, 15), multiplier=Decimal("0.5")
    )
    books = Books.of([agreed(overrides=(override,))])
    books.use(utc(2027, 1, 10), 70)
    books.use(utc(2027, 1, 20), 80)
    books.move(utc(2027, 1, 25))
    invoice = books.drafts().invoices[0]
    first, second = (explained(books, invoice, line) for line in invoice.line_items)
    assert (first.override, second.override) == (None, override)
    assert second.rate is not None
    assert second.rate.terms == flat("0.5")
    assert second.rate.list_terms == flat("1")
    assert [source.quantity for source in second.usage] == [80]
    assert invoice.total == 70 + 40


def test_no_line_no_explanation() -> None:
    books = tiered_books()
    nothing = Beside(None, None, (), (), ())
    assert explain(books.drafts().invoices[0], uid(1), nothing) is None


def test_a_grant_that_begins_in_mid_month_is_no_change() -> None:
    books = Books.of([agreed()], [granted(1, 40, utc(2027, 1, 15), APRIL)])
    books.use(utc(2027, 1, 10), 70)
    books.use(utc(2027, 1, 20), 80)
    books.move(utc(2027, 2, 2))
    final = books.account.invoices[0]
    found = [explained(books, final, line) for line in final.line_items]
    assert [one.notes for one in found] == [()] * 3
    over, covered, _ = found
    assert (over.line.quantity, over.metered_quantity) == (110, 150)
    assert (covered.line.quantity, covered.metered_quantity) == (40, 80)
    assert over.drawdowns == covered.drawdowns
