from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from tests.unit.core.builders import uid, utc

from meterline.core.charges import (
    invoice_schedule,
    item_id,
    schedule_issues,
    schedule_items,
    smallest_unit_places,
)
from meterline.core.contract.schedule import (
    AmountDistribution,
    DatedAmount,
    RecurringSchedule,
    ScheduleFrequency,
    ScheduleTerms,
)
from meterline.core.decimals import total
from meterline.core.money import FIAT, USD_CENTS, CreditType

DIVIDED, ROUNDED, EACH = AmountDistribution
EUR = next(one for one in FIAT if one.name == "EUR")
TOKENS = CreditType(uid(7), "Tokens", False)


def recurring(**fields: object) -> RecurringSchedule:
    given = {
        "starting_at": utc(2027, 1, 31),
        "ending_before": utc(2028, 1, 31),
        "frequency": ScheduleFrequency.MONTHLY,
        "amount_distribution": EACH,
        "amount": Decimal(100),
        **fields,
    }
    return RecurringSchedule(**given)  # type: ignore[arg-type]


def days(schedule: RecurringSchedule) -> list[str]:
    return [f"{one.timestamp:%y-%m-%d}" for one in schedule_items(uid(1), schedule, USD_CENTS)]


def amounts(schedule: RecurringSchedule, unit: CreditType = USD_CENTS) -> list[str]:
    return [str(one.amount) for one in schedule_items(uid(1), schedule, unit)]


def test_the_31st_is_the_last_day_of_a_short_month_and_comes_back() -> None:
    assert days(recurring()) == [
        "27-01-31",
        "27-02-28",
        "27-03-31",
        "27-04-30",
        "27-05-31",
        "27-06-30",
        "27-07-31",
        "27-08-31",
        "27-09-30",
        "27-10-31",
        "27-11-30",
        "27-12-31",
    ]


@pytest.mark.parametrize(
    ("frequency", "dates"),
    [
        ("WEEKLY", ["28-02-29", "28-03-07", "28-03-14"]),
        ("MONTHLY", ["28-02-29"]),
    ],
)
def test_dates_until_the_middle_of_march(frequency: str, dates: list[str]) -> None:
    schedule = recurring(
        starting_at=utc(2028, 2, 29),
        ending_before=utc(2028, 3, 15),
        frequency=ScheduleFrequency(frequency),
    )
    assert days(schedule) == dates


@pytest.mark.parametrize(
    ("frequency", "dates"),
    [
        ("QUARTERLY", ["28-02-29", "28-05-29", "28-08-29", "28-11-29", "29-02-28"]),
        ("SEMI_ANNUAL", ["28-02-29", "28-08-29", "29-02-28"]),
        ("ANNUAL", ["28-02-29", "29-02-28"]),
    ],
)
def test_a_leap_day_through_a_year_and_a_day(frequency: str, dates: list[str]) -> None:
    schedule = recurring(
        starting_at=utc(2028, 2, 29),
        ending_before=utc(2029, 3, 1),
        frequency=ScheduleFrequency(frequency),
    )
    assert days(schedule) == dates


def test_the_end_is_exclusive_and_the_hour_is_kept() -> None:
    schedule = recurring(starting_at=utc(2027, 1, 5, 9), ending_before=utc(2027, 3, 5, 9))
    items = schedule_items(uid(1), schedule, USD_CENTS)
    assert [one.timestamp for one in items] == [utc(2027, 1, 5, 9), utc(2027, 2, 5, 9)]


@pytest.mark.parametrize(
    ("distribution", "amount", "expected"),
    [
        (EACH, "100", ["100", "100", "100"]),
        (DIVIDED, "99", ["33", "33", "33"]),
        (DIVIDED, "0.3", ["0.1", "0.1", "0.1"]),
        (DIVIDED, "100", ["33.333333333333333333"] * 2 + ["33.333333333333333334"]),
        (DIVIDED, "-100", ["-33.333333333333333333"] * 2 + ["-33.333333333333333334"]),
        (ROUNDED, "100", ["33", "33", "34"]),
        (ROUNDED, "-100", ["-33", "-33", "-34"]),
        (ROUNDED, "2", ["0", "0", "2"]),
        (ROUNDED, "100.5", ["33", "33", "34.5"]),
    ],
)
def test_amounts_of_three_dates(
    distribution: AmountDistribution, amount: str, expected: list[str]
) -> None:
    schedule = recurring(
        ending_before=utc(2027, 4, 1), amount_distribution=distribution, amount=Decimal(amount)
    )
    assert amounts(schedule) == expected


def test_whole_smallest_units_are_cents_of_a_euro_and_whole_tokens() -> None:
    schedule = recurring(ending_before=utc(2027, 4, 1), amount_distribution=ROUNDED)
    assert amounts(schedule, EUR) == ["33.33", "33.33", "33.34"]
    assert amounts(schedule, TOKENS) == ["33", "33", "34"]
    assert [smallest_unit_places(unit) for unit in (USD_CENTS, EUR, TOKENS)] == [0, 2, 0]


def test_a_divided_price_keeps_its_quantity() -> None:
    """Seven at 100 in three dates: the price is divided, and all of it adds up to 700."""
    schedule = recurring(
        ending_before=utc(2027, 4, 1),
        amount_distribution=DIVIDED,
        amount=None,
        unit_price=Decimal(100),
        quantity=Decimal(7),
    )
    items = schedule_items(uid(1), schedule, USD_CENTS)
    assert [one.quantity for one in items] == [7, 7, 7]
    assert total(one.amount for one in items) == 700
    whole = schedule_items(uid(1), replace(schedule, amount_distribution=ROUNDED), USD_CENTS)
    assert [(one.quantity, one.unit_price) for one in whole] == [(1, 233), (1, 233), (1, 234)]


