from decimal import Decimal, Inexact, getcontext

import pytest

from meterline.core.decimals import EXACT, decimal_issues, plain, total


@pytest.mark.parametrize(
    ("number", "shortest"),
    [
        ("0", "0"),
        ("-0.00", "0"),
        ("0E+7", "0"),
        ("1.500", "1.5"),
        ("1000", "1000"),
        ("1E+3", "1000"),
        ("-20.0", "-20"),
        ("100.010", "100.01"),
        ("0.000000000001000", "1E-12"),
        ("9" * 18 + "." + "9" * 18, "9" * 18 + "." + "9" * 18),
    ],
)
def test_plain_is_the_shortest_exact_form(number: str, shortest: str) -> None:
    assert str(plain(Decimal(number))) == shortest


def test_plain_raises_rather_than_lose_a_digit() -> None:
    with pytest.raises(Inexact):
        plain(Decimal("1" * 161))


def test_total_does_not_round_to_the_thread_context() -> None:
    terms = [Decimal(10**30), Decimal("1e-18"), Decimal(-(10**30))]
    assert getcontext().prec == 28
    assert total(terms) == Decimal("1e-18")
    assert sum(terms) != Decimal("1e-18")  # what the operators would have made of it


def test_the_widest_product_of_quantity_factor_and_price_is_exact() -> None:
    quantity = Decimal("9" * 27 + "." + "9" * 18)
    factor = price = Decimal("9" * 20 + "." + "9" * 18)
    amount = EXACT.multiply(EXACT.multiply(quantity, factor), price)
    assert int(amount.scaleb(54, EXACT)) == int("9" * 45) * int("9" * 38) ** 2


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("NaN", "must be a finite number"),
        ("-Infinity", "must be a finite number"),
        ("-0.01", "must not be negative"),
        ("1E+20", "must have at most 20 digits before the point"),
        ("1E+999999", "must have at most 20 digits before the point"),
        ("1E-19", "must have at most 18 digits after the point"),
        ("1.1234567890123456789", "must have at most 18 digits after the point"),
    ],
)
def test_decimals_that_a_caller_may_not_set(number: str, message: str) -> None:
    assert decimal_issues("price", Decimal(number)) == [("price", message)]


@pytest.mark.parametrize(
    "number", ["0", "-0", "0E-40", "1E-18", "99999999999999999999", "1." + "0" * 40]
)
def test_decimals_that_a_caller_may_set(number: str) -> None:
    assert decimal_issues("price", Decimal(number)) == []


def test_negative_numbers_are_allowed_where_asked_for() -> None:
    assert decimal_issues("price", Decimal(-1), negative=True) == []
