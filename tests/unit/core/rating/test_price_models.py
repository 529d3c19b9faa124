from decimal import Decimal

import pytest
from tests.unit.core.builders import flat, tiered

from meterline.core.catalogue import RateTerms
from meterline.core.rating.models import price_model
from meterline.core.rating.piece import Piece


def amount(terms: RateTerms, before: str, after: str) -> Decimal:
    return sum(
        (piece.amount for piece in price_model(terms).pieces(Decimal(before), Decimal(after))),
        Decimal(0),
    )


@pytest.mark.parametrize(
    ("price", "before", "after", "expected"),
    [
        ("250", "0", "18.059974", "4514.9935"),
        ("1000", "0", "0.245896", "245.896"),
        ("0", "0", "1e18", "0"),
        ("1e-12", "0", "1", "1e-12"),
        ("1e-12", "0", "1e-18", "1e-30"),
        ("0.3", "10", "4", "-1.8"),
        ("7", "5", "5", "0"),
    ],
)
def test_flat(price: str, before: str, after: str, expected: str) -> None:
    assert amount(flat(price), before, after) == Decimal(expected)


def test_flat_is_one_piece_without_a_tier() -> None:
    pieces = price_model(flat("2")).pieces(Decimal(3), Decimal(8))
    assert pieces == [Piece(Decimal(5), Decimal(2), Decimal(10), None)]


TIERS = tiered(("10", "100"), ("8", "900"), ("5", None))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("0", "0", "0"),
        ("0", "1", "10"),
        ("0", "100", "1000"),
        ("0", "101", "1008"),
        ("0", "1000", "8200"),
        ("0", "1001", "8205"),
        ("0", "0.000001", "0.00001"),
        ("0", "100.5", "1004"),
        ("999.5", "1000.5", "6.5"),
        ("1001", "999", "-13"),
        ("50", "-50", "-1000"),
    ],
)
def test_tiered(before: str, after: str, expected: str) -> None:
    assert amount(TIERS, before, after) == Decimal(expected)


def test_a_tiered_price_of_36_digit_quantities_is_exact() -> None:
    """Checked in integers: quantities in units of 1e-18."""
    bound, top = 123456789 * 10**18 + 1, int("9" * 36)
    terms = tiered(("1e-18", "123456789.000000000000000001"), ("3e-12", None))
    low, high = price_model(terms).pieces(Decimal(0), Decimal("9" * 18 + "." + "9" * 18))
    assert low.quantity == Decimal(f"{bound}e-18")
    assert low.amount == Decimal(f"{bound}e-36")
    assert high.quantity == Decimal(f"{top - bound}e-18")
    assert high.amount == Decimal(f"{3 * (top - bound)}e-30")