def test_ids_derive_from_the_schedule_and_the_date() -> None:
    items = schedule_items(uid(1), recurring(), USD_CENTS)
    assert items == schedule_items(uid(1), recurring(), USD_CENTS)
    assert items[3].id == item_id(uid(1), utc(2027, 4, 30))
    assert len({one.id for one in items + schedule_items(uid(2), recurring(), USD_CENTS)}) == 24


def test_explicit_items_come_by_date_those_of_one_date_as_given() -> None:
    terms = ScheduleTerms(
        USD_CENTS,
        (
            DatedAmount(utc(2027, 3, 1), Decimal(3)),
            DatedAmount(utc(2027, 1, 1), None, Decimal("2.50"), Decimal(4)),
            DatedAmount(utc(2027, 3, 1), Decimal(5)),
        ),
        do_not_invoice=True,
    )
    schedule = invoice_schedule(uid(1), terms)
    assert schedule.do_not_invoice
    assert [(one.amount, one.unit_price, one.quantity) for one in schedule.items] == [
        (10, Decimal("2.5"), 4),
        (3, 3, 1),
        (5, 5, 1),
    ]
    assert len({one.id for one in schedule.items}) == 3


SOUND = ScheduleTerms(USD_CENTS, (DatedAmount(utc(2027, 4, 1), Decimal(5)),))


def test_sound_terms_have_no_issues() -> None:
    assert schedule_issues(SOUND, "schedule") == []
    assert schedule_issues(ScheduleTerms(USD_CENTS, None, recurring()), "schedule") == []
    both = DatedAmount(utc(2027, 4, 1), Decimal(5), Decimal("2.5"), Decimal(2))
    assert schedule_issues(ScheduleTerms(USD_CENTS, (both,)), "schedule") == []


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (ScheduleTerms(USD_CENTS), "schedule"),
        (ScheduleTerms(USD_CENTS, SOUND.items, recurring()), "schedule"),
        (ScheduleTerms(USD_CENTS, ()), "schedule.schedule_items"),
    ],
)
def test_one_form_must_be_given(terms: ScheduleTerms, field: str) -> None:
    assert [issue.field for issue in schedule_issues(terms, "schedule")] == [field]


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (DatedAmount(utc(2027, 4, 1)), "amount"),
        (DatedAmount(utc(2027, 4, 1), Decimal(-1)), "amount"),
        (DatedAmount(utc(2027, 4, 1), Decimal("1e20")), "amount"),
        (DatedAmount(utc(2027, 4, 1), Decimal("1e-19")), "amount"),
        (DatedAmount(utc(2027, 4, 1), Decimal("NaN")), "amount"),
        (DatedAmount(utc(2027, 4, 1), None, Decimal(1)), "quantity"),
        (DatedAmount(utc(2027, 4, 1), Decimal(1), None, Decimal(1)), "unit_price"),
        (DatedAmount(utc(2027, 4, 1), Decimal(5), Decimal(2), Decimal(2)), "amount"),
        (DatedAmount(utc(2027, 4, 1), None, Decimal(2), Decimal(-2)), "quantity"),
        (DatedAmount(utc(2027, 4, 1) + timedelta(minutes=1), Decimal(5)), "timestamp"),
        (DatedAmount(utc(2026, 12, 31), Decimal(5)), "timestamp"),
        (DatedAmount(utc(2028, 1, 1, 1), Decimal(5)), "timestamp"),
    ],
)
def test_each_fault_of_an_item_names_its_field(item: DatedAmount, field: str) -> None:
    issues = schedule_issues(
        ScheduleTerms(USD_CENTS, (*(SOUND.items or ()), item)),
        "schedule",
        earliest=utc(2027, 1, 1),
        latest=utc(2028, 1, 1),
    )
    assert [issue.field for issue in issues] == [f"schedule.schedule_items[1].{field}"]


def test_negative_amounts_where_they_are_allowed() -> None:
    terms = ScheduleTerms(USD_CENTS, (DatedAmount(utc(2027, 4, 1), Decimal(-5)),))
    assert schedule_issues(terms, "schedule", negative=True) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ending_before": utc(2027, 1, 31)}, "ending_before"),
        ({"ending_before": utc(2026, 1, 31)}, "ending_before"),
        ({"ending_before": utc(2227, 1, 31)}, "ending_before"),
        ({"starting_at": utc(2027, 1, 31) + timedelta(seconds=1)}, "starting_at"),
        ({"starting_at": utc(2026, 12, 31)}, "starting_at"),
        ({"amount": None}, "amount"),
        ({"quantity": Decimal(1)}, "unit_price"),
        ({"unit_price": Decimal(9), "quantity": Decimal(9)}, "amount"),
    ],
)
def test_each_fault_of_a_recurring_schedule_names_its_field(
    changes: dict[str, object], field: str
) -> None:
    terms = ScheduleTerms(USD_CENTS, None, recurring(**changes))
    issues = schedule_issues(terms, "invoice_schedule", earliest=utc(2027, 1, 1))
    assert [issue.field for issue in issues] == [f"invoice_schedule.recurring_schedule.{field}"]


def test_the_last_date_of_a_recurring_schedule_lies_within_bounds_too() -> None:
    terms = ScheduleTerms(USD_CENTS, None, recurring())
    (issue,) = schedule_issues(terms, "schedule", latest=utc(2027, 12, 30))
    assert issue.field == "schedule.recurring_schedule.ending_before"
    assert schedule_issues(terms, "schedule", latest=utc(2027, 12, 31)) == []
