"""A month drawn again: as it was billed, and as it would have been."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core.builders import card, flat, product, rate, tiered, uid, utc
from tests.unit.core.lifecycle.world import (
    APRIL,
    CUSTOMER,
    FEBRUARY,
    JANUARY,
    MARCH,
    YEAR_END,
    Books,
    agreed,
    granted,
    price_list,
)

from meterline.core.catalogue import Rate
from meterline.core.contract.override import Override, OverrideType
from meterline.core.invoice import Invoice
from meterline.core.ledger.grant import GrantKind
from meterline.core.lifecycle import Account, drafts, open_statements
from meterline.core.money import FIAT, USD_CENTS
from meterline.core.period import Period
from meterline.core.simulation import (
    Outcome,
    Proposal,
    as_of,
    outcomes,
    prices_at,
    proposed,
    reopened,
    repriced,
    usage_invoices,
)

MONTH = Period(JANUARY, FEBRUARY)
HALF = Override(uid(900), OverrideType.MULTIPLIER, utc(2030, 1, 1), multiplier=Decimal("0.5"))


def drawn(books: Books, account: Account, month: Period) -> list[Invoice]:
    at = as_of(month, books.now)
    usage = {one.invoice_id: books.usage(one) for one in open_statements(account, at)}
    return usage_invoices(drafts(account, usage, at).invoices, month)


def simulated(books: Books, proposal: Proposal, month: Period = MONTH) -> list[Outcome]:
    old = reopened(books.account, month)
    lists = dict(old.price_lists)
    if proposal.price_list is not None:
        lists[proposal.price_list.card.id] = proposal.price_list
    new = proposed(old, proposal, lists)
    return outcomes(CUSTOMER, drawn(books, old, month), drawn(books, new, month))


def lived(*grants: object, until: datetime = APRIL) -> Books:
    """300 tokens in January and 500 in February, at a cent each."""
    books = Books.of([agreed()], grants)  # type: ignore[arg-type]
    books.use(utc(2027, 1, 15), 300)
    books.use(utc(2027, 2, 15), 500)
    books.move(until)
    return books


def totals(found: list[Outcome]) -> list[tuple[str, str, str]]:
    return [(str(one.old), str(one.new), str(one.difference)) for one in found]


def test_half_the_price_of_a_month_that_is_final() -> None:
    assert totals(simulated(lived(), Proposal(overrides=(HALF,)))) == [("300", "150", "-150")]


def test_the_old_side_is_what_was_billed() -> None:
    books = lived(granted(1, 400, JANUARY, MARCH), granted(2, 1_000, FEBRUARY, YEAR_END))
    for start, end in ((JANUARY, FEBRUARY), (FEBRUARY, MARCH)):
        (invoice,) = [one for one in books.account.invoices if one.start_timestamp == start]
        (again,) = drawn(books, reopened(books.account, Period(start, end)), Period(start, end))
        assert (again.id, again.total, again.line_items) == (
            invoice.id,
            invoice.total,
            invoice.line_items,
        )


def test_grants_pay_for_both_sides_from_the_balance_there_was() -> None:
    """The credit of 400 went on to February and expired; January sees all of it again."""
    books = lived(granted(1, 400, JANUARY, MARCH))
    assert totals(
        simulated(books, Proposal(overrides=(replace(HALF, multiplier=Decimal(2)),)))
    ) == [("0", "200", "200")]
    # In February 100 of it are left under the old terms, and under the new ones too: January is past.
    (outcome,) = simulated(books, Proposal(overrides=(HALF,)), Period(FEBRUARY, MARCH))
    assert (outcome.old, outcome.new) == (400, 150)


def test_a_postpaid_commit_takes_nothing_off() -> None:
    books = lived(granted(1, 1_000, JANUARY, YEAR_END, GrantKind.POSTPAID))
    (outcome,) = simulated(books, Proposal(overrides=(HALF,)))
    assert (outcome.old, outcome.new) == (300, 150)
    assert [(one.name, one.old, one.new) for one in outcome.products] == [("Tokens", 300, 150)]


def test_a_running_month_is_tried_as_it_stands() -> None:
    books = lived(until=utc(2027, 1, 20))
    assert totals(simulated(books, Proposal(overrides=(HALF,)))) == [("300", "150", "-150")]
    assert as_of(MONTH, utc(2027, 1, 20)) == utc(2027, 1, 20)
    assert as_of(MONTH, APRIL) < FEBRUARY


def test_nothing_of_the_account_changes() -> None:
    books = lived(granted(1, 400, JANUARY, MARCH))
    before = books.account
    simulated(books, Proposal(overrides=(HALF,)))
    assert books.account == before


def test_another_cards_prices_are_tried_as_they_are_now() -> None:
    rates = [
        rate(flat("1"), starting_at=utc(2026, 1, 1)),
        rate(tiered(("3", "100"), ("2", None)), starting_at=MARCH),
        rate(flat("9"), starting_at=YEAR_END),
    ]
    new_card = replace(card(), id=uid(101))
    fresh = replace(price_list(*rates), card=new_card)
    found = simulated(lived(), Proposal(prices_at(fresh, APRIL)))
    assert totals(found) == [("300", "700", "400")]  # 100 x 3 + 200 x 2
    assert prices_at(fresh, utc(2025, 1, 1)).rates == ()


def test_single_prices_are_tried_instead_of_those_for_the_same() -> None:
    books = Books.of(
        [agreed()],
        prices=price_list(rate(flat("1")), rate(flat("4"), starting_at=utc(2027, 1, 20))),
    )
    books.use(utc(2027, 1, 15), 300)
    books.use(utc(2027, 1, 25), 100)
    books.move(APRIL)
    (before,) = books.account.price_lists.values()
    fresh = repriced(before, [rate(flat("8")), rate(flat("2"), starting_at=YEAR_END)])
    old = reopened(books.account, MONTH)
    new = proposed(old, Proposal(), {before.card.id: fresh})
    found = outcomes(CUSTOMER, drawn(books, old, MONTH), drawn(books, new, MONTH))
    assert totals(found) == [("700", "800", "100")]
    other = rate(flat("5"), values={"model": "x"})
    assert repriced(before, [other]).rates[:2] == tuple(before.rates)


def test_prices_of_each_group_and_frequency_are_their_own() -> None:
    def of(price: str, **fields: object) -> Rate:
        return replace(rate(flat(price)), **fields)  # type: ignore[arg-type]

    rates = [
        of("1", pricing_group_values={"a": "x", "b": "y"}),
        of("2", pricing_group_values={"b": "y", "a": "x"}, starting_at=MARCH),
        of("3", pricing_group_values={"a": "z", "b": "y"}),
        of("4", billing_frequency="MONTHLY"),
        of("5", billing_frequency="ANNUAL", ending_before=MARCH),
    ]
    found = prices_at(price_list(*rates), APRIL).rates
    assert sorted(str(one.terms.price) for one in found) == ["2", "3", "4"]
    assert {one.ending_before for one in found} == {None}


def test_a_card_in_another_currency_is_another_row() -> None:
    euro = FIAT[6]
    new_card = replace(card(), id=uid(101), fiat_credit_type=euro)
    fresh = replace(price_list(rate(flat("2"), credit_type=euro)), card=new_card)
    found = simulated(lived(), Proposal(prices_at(fresh, APRIL)))
    assert [(one.credit_type, one.old, one.new) for one in found] == [
        (euro, 0, 600),
        (USD_CENTS, 300, 0),
    ]


def test_a_contract_without_prices_stays_so() -> None:
    books = Books.of([agreed(rate_card_id=None)])
    assert simulated(books, Proposal(price_list(), (HALF,))) == []


def test_products_are_named_and_add_up() -> None:
    sold = [product(11, "Calls"), product(12, "Unused")]
    rates = [
        rate(flat("1")),
        rate(flat("3"), product_id=uid(11)),
        rate(flat("1"), product_id=uid(12)),
    ]
    books = Books.of(
        [agreed()], [granted(1, 500, JANUARY, MARCH)], price_list(*rates, products=sold)
    )
    books.use(utc(2027, 1, 15), 300)
    books.move(APRIL)
    (outcome,) = simulated(books, Proposal(overrides=(HALF,)))
    assert {one.name for one in outcome.products} == {"Tokens", "Calls", "Unused"}
    assert sum(one.old for one in outcome.products) == outcome.old == 1000
    assert sum(one.new for one in outcome.products) == outcome.new == 250
    assert sum(one.difference for one in outcome.products) == outcome.difference


@given(
    amounts=st.lists(st.integers(0, 900), min_size=2, max_size=2),
    grant=st.integers(1, 1200),
    multiplier=st.decimals("0", "3", places=2),
    until=st.sampled_from([utc(2027, 1, 31), FEBRUARY, utc(2027, 2, 2), MARCH, APRIL]),
)
def test_the_new_side_is_what_a_contract_of_those_terms_would_have_billed(
    amounts: list[int], grant: int, multiplier: Decimal, until: datetime
) -> None:
    override = replace(HALF, multiplier=multiplier, starting_at=JANUARY)
    worlds = []
    for overrides in ((), (override,)):
        books = Books.of([agreed(overrides=overrides)], [granted(1, grant, JANUARY, MARCH)])
        for month, amount in enumerate(amounts, start=1):
            books.use(utc(2027, month, 15), amount)
        books.move(until)
        worlds.append(books)
    (outcome,) = simulated(worlds[0], Proposal(overrides=(override,)))
    for books, total in zip(worlds, (outcome.old, outcome.new), strict=True):
        stored = [*books.account.invoices, *books.drafts().invoices]
        (january,) = [one for one in stored if one.start_timestamp == JANUARY]
        assert january.total == total
