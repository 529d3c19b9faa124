from decimal import Decimal

import pytest
from tests.unit.core.builders import flat, tiered, utc

from meterline.core.charges import Prorated, prorated
from meterline.core.contract.subscription import FiatRounding, ProrationRounding
from meterline.core.decimals import total
from meterline.core.period import Period
from meterline.core.rating.models import price_model

HALF_UP, FLOOR, CEILING = FiatRounding
APRIL = Period(utc(2027, 4, 1), utc(2027, 5, 1))


def april(first: int, day: int) -> Period:
    return Period(utc(2027, 4, first), utc(2027, 4, day) if day < 31 else APRIL.end)


@pytest.mark.parametrize(
    ("price", "part", "expected"),
    [
        ("3000", april(16, 31), "1500"),
        ("3000", april(1, 2), "100"),
        ("1000", april(1, 2), "33.333333333333333333"),
        ("1000", april(2, 3), "33.333333333333333334"),
        ("1000", april(3, 4), "33.333333333333333333"),
        ("0", april(3, 4), "0"),
        ("0.000000000000000001", april(1, 16), "0"),
        ("0.000000000000000001", april(16, 31), "0.000000000000000001"),
    ],
)
def test_a_part_costs_its_share_by_time(price: str, part: Period, expected: str) -> None:
    assert prorated(Decimal(price), part, APRIL) == Decimal(expected)


@pytest.mark.parametrize(
    ("year", "hours"),
    [(2027, 28 * 24), (2028, 29 * 24)],
)
def test_february_is_as_long_as_it_is(year: int, hours: int) -> None:
    february = Period(utc(year, 2, 1), utc(year, 3, 1))
    day = Period(utc(year, 2, 28), utc(year, 2, 28, 6))
    assert prorated(Decimal(hours), day, february) == 6


def test_a_leap_year_has_366_days() -> None:
    part = Period(utc(2028, 2, 29), utc(2028, 3, 1))
    year = Period(utc(2028, 1, 1), utc(2029, 1, 1))
    assert prorated(Decimal(36600), part, year) == 100


def test_days_of_a_month_add_up_to_it() -> None:
    days = [april(day, day + 1) for day in range(1, 31)]
    assert total(prorated(Decimal(1000), day, APRIL) for day in days) == 1000


@pytest.mark.parametrize(
    ("method", "places", "expected"),
    [
        (HALF_UP, 2, "402.97"),
        (FLOOR, 2, "402.96"),
        (CEILING, 2, "402.97"),
        (HALF_UP, 0, "403"),
        (HALF_UP, -1, "400"),
        (CEILING, -1, "410"),
        (FLOOR, -2, "400"),
        (CEILING, -2, "500"),
        (FLOOR, -5, "0"),
        (CEILING, -5, "100000"),
        (HALF_UP, 5, "402.96667"),
    ],
)
def test_a_rounded_share(method: FiatRounding, places: int, expected: str) -> None:
    """1099 x 11 / 30 = 402.9666..."""
    rounding = ProrationRounding(places, method)
    assert prorated(Decimal(1099), april(20, 31), APRIL, rounding) == Decimal(expected)


@pytest.mark.parametrize(("method", "expected"), [(HALF_UP, "1"), (FLOOR, "0"), (CEILING, "1")])
def test_a_tie(method: FiatRounding, expected: str) -> None:
    assert prorated(Decimal(1), april(1, 16), APRIL, ProrationRounding(0, method)) == Decimal(
        expected
    )


@pytest.mark.parametrize(("method", "expected"), [(HALF_UP, "-1"), (FLOOR, "-1"), (CEILING, "0")])
def test_a_tie_below_zero(method: FiatRounding, expected: str) -> None:
    assert prorated(Decimal(-1), april(1, 16), APRIL, ProrationRounding(0, method)) == Decimal(
        expected
    )


def test_an_exact_share_is_not_rounded_away() -> None:
    for method in FiatRounding:
        assert prorated(Decimal(300), april(1, 2), APRIL, ProrationRounding(0, method)) == 10


def test_the_unit_price_is_prorated_and_the_quantity_is_not() -> None:
    model = Prorated(price_model(flat("3000")), april(16, 31), APRIL)
    (piece,) = model.pieces(Decimal(10), Decimal(12))
    assert piece[:3] == (2, 1500, 3000)


def test_every_tier_is_prorated() -> None:
    model = Prorated(price_model(tiered(("3000", "10"), ("2000", None))), april(16, 31), APRIL)
    pieces = model.pieces(Decimal(8), Decimal(12))
    assert [(piece.quantity, piece.amount) for piece in pieces] == [(2, 3000), (2, 2000)]


def test_a_part_outside_the_whole_is_our_fault() -> None:
    with pytest.raises(AssertionError):
        prorated(Decimal(1), Period(APRIL.start, utc(2027, 5, 2)), APRIL)
