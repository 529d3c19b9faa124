from datetime import UTC, date, datetime, timedelta
from itertools import islice

import pytest
from tests.unit.core.builders import utc

from meterline.core.errors import Invalid
from meterline.core.period import (
    ANNUAL,
    MONTHLY,
    QUARTERLY,
    WEEKLY,
    Frequency,
    Period,
    StatementDay,
    StatementSchedule,
)


def first(schedule: StatementSchedule, start: datetime, count: int) -> list[tuple[date, date]]:
    periods = islice(schedule.periods(starting_at=start, ending_before=None), count)
    return [(period.start.date(), period.end.date()) for period in periods]


def test_first_of_month_begins_with_a_stub() -> None:
    start = utc(2026, 1, 15, 7)
    schedule = StatementSchedule.of(MONTHLY, StatementDay.FIRST_OF_MONTH, contract_start=start)
    periods = list(islice(schedule.periods(starting_at=start, ending_before=None), 2))
    assert periods == [
        Period(start, utc(2026, 2, 1)),
        Period(utc(2026, 2, 1), utc(2026, 3, 1)),
    ]


def test_the_31st_is_clamped_and_returned_to() -> None:
    start = utc(2024, 1, 31)
    schedule = StatementSchedule.of(MONTHLY, StatementDay.CONTRACT_START, contract_start=start)
    assert first(schedule, start, 4) == [
        (date(2024, 1, 31), date(2024, 2, 29)),
        (date(2024, 2, 29), date(2024, 3, 31)),
        (date(2024, 3, 31), date(2024, 4, 30)),
        (date(2024, 4, 30), date(2024, 5, 31)),
    ]


def test_quarters_hang_on_the_anchor_not_on_the_calendar() -> None:
    start = utc(2026, 2, 10)
    schedule = StatementSchedule.of(QUARTERLY, StatementDay.FIRST_OF_MONTH, contract_start=start)
    assert first(schedule, start, 2) == [
        (date(2026, 2, 10), date(2026, 5, 1)),
        (date(2026, 5, 1), date(2026, 8, 1)),
    ]


def test_a_year_from_a_leap_day() -> None:
    start = utc(2024, 2, 29)
    schedule = StatementSchedule.of(ANNUAL, StatementDay.CONTRACT_START, contract_start=start)
    assert [end for _, end in first(schedule, start, 4)] == [
        date(2025, 2, 28),
        date(2026, 2, 28),
        date(2027, 2, 28),
        date(2028, 2, 29),
    ]


def test_weeks_from_the_contract_start() -> None:
    start = utc(2026, 11, 4, 13)
    schedule = StatementSchedule.of(WEEKLY, StatementDay.CONTRACT_START, contract_start=start)
    periods = list(islice(schedule.periods(starting_at=start, ending_before=None), 2))
    assert periods == [
        Period(start, utc(2026, 11, 11)),
        Period(utc(2026, 11, 11), utc(2026, 11, 18)),
    ]


def test_a_custom_anchor_after_the_start_reaches_back() -> None:
    start = utc(2026, 3, 2)
    schedule = StatementSchedule.of(
        MONTHLY,
        StatementDay.CUSTOM_DATE,
        contract_start=start,
        billing_anchor_date=utc(2026, 6, 20),
    )
    assert first(schedule, start, 2) == [
        (date(2026, 3, 2), date(2026, 3, 20)),
        (date(2026, 3, 20), date(2026, 4, 20)),
    ]


def test_a_custom_date_must_be_given() -> None:
    with pytest.raises(Invalid) as refused:
        StatementSchedule.of(MONTHLY, StatementDay.CUSTOM_DATE, contract_start=utc(2026, 1, 1))
    assert refused.value.field == "usage_statement_schedule.billing_anchor_date"


def test_an_anchor_is_a_midnight() -> None:
    with pytest.raises(Invalid, match="midnight"):
        StatementSchedule(MONTHLY, utc(2026, 1, 1, 5))


def test_the_last_period_is_a_stub() -> None:
    schedule = StatementSchedule(MONTHLY, utc(2026, 1, 1))
    life = {"starting_at": utc(2026, 1, 1), "ending_before": utc(2026, 2, 14, 9)}
    assert list(schedule.periods(**life)) == [
        Period(utc(2026, 1, 1), utc(2026, 2, 1)),
        Period(utc(2026, 2, 1), utc(2026, 2, 14, 9)),
    ]
    assert schedule.period_at(utc(2026, 2, 14, 8), **life) == Period(
        utc(2026, 2, 1), utc(2026, 2, 14, 9)
    )
    assert schedule.period_at(utc(2026, 2, 14, 9), **life) is None
    assert schedule.period_at(utc(2025, 12, 31), **life) is None


@pytest.mark.parametrize("frequency", list(Frequency))
def test_a_boundary_begins_a_period_and_the_microsecond_before_ends_one(
    frequency: Frequency,
) -> None:
    schedule = StatementSchedule(frequency, utc(2024, 1, 31))
    life = {"starting_at": utc(1980, 1, 1), "ending_before": None}
    for index in range(-30, 30):
        boundary = schedule.boundary(index)
        after = schedule.period_at(boundary, **life)
        before = schedule.period_at(boundary - timedelta(microseconds=1), **life)
        assert after is not None
        assert before is not None
        assert before.end == after.start == boundary


def test_an_instant_in_another_zone() -> None:
    schedule = StatementSchedule(MONTHLY, utc(2026, 1, 1))
    instant = datetime.fromisoformat("2026-02-01T01:00:00+02:00")
    period = schedule.period_at(instant, starting_at=utc(2026, 1, 1), ending_before=None)
    assert period == Period(datetime(2026, 1, 1, tzinfo=UTC), utc(2026, 2, 1))
