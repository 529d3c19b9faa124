"""Usage invoices that grants pay for, with real numbers: cents, and credits worth two cents each."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

from tests.unit.core.builders import card, flat, metric, product, rate, tiered, uid, utc
from tests.unit.core.lifecycle.test_dates import SEAT_PRODUCT
from tests.unit.core.lifecycle.world import (
    APRIL,
    FEBRUARY,
    JANUARY,
    SEATS,
    Books,
    agreed,
    granted,
    payable,
    price_list,
)

from meterline.core.breakdown import breakdown
from meterline.core.catalogue import (
    CreditTypeConversion,
    Product,
    ProductType,
    ProductVersion,
    RateTerms,
    RateType,
)
from meterline.core.contract.subscription import (
    CollectionSchedule,
    QuantityChange,
    Subscription,
)
from meterline.core.decimals import EXACT, ZERO
from meterline.core.invoice import Invoice
from meterline.core.ledger.grant import AccessType, GrantKind, GrantSpecifier, RateChoice
from meterline.core.lifecycle import statement_of
from meterline.core.money import CreditType
from meterline.core.period import MONTHLY, Period
from meterline.core.rating import PriceList

CREDITS = CreditType(uid(77), "Credits", False)
SUPPORT = Product(
    uid(30), ProductType.COMPOSITE, (ProductVersion("Support", composite_product_ids=(uid(10),)),)
)


def in_credits(*prices: object, products: tuple[Product, ...] = ()) -> PriceList:
    """Tokens at one credit each; a credit is worth two cents."""
    return PriceList(
        card(credit_type_conversions=(CreditTypeConversion(CREDITS.id, Decimal(2)),)),
        [product(), *products],
        [metric()],
        [rate(flat("1"), credit_type=CREDITS), *prices],  # type: ignore[list-item]
    )


def shown(invoice: Invoice) -> list[tuple[str, str, str, str]]:
    return [
        (line.type.value, line.credit_type.name, str(line.quantity), str(line.total))
        for line in invoice.line_items
    ]


def january(books: Books) -> Invoice:
    return books.drafts().invoices[0]


def test_custom_units_are_paid_in_their_unit_and_the_rest_in_money() -> None:
    """100 credits used: 60 from a credit grant, 40 converted to 80 cents, of which a money grant pays 50."""
    units = granted(1, 60, JANUARY, APRIL, credit_type=CREDITS)
    money = granted(2, 50, JANUARY, APRIL)
    books = Books.of([agreed()], [units, money], in_credits())
    books.use(utc(2027, 1, 5), 100)
    invoice = january(books)
    cents = "USD (cents)"
    assert shown(invoice) == [
        ("usage", "Credits", "60", "60"),
        ("applied_commit_or_credit", "Credits", "60", "-60"),
        ("usage", "Credits", "40", "40"),
        ("cpu_conversion", "Credits", "-40", "-40"),
        ("cpu_conversion", cents, "25", "50"),
        ("applied_commit_or_credit", cents, "25", "-50"),
        ("cpu_conversion", cents, "15", "30"),
    ]
    assert invoice.total == 30
    assert {entry.amount for entry in books.drafts().entries} == {-60, -50}


def test_money_that_holds_from_mid_month_pays_what_is_converted_from_then_on() -> None:
    money = granted(1, 1_000, utc(2027, 1, 16), APRIL)
    books = Books.of([agreed()], [money], in_credits())
    books.use(utc(2027, 1, 5), 30)
    books.use(utc(2027, 1, 20), 10)
    books.move(utc(2027, 1, 21))
    invoice = january(books)
    assert invoice.total == 60
    assert [line.total for line in invoice.line_items if line.applied] == [20, -20]


def test_a_composite_counts_list_prices_and_is_paid_like_the_rest() -> None:
    """A tenth of what tokens cost; the grant pays tokens first."""
    tenth = rate(RateTerms(RateType.PERCENTAGE, Decimal("0.1")), product_id=SUPPORT.id)
    prices = price_list(rate(flat("1")), tenth, products=[SUPPORT])
    books = Books.of([agreed()], [granted(1, 205, JANUARY, APRIL)], prices)
    books.use(utc(2027, 1, 5), 200)
    invoice = january(books)
    assert [(line.name, line.type.value, line.total) for line in invoice.line_items] == [
        ("Tokens", "usage", 200),
        ("Tokens", "applied_commit_or_credit", -200),
        ("Support", "usage", 5),
        ("Support", "applied_commit_or_credit", -5),
        ("Support", "usage", 15),
    ]
    assert invoice.total == 15
    assert invoice.line_items[-1].product_type == "CompositeProductListItem"


def test_a_postpaid_application_is_shown_and_not_taken_off() -> None:
    promised = granted(1, 150, JANUARY, APRIL, GrantKind.POSTPAID, invoice=payable((APRIL, 150)))
    books = Books.of([agreed()], [promised])
    books.use(utc(2027, 1, 5), 200)
    invoice = january(books)
    assert [line.total for line in invoice.line_items] == [150, -150, 50]
    assert invoice.total == 200


def test_units_pay_units_and_say_how_many() -> None:
    units = granted(1, 120, JANUARY, APRIL, access_type=AccessType.QUANTITY)
    books = Books.of([agreed()], [units], price_list(rate(tiered(("3", "100"), ("2", None)))))
    books.use(utc(2027, 1, 5), 200)
    invoice = january(books)
    assert [(line.quantity, line.total, line.quantity_consumed) for line in invoice.line_items] == [
        (100, 300, None),
        (100, -300, 100),
        (20, 40, None),
        (20, -40, 20),
        (80, 160, None),
    ]
    assert invoice.total == 160


def test_a_commit_rate_prices_what_the_commit_pays() -> None:
    commit = granted(1, 100, JANUARY, APRIL, GrantKind.PREPAID, rate_type=RateChoice.COMMIT_RATE)
    prices = price_list(replace(rate(flat("4")), commit_terms=flat("2")))
    books = Books.of([agreed()], [commit], prices)
    books.use(utc(2027, 1, 5), 80)
    invoice = january(books)
    assert [(line.quantity, line.unit_price, line.total) for line in invoice.line_items] == [
        (50, 2, 100),
        (50, -2, -100),
        (30, 4, 120),
    ]
    assert {line.list_price for line in invoice.line_items} == {flat("4")}


def test_what_cannot_be_divided_is_cut_exactly_in_money() -> None:
    """10 cents of usage at 3 cents a unit: the quantity is cut at 18 places, the amounts at none."""
    books = Books.of([agreed()], [granted(1, 10, JANUARY, APRIL)], price_list(rate(flat("3"))))
    books.use(utc(2027, 1, 5), 7)
    covered, applied, over = january(books).line_items
    assert (covered.total, applied.total, over.total) == (10, -10, 11)
    assert str(covered.quantity) == "3.333333333333333333"
    assert EXACT.add(covered.quantity, over.quantity) == 7


def test_a_subscription_in_a_custom_unit_is_invoiced_in_money() -> None:
    seats = Subscription(
        uid(900),
        SEATS,
        MONTHLY,
        CollectionSchedule.ADVANCE,
        JANUARY,
        None,
        (QuantityChange(JANUARY, Decimal(5)),),
    )
    monthly = replace(
        rate(flat("10"), product_id=SEATS, credit_type=CREDITS), billing_frequency="MONTHLY"
    )
    books = Books.of(
        [agreed(subscriptions=(seats,))],
        prices=in_credits(monthly, products=(SEAT_PRODUCT,)),
        products=[SEAT_PRODUCT],
    )
    (first,) = books.account.invoices
    assert shown(first) == [
        ("subscription", "Credits", "5", "50"),
        ("cpu_conversion", "Credits", "-50", "-50"),
        ("cpu_conversion", "USD (cents)", "50", "100"),
    ]
    assert (first.credit_type.name, first.total) == ("USD (cents)", 100)


def test_days_of_everything_add_up_line_by_line_before_and_after_it_is_final() -> None:
    """Credits, money, a composite in credits, seats paid in advance, and a charge that joins."""
    tenth = rate(
        RateTerms(RateType.PERCENTAGE, Decimal("0.1")), product_id=SUPPORT.id, credit_type=CREDITS
    )
    units = granted(
        1,
        45,
        utc(2027, 1, 8, 7),
        APRIL,
        credit_type=CREDITS,
        specifiers=(GrantSpecifier(product_id=uid(10)),),
    )
    money = granted(2, 33, utc(2027, 1, 12), utc(2027, 1, 25))
    books = Books.of([agreed()], [units, money], in_credits(tenth, products=(SUPPORT,)))
    for day in range(1, 32):
        books.use(utc(2027, 1, day, day % 24), day % 5)
    books.move(FEBRUARY)
    check_days(books, january(books))
    books.move(utc(2027, 2, 2))
    check_days(books, books.account.invoices[0])


def check_days(books: Books, invoice: Invoice) -> None:
    statement = statement_of(books.account, invoice.id)
    assert statement is not None
    days = [*(utc(2027, 1, day) for day in range(1, 32)), FEBRUARY]
    windows = [Period(start, end) for start, end in pairwise(days)]
    cut = statement.cut_at(days)
    rows = breakdown(invoice, cut.terms, books.usage(cut), windows)
    assert [row.window for row in rows] == windows
    sums: dict[object, Decimal] = {}
    for line in (line for row in rows for line in row.invoice.line_items):
        sums[line.id] = EXACT.add(sums.get(line.id, ZERO), line.total)
    assert {key: value for key, value in sums.items() if value} == {
        line.id: line.total for line in invoice.line_items if line.total
    }
    assert sum((row.invoice.total for row in rows), ZERO) == invoice.total
    # What the grants hold is spent first: the days before they begin are paid in full.
    assert rows[0].invoice.total == Decimal("2.2")
