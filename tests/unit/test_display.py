from decimal import Decimal

import pytest

from meterline import display


@pytest.mark.parametrize(
    ("cents", "shown"),
    [
        ("4760.8895", "$47.61"),
        ("123456789", "$1,234,567.89"),
        ("0", "$0.00"),
        ("12.345", "$0.12345"),
        ("0.0004", "$0.000004"),
        ("50", "$0.50"),
        ("-250", "-$2.50"),
    ],
)
def test_cents_are_shown_as_dollars(cents: str, shown: str) -> None:
    assert display.amount(Decimal(cents)) == shown


def test_other_units_keep_their_name() -> None:
    assert display.amount(Decimal("12.50"), "EUR") == "12.5 EUR"


@pytest.mark.parametrize(
    ("cents", "shown"),
    [
        ("0.00005", "$0.50/million"),
        ("0.00000000001", "$0.0000001/million"),
        ("0.2", "$0.002"),
        ("0", "$0"),
        ("150000", "$1,500"),
    ],
)
def test_unit_prices_are_never_rounded(cents: str, shown: str) -> None:
    assert display.unit_price(Decimal(cents)) == shown


def test_quantities_have_no_trailing_zeros_and_no_exponent() -> None:
    assert display.quantity(Decimal("1E+6")) == "1,000,000"
    assert display.quantity(Decimal("0.1500")) == "0.15"
    assert display.quantity(None) == "–"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(None, "–"), (0.0984, "98 ms"), (2.06, "2.1 s"), (130, "2 min")]
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert display.duration(seconds) == shown
