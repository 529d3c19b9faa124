"""Grants pay for every price model, those that take back or add fees in the same move too."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from tests.property.core.strategies import terms
from tests.property.ledger.strategies import charges, grants
from tests.property.ledger.test_drawdown import listed, settled
from tests.unit.core.ledger.grants import pool

from meterline.core.decimals import EXACT, total
from meterline.core.ledger.chargeable import Chargeable
from meterline.core.ledger.drawing import deductions, draw
from meterline.core.ledger.grant import Grant
from meterline.core.rating import price_model
from meterline.core.rating.piece import PriceModel
from meterline.core.rating.spend_limits import Capped, Spent

plain_models = terms().map(price_model)
capped_models = st.builds(
    Capped,
    plain_models,
    st.sampled_from([Decimal(0), Decimal(10), Decimal("99.5"), Decimal(2000)]),
    st.just(Spent()),
)
every_model: st.SearchStrategy[PriceModel] = plain_models | capped_models


@given(grants(list_rate_only=True), charges(list_models=every_model))
def test_paid_and_unpaid_come_to_the_list_price(some: list[Grant], due: list[Chargeable]) -> None:
    drawn, _ = draw(due, pool(*some))
    assert [settled(one)[1] for one in drawn] == [listed(one)[1] for one in due]


@given(grants(), charges(list_models=every_model))
def test_no_more_is_drawn_than_was_granted(some: list[Grant], due: list[Chargeable]) -> None:
    before = pool(*some)
    drawn, after = draw(due, before)
    taken = deductions(drawn)
    for purse in before.purses:
        amount = taken.get((purse.grant.id, purse.segment.id), Decimal(0))
        assert 0 <= amount <= purse.segment.amount
        assert after.left[purse.segment.id] == EXACT.subtract(purse.segment.amount, amount)


@given(grants(list_rate_only=True), charges(list_models=every_model))
def test_grants_never_pay_more_than_a_move_comes_to(
    some: list[Grant], due: list[Chargeable]
) -> None:
    drawn, _ = draw(due, pool(*some))
    for one, charge in zip(drawn, due, strict=True):
        paid = total(payment.amount for payment in one.payments)
        assert 0 <= paid <= max(Decimal(0), listed(charge)[1])
