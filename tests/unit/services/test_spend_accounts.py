"""Which billing periods some hours lie in, however they were asked before."""

from __future__ import annotations

import random
from datetime import timedelta
from uuid import UUID

import pytest
from tests.unit.core.builders import card, flat, metric, product, rate, uid, utc

from meterline.core.contract import Contract
from meterline.core.period import HOUR, MONTHLY, WEEKLY, StatementSchedule, hour_index, hour_start
from meterline.core.rating import PriceList
from meterline.services.spend_accounts import Account
from meterline.services.spend_prices import CardPrices, Prices, SumRead, Tariff, segments_of

START = utc(2026, 9, 10, 7)


def prices() -> Prices:
    """Those of one card, as if just refreshed."""
    found = Prices()
    price_list = PriceList(card(), [product()], [metric(1)], [rate(flat("2"))])
    found.keep(price_list, (1, 1))
    return found


def account(*contracts: Contract) -> Account:
    named = tuple((str(contract.id), contract) for contract in contracts)
    return Account(uid(7), str(uid(7)), ("a",), (b"12345678",), named, frozenset({card().id}))


def contract(number: int, **terms: object) -> Contract:
    fields = {
        "rate_card_id": card().id,
        "starting_at": START,
        "ending_before": None,
        "schedule": StatementSchedule(MONTHLY, utc(2026, 1, 1)),
    }
    return Contract(id=uid(number), customer_id=uid(7), **(fields | terms))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(20))
def test_bills_are_those_of_every_hour_asked_for(seed: int) -> None:
    rng = random.Random(seed)
    contracts = []
    for number in range(rng.randint(0, 3)):
        start = START + rng.randrange(-500, 900) * HOUR
        end = None if rng.random() < 0.4 else start + rng.randrange(1, 1500) * HOUR
        frequency = rng.choice([MONTHLY, WEEKLY])
        contracts.append(
            contract(
                number,
                starting_at=start,
                ending_before=end,
                schedule=StatementSchedule(frequency, utc(2026, 1, 1)),
            )
        )
    customer, known = account(*contracts), prices()
    hour = hour_index(START)
    for _ in range(40):
        hour += rng.choice([0, 0, 1, 1, 30, -200, 500])
        last = hour + rng.choice([0, 0, 0, 1, 40, 900])
        bills = customer.bills_of(hour, last, known)
        found = {(bill.contract_id, bill.tariff.plan.period) for bill in bills}
        assert len(found) == len(bills)
        assert found == {
            (str(one.id), one.period_at(hour_start(each)))
            for one in contracts
            for each in range(hour, last + 1)
            if one.period_at(hour_start(each)) is not None
        }


def test_prices_that_are_outdated_are_not_used_again() -> None:
    customer, known = account(contract(1)), prices()
    hour = hour_index(START + timedelta(days=1))
    (old,) = customer.bills_of(hour, hour, known)
    assert customer.bills_of(hour, hour, known)[0].tariff is old.tariff
    known.keep(old.tariff.card.price_list, (2, 1))
    (new,) = customer.bills_of(hour, hour, known)
    assert new.tariff is not old.tariff
    assert old.tariff.card.outdated
    assert not new.tariff.card.outdated


def test_spans_between_all_cuts_lie_in_the_segments_of_each_metric() -> None:
    days = [utc(2026, 11, day) for day in range(1, 8)]
    assert segments_of(days, [days[0], days[-1]]) == [0] * 6
    assert segments_of(days, days) == [0, 1, 2, 3, 4, 5]
    assert segments_of(days, [days[0], days[2], days[5], days[6]]) == [0, 0, 1, 1, 1, 2]


def test_a_book_leaves_out_metrics_without_a_price() -> None:
    (bill,) = account(contract(1)).bills_of(hour_index(START), hour_index(START), prices())
    known, other = str(metric(1).id), str(UUID(int=99))
    sums: list[SumRead] = [((known, ()), 0, 3), ((other, ()), 0, 4), ((known, ()), 0, 5)]  # type: ignore[list-item]
    assert bill.tariff.book(sums) == {metric(1).id: [((), 0, 3), ((), 0, 5)]}
    assert isinstance(bill.tariff, Tariff)
    assert isinstance(bill.tariff.card, CardPrices)
