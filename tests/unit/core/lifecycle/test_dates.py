"""Invoices of dates: purchases, charges, discounts, subscriptions, and what joins a usage invoice instead."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tests.unit.core.builders import card, flat, metric, product, rate, uid, utc
from tests.unit.core.lifecycle.world import (
    APRIL,
    CUSTOMER,
    FEBRUARY,
    FIXED,
    JANUARY,
    MARCH,
    SEATS,
    Books,
    agreed,
    granted,
    lines,
    payable,
)

from meterline.core.catalogue import Product, ProductType, ProductVersion
from meterline.core.contract import Contract
from meterline.core.contract.schedule import ScheduledCharge
from meterline.core.contract.subscription import (
    CollectionSchedule,
    QuantityChange,
    Subscription,
)
from meterline.core.ledger.grant import GrantKind
from meterline.core.period import MONTHLY
from meterline.core.rating import PriceList

SEAT_PRODUCT = Product(SEATS, ProductType.SUBSCRIPTION, (ProductVersion("Seats"),))


def charged(*items: tuple[object, int], number: int = 800, **terms: object) -> ScheduledCharge:
    """A scheduled charge."""
    schedule = payable(*items, number=number)  # type: ignore[arg-type]
    return ScheduledCharge(uid(number - 1), FIXED, schedule, **terms)  # type: ignore[arg-type]


def with_seats(price: str = "100", **terms: object) -> Books:
    """Five seats a month from January on, beside usage."""
    seats = Subscription(
        **{  # type: ignore[arg-type]
            "id": uid(900),
            "product_id": SEATS,
            "billing_frequency": MONTHLY,
            "collection_schedule": CollectionSchedule.ADVANCE,
            "starting_at": JANUARY,
            "ending_before": None,
            "quantity_changes": (QuantityChange(JANUARY, Decimal(5)),),
            **terms,
        }
    )
    monthly = replace(rate(flat(price), product_id=SEATS), billing_frequency="MONTHLY")
    prices = PriceList(card(), [product(), SEAT_PRODUCT], [metric()], [rate(flat("1")), monthly])
    return Books.of([agreed(subscriptions=(seats,))], prices=prices, products=[SEAT_PRODUCT])


def test_a_purchase_and_a_discount_of_one_date_share_an_invoice() -> None:
    commit = granted(1, 1_000, JANUARY, APRIL, GrantKind.PREPAID, invoice=payable((FEBRUARY, 900)))
    discount = charged((FEBRUARY, 50), is_discount=True, name="Welcome")
    books = Books.of([agreed(scheduled_charges=(discount,))], [commit])
    draft = books.drafts().invoices[-1]
    assert (draft.type, draft.status, draft.total) == ("SCHEDULED", "DRAFT", 850)
    books.move(FEBRUARY)
    (final,) = books.account.invoices
    assert final == replace(draft, status=final.status, issued_at=FEBRUARY)
    assert [(line.type, line.name, line.total) for line in final.line_items] == [
        ("scheduled", "Welcome", -50),
        ("commit_purchase", "Platform fee", 900),
    ]
    assert final.line_items[1].grant_id == uid(401)


def test_what_is_added_to_a_date_later_comes_on_a_further_invoice() -> None:
    books = Books.of([agreed(scheduled_charges=(charged((FEBRUARY, 10)),))])
    books.move(MARCH)
    both = (charged((FEBRUARY, 10)), charged((FEBRUARY, 7), number=850))
    books.change(contracts=(agreed(scheduled_charges=both),))
    assert [row for row in books.totals() if row[0] == "SCHEDULED"] == [
        ("SCHEDULED", "FINALIZED", "02-01", "10"),
        ("SCHEDULED", "FINALIZED", "02-01", "7"),
    ]


def test_a_charge_joins_the_usage_invoice_that_ends_at_its_date_as_long_as_that_is_a_draft() -> (
    None
):
    terms = agreed(scheduled_charges=(charged((FEBRUARY, 10)),), charges_on_usage_invoices=True)
    books = Books.of([terms])
    books.use(utc(2027, 1, 5), 3)
    books.move(utc(2027, 2, 2))
    assert books.totals() == [("USAGE", "FINALIZED", "01-01", "13")]
    late = replace(
        terms,
        scheduled_charges=(*terms.scheduled_charges, charged((FEBRUARY, 7), number=850)),
    )
    books.change(contracts=(late,))
    assert books.totals()[1:] == [("SCHEDULED", "FINALIZED", "02-01", "7")]


def test_a_customers_own_commit_is_invoiced_to_him_or_on_the_contract_it_names() -> None:
    own = granted(
        1,
        100,
        JANUARY,
        APRIL,
        GrantKind.PREPAID,
        contract_id=None,
        invoice=payable((JANUARY, 100)),
    )
    named = granted(
        2,
        100,
        JANUARY,
        APRIL,
        GrantKind.PREPAID,
        contract_id=None,
        invoice_contract_id=uid(200),
        invoice=payable((JANUARY, 5), number=650),
    )
    books = Books.of([agreed()], [own, named])
    assert {(one.contract_id, one.customer_id, one.total) for one in books.account.invoices} == {
        (None, CUSTOMER, 100),
        (uid(200), CUSTOMER, 5),
    }


def test_a_subscription_in_advance_begins_on_an_invoice_of_its_own_and_goes_on_with_usage() -> None:
    books = with_seats()
    assert books.totals() == [("SCHEDULED", "FINALIZED", "01-01", "500")]
    books.use(utc(2027, 1, 5), 30)
    books.move(utc(2027, 2, 2))
    assert books.totals()[1:] == [("USAGE", "FINALIZED", "01-01", "530")]
    assert lines(books.account.invoices[1]) == [
        ("usage", "30", "30"),
        ("subscription", "5", "500"),
    ]
    books.move(utc(2027, 3, 2))
    assert books.totals()[2:] == [("USAGE", "FINALIZED", "02-01", "500")]


def test_more_seats_in_mid_cycle_are_billed_at_once_and_prorated() -> None:
    books = with_seats("310")
    books.move(utc(2027, 1, 15))
    (terms,) = books.account.contracts
    (seats,) = terms.subscriptions
    more = QuantityChange(utc(2027, 1, 15), quantity_delta=Decimal(2))
    grown = replace(seats, quantity_changes=(*seats.quantity_changes, more))
    books.change(contracts=(replace(terms, subscriptions=(grown,)),))
    # Two seats for 17 of January's 31 days.
    assert books.totals()[1:] == [("SCHEDULED", "FINALIZED", "01-15", "340")]
    assert books.account.invoices[1].line_items[0].is_prorated
    books.move(utc(2027, 2, 2))
    assert books.totals()[2:] == [("USAGE", "FINALIZED", "01-01", "2170")]


def test_a_credit_pays_a_subscription_on_a_usage_invoice_and_not_on_one_of_a_date() -> None:
    books = with_seats()
    books.change(grants=(granted(1, 700, JANUARY, APRIL),))
    books.use(utc(2027, 1, 5), 30)
    books.move(utc(2027, 2, 2))
    assert books.totals() == [
        ("SCHEDULED", "FINALIZED", "01-01", "500"),
        ("USAGE", "FINALIZED", "01-01", "0"),
    ]
    assert books.ledger(1)[1:] == [("AUTOMATED_INVOICE_DEDUCTION", "-530", "02-01")]


def test_do_not_invoice_is_not_invoiced_and_an_archived_charge_neither() -> None:
    silent = replace(
        charged((FEBRUARY, 10)), schedule=replace(payable((FEBRUARY, 10)), do_not_invoice=True)
    )
    gone = charged((FEBRUARY, 7), number=850, archived_at=JANUARY)
    books = Books.of([agreed(scheduled_charges=(silent, gone))])
    books.move(MARCH)
    assert {row[0] for row in books.totals()} == {"USAGE"}


def test_a_contract_without_a_card_has_dates_alone() -> None:
    terms: Contract = agreed(rate_card_id=None, scheduled_charges=(charged((FEBRUARY, 10)),))
    books = Books.of([terms])
    books.move(APRIL)
    assert books.totals() == [("SCHEDULED", "FINALIZED", "02-01", "10")]
