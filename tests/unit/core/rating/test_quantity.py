from decimal import Decimal

import pytest

from meterline.core.catalogue import (
    Operation,
    QuantityConversion,
    QuantityRounding,
    RoundingMethod,
)
from meterline.core.rating.quantity import quantity_rule

DIVIDE, MULTIPLY = Operation.DIVIDE, Operation.MULTIPLY
UP, DOWN, HALF_UP = (
    RoundingMethod.ROUND_UP,
    RoundingMethod.ROUND_DOWN,
    RoundingMethod.ROUND_HALF_UP,
)


def apply(
    quantity: str,
    operation: Operation | None = None,
    factor: str = "1",
    method: RoundingMethod | None = None,
    places: int = 0,
) -> Decimal:
    rule = quantity_rule(
        operation and QuantityConversion(Decimal(factor), operation),
        method and QuantityRounding(method, places),
    )
    assert rule is not None
    return rule(Decimal(quantity))


def test_no_conversion_and_no_rounding_is_no_rule() -> None:
    assert quantity_rule(None, None) is None


@pytest.mark.parametrize(
    ("quantity", "operation", "factor", "expected"),
    [
        ("18059974", DIVIDE, "1000000", "18.059974"),
        ("1", DIVIDE, "8", "0.125"),
        ("1e-18", DIVIDE, "1e18", "1e-36"),
        ("1", DIVIDE, "1e-18", "1e18"),
        ("3", MULTIPLY, "0.001", "0.003"),
        (
            "1.000000000000000001",
            MULTIPLY,
            "1.000000000000000001",
            "1.000000000000000002" + "0" * 17 + "1",
        ),
        ("0", DIVIDE, "7", "0"),
        # quotients without end are kept to 36 places, half-even
        ("1", DIVIDE, "3", "0." + "3" * 36),
        ("2", DIVIDE, "3", "0." + "6" * 35 + "7"),
        ("-2", DIVIDE, "3", "-0." + "6" * 35 + "7"),
        ("1e-18", DIVIDE, "2e18", "0"),
        ("3e-18", DIVIDE, "2e18", "2e-36"),
        ("3", DIVIDE, "3", "1"),
        ("999999999999999999", DIVIDE, "3", "333333333333333333"),
    ],
)
def test_conversions(quantity: str, operation: Operation, factor: str, expected: str) -> None:
    assert apply(quantity, operation, factor) == Decimal(expected)


@pytest.mark.parametrize(
    ("quantity", "method", "places", "expected"),
    [
        ("1.1", UP, 0, "2"),
        ("1", UP, 0, "1"),
        ("-1.1", UP, 0, "-2"),
        ("0.000000000000000001", UP, 2, "0.01"),
        ("1.9", DOWN, 0, "1"),
        ("-1.9", DOWN, 0, "-1"),
        ("-0.9", DOWN, 0, "0"),
        ("2.5", HALF_UP, 0, "3"),
        ("-2.5", HALF_UP, 0, "-3"),
        ("2.4999999999", HALF_UP, 0, "2"),
        ("1.005", HALF_UP, 2, "1.01"),
        ("1.5", HALF_UP, 3, "1.5"),
    ],
)
def test_roundings(quantity: str, method: RoundingMethod, places: int, expected: str) -> None:
    assert apply(quantity, method=method, places=places) == Decimal(expected)


@pytest.mark.parametrize(
    ("quantity", "conversion", "rounding", "expected"),
    [
        ("1500000", (DIVIDE, "1000000"), (UP, 0), "2"),
        ("1499999", (DIVIDE, "1000000"), (HALF_UP, 0), "1"),
        ("10", (DIVIDE, "3"), (UP, 2), "3.34"),
        ("10", (DIVIDE, "3"), (DOWN, 2), "3.33"),
        ("5", (DIVIDE, "60"), (HALF_UP, 1), "0.1"),
        ("1.26", (MULTIPLY, "10"), (DOWN, 0), "12"),
        # rounded once, from the exact quotient 1 + 1e-37: 36 places first would make this 1
        ("9999999999999999999.000000000000000001", (DIVIDE, "9999999999999999999"), (UP, 0), "2"),
    ],
)
def test_conversion_comes_before_rounding(
    quantity: str,
    conversion: tuple[Operation, str],
    rounding: tuple[RoundingMethod, int],
    expected: str,
) -> None:
    assert apply(quantity, *conversion, *rounding) == Decimal(expected)
