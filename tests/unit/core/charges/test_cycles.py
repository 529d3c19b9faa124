from itertools import islice

import pytest
from tests.unit.core.builders import utc
from tests.unit.core.charges.builders import (
    APRIL,
    JUNE,
    MAY,
    contract,
    subscription,
)

from meterline.core.charges import (
    BillingPeriods,
    billing_periods,
    cycle_at,
    statement_collecting,
    statement_ending_at,
    subscription_cycles,
)
from meterline.core.contract import Contract
from meterline.core.contract.subscription import Subscription
from meterline.core.period import ANNUAL, MONTHLY, QUARTERLY, WEEKLY, Frequency, Period


def cycles(one: Subscription, of: Contract, count: int = 4) -> list[str]:
    return [
        f"{cycle.period.start:%y-%m-%d}..{cycle.period.end:%m-%d}{' stub' * cycle.is_stub}"
        for cycle in islice(subscription_cycles(one, of), count)
    ]


@pytest.mark.parametrize(
    ("frequency", "expected"),
    [
        (MONTHLY, ["27-04-15..05-01 stub", "27-05-01..06-01", "27-06-01..07-01"]),
        (QUARTERLY, ["27-04-15..07-01 stub", "27-07-01..10-01", "27-10-01..01-01"]),
        (ANNUAL, ["27-04-15..04-01 stub", "28-04-01..04-01", "29-04-01..04-01"]),
        (WEEKLY, ["27-04-15..04-22", "27-04-22..04-29", "27-04-29..05-06"]),
    ],
)
def test_cycles_hang_on_the_statements_of_the_contract(
    frequency: Frequency, expected: list[str]
) -> None:
    """The contract starts on Thursday 15 April; its statements, and so its weeks, are anchored on the 1st."""
    one = subscription(starting_at=utc(2027, 4, 15), billing_frequency=frequency)
    of = contract(one, starting_at=utc(2027, 4, 15))
    assert cycles(one, of, 3) == expected


def test_an_anchor_of_its_own_on_the_31st() -> None:
    one = subscription(anchor_date=utc(2027, 1, 31, 17))
    assert cycles(one, contract(one)) == [
        "27-04-01..04-30 stub",
        "27-04-30..05-31",
        "27-05-31..06-30",
        "27-06-30..07-31",
    ]


def test_a_year_from_a_leap_day() -> None:
    leap_day = utc(2028, 2, 29)
    one = subscription(starting_at=leap_day, anchor_date=leap_day, billing_frequency=ANNUAL)
    of = contract(one, starting_at=leap_day)
    assert cycles(one, of, 5) == [
        "28-02-29..02-28",
        "29-02-28..02-28",
        "30-02-28..02-28",
        "31-02-28..02-29",
        "32-02-29..02-28",
    ]


def test_the_last_cycle_ends_with_the_subscription_or_the_contract() -> None:
    one = subscription(ending_before=utc(2027, 5, 16))
    expected = ["27-04-01..05-01", "27-05-01..05-16 stub"]
    assert cycles(one, contract(one)) == expected
    open_one = subscription()
    assert cycles(open_one, contract(open_one, ending_before=utc(2027, 5, 16))) == expected
    assert cycles(one, contract(one, ending_before=JUNE)) == expected
    long = subscription(ending_before=JUNE)
    assert cycles(long, contract(long, ending_before=utc(2027, 5, 16))) == expected


def test_cycles_since_an_instant_begin_with_the_one_it_lies_in() -> None:
    one = subscription(starting_at=utc(2027, 4, 10))
    of = contract(one)
    first = next(subscription_cycles(one, of, since=utc(2020, 1, 1)))
    assert first.period == Period(utc(2027, 4, 10), MAY)
    later = next(subscription_cycles(one, of, since=utc(2031, 7, 31, 23)))
    assert later.period == Period(utc(2031, 7, 1), utc(2031, 8, 1))


def test_a_subscription_outside_its_contract_has_no_cycles() -> None:
    one = subscription(starting_at=MAY)
    assert list(subscription_cycles(one, contract(one, ending_before=MAY))) == []
    assert cycle_at(one, contract(one, ending_before=MAY), MAY) is None
    assert billing_periods(one, contract(one, ending_before=MAY), MAY) == BillingPeriods(
        None, None, None
    )


def test_billing_periods_around_now() -> None:
    one = subscription(ending_before=JUNE)
    of = contract(one)
    april, may = Period(APRIL, MAY), Period(MAY, JUNE)
    assert billing_periods(one, of, utc(2027, 3, 1)) == BillingPeriods(None, None, april)
    assert billing_periods(one, of, APRIL) == BillingPeriods(None, april, may)
    assert billing_periods(one, of, MAY) == BillingPeriods(april, may, None)
    assert billing_periods(one, of, JUNE) == BillingPeriods(may, None, None)


def test_statements_that_end_at_an_instant_and_those_that_collect_it() -> None:
    of = contract(ending_before=utc(2027, 5, 16))
    april, may = Period(APRIL, MAY), Period(MAY, utc(2027, 5, 16))
    assert statement_ending_at(of, MAY) == april
    assert statement_ending_at(of, APRIL) is None
    assert statement_ending_at(of, utc(2027, 4, 15)) is None
    assert statement_ending_at(of, utc(2027, 5, 16)) == may
    assert statement_collecting(of, utc(2027, 4, 1, 1)) == april
    assert statement_collecting(of, MAY) == april
    assert statement_collecting(of, utc(2027, 5, 1, 1)) == may
    assert statement_collecting(of, utc(2027, 5, 17)) is None


def test_statements_before_invoicing_begins_collect_nothing() -> None:
    of = contract(invoices_from=utc(2027, 5, 1))
    assert statement_ending_at(of, MAY) is None
    assert statement_ending_at(of, JUNE) == Period(MAY, JUNE)
    assert statement_ending_at(contract(rate_card_id=None), MAY) is None
