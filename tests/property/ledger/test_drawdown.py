"""What holds whatever is granted and whatever is used."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from tests.property.ledger.strategies import charges, grants, prices
from tests.unit.core.builders import uid
from tests.unit.core.ledger.grants import CONTRACT, grant, pool, usage

from meterline.core.decimals import EXACT, total
from meterline.core.ledger.chargeable import Chargeable, Drawn
from meterline.core.ledger.drawing import deduction_entries, deductions, draw
from meterline.core.ledger.grant import AccessType, Grant, RateChoice
from meterline.core.ledger.invariants import closed_with_a_rest, overdrawn, without_cause
from meterline.core.ledger.order import drawdown_key
from meterline.core.ledger.pool import Pool
from meterline.core.ledger.posting import expiration, segment_start
from meterline.core.rating.flat import Flat


def listed(chargeable: Chargeable) -> tuple[Decimal, Decimal]:
    """(quantity, amount) of a charge without grants."""
    pieces = chargeable.list_model.pieces(chargeable.before, chargeable.after)
    return total(piece.quantity for piece in pieces), total(piece.amount for piece in pieces)


def settled(drawn: Drawn) -> tuple[Decimal, Decimal]:
    """(quantity, amount) of a charge, paid and unpaid."""
    pieces = [piece for payment in drawn.payments for piece in payment.pieces]
    pieces += drawn.unpaid
    return total(piece.quantity for piece in pieces), total(piece.amount for piece in pieces)


@given(grants(), charges())
def test_no_more_is_drawn_than_was_granted(some: list[Grant], due: list[Chargeable]):
    before = pool(*some)
    drawn, after = draw(due, before)
    taken = deductions(drawn)
    for purse in before.purses:
        amount = taken.get((purse.grant.id, purse.segment.id), Decimal(0))
        assert 0 <= amount <= purse.segment.amount
        assert after.left[purse.segment.id] == EXACT.subtract(purse.segment.amount, amount)


@given(grants(list_rate_only=True), charges())
def test_at_list_price_quantities_and_amounts_add_up_exactly(
    some: list[Grant], due: list[Chargeable]
):
    drawn, _ = draw(due, pool(*some))
    assert [settled(one) for one in drawn] == [listed(one) for one in due]


@given(grants(), charges())
def test_at_any_price_quantities_add_up_exactly(some: list[Grant], due: list[Chargeable]):
    drawn, _ = draw(due, pool(*some))
    assert [settled(one)[0] for one in drawn] == [listed(one)[0] for one in due]


@given(grants(), charges())
def test_what_is_left_to_pay_no_grant_could_pay(some: list[Grant], due: list[Chargeable]):
    before = pool(*some)
    drawn, after = draw(due, before)
    for one in drawn:
        rises = one.chargeable.after > one.chargeable.before
        if rises and any(piece.amount > 0 and piece.quantity > 0 for piece in one.unpaid):
            assert all(after.left[p.segment.id] == 0 for p in before.for_charge(one.chargeable))


@given(st.decimals(0, 1_000, places=3), prices, st.decimals(0, 1_000, places=2))
def test_exactly_the_lesser_of_what_is_due_and_what_is_left(quantity, price, amount):
    charge = usage(str(quantity), str(price))
    drawn, _ = draw([charge], pool(grant(1, str(amount))))
    paid = total(payment.drawn for payment in drawn[0].payments)
    assert paid == min(EXACT.multiply(quantity, price), amount)


@given(grants(), charges(list_models=prices.map(Flat)))
def test_drawing_in_one_go_is_drawing_line_by_line(some: list[Grant], due: list[Chargeable]):
    whole, left = draw(due, pool(*some))
    in_order = sorted(
        range(len(due)),
        key=lambda index: (
            due[index].charge_class,
            due[index].period.start,
            -due[index].list_model.price,  # type: ignore[attr-defined]
            due[index].product_name,
        ),
    )
    one_by_one: dict[int, Drawn] = {}
    rest = pool(*some)
    for index in in_order:
        (one_by_one[index],), rest = draw([due[index]], rest)
    assert whole == [one_by_one[index] for index in range(len(due))]
    assert rest == left


@given(grants(list_rate_only=True), prices, st.lists(st.integers(0, 400), min_size=2, max_size=2))
def test_a_cut_within_a_segment_changes_no_sum(some: list[Grant], price, levels):
    """A flat move in two parts draws, at list price, what it draws in one."""
    middle, end = sorted(levels)
    whole, _ = draw([usage(str(end), str(price))], pool(*some))
    parts, _ = draw(
        [usage(str(middle), str(price)), usage(str(end), str(price), before=Decimal(middle))],
        pool(*some),
    )
    # A unit's worth is rounded once where a part ends: money is exact, units to the last place.
    in_money = {one.id for one in some if one.access_type is AccessType.SPEND}
    if in_money == {one.id for one in some}:
        assert deductions(whole) == deductions(parts)


@given(grants(), st.randoms())
def test_the_order_is_total_and_does_not_depend_on_how_grants_are_listed(some, random):
    keys = [drawdown_key(one, one.segments[0]) for one in some]
    assert len(set(keys)) == len(keys)
    shuffled = list(some)
    random.shuffle(shuffled)
    assert pool(*shuffled) == pool(*some)


@given(grants(), charges())
def test_nothing_is_drawn_twice_over_and_books_close(some: list[Grant], due: list[Chargeable]):
    entries = [segment_start(one, one.segments[0]) for one in some]
    drawn, left = draw(due, Pool.of(some, entries, CONTRACT))
    posted = deduction_entries(
        drawn, invoice_id=uid(5), contract_id=CONTRACT.id, at=CONTRACT.starting_at
    )
    # The same charges on another invoice draw on what the first has left.
    again, _ = draw(due, Pool.of(some, entries, CONTRACT, pending=posted))
    assert again == draw(due, left)[0]
    posted += deduction_entries(
        again, invoice_id=uid(6), contract_id=CONTRACT.id, at=CONTRACT.starting_at
    )
    books = entries + posted
    for one in some:
        part = one.segments[0]
        rest = total(entry.amount for entry in books if entry.segment_id == part.id)
        books.append(expiration(one, part, rest, at=part.ending_before))
    assert overdrawn(books) == closed_with_a_rest(books) == without_cause(books) == []
    assert len({entry.id for entry in books}) == len(books)


def test_a_grant_at_commit_rate_is_among_the_random_ones():
    """The strategies reach what they are there for: guards against properties that hold of nothing."""
    seen: set[object] = set()

    @given(grants(), charges())
    def collect(some: list[Grant], due: list[Chargeable]):
        drawn, _ = draw(due, pool(*some))
        for one in drawn:
            for payment in one.payments:
                seen.update((payment.grant.rate_type, payment.grant.access_type))
                seen.add("split" if one.unpaid else "whole")

    collect()
    assert {*RateChoice, *AccessType, "split", "whole"} <= seen
