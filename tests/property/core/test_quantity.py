"""Conversion and rounding against fractions: odd, monotone, and rounded once."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from tests.property.core.model import priced_quantity

from meterline.core.catalogue import (
    Operation,
    ProductVersion,
    QuantityConversion,
    QuantityRounding,
    RoundingMethod,
)
from meterline.core.decimals import EXACT
from meterline.core.rating.quantity import quantity_rule

quantities = st.decimals(-(10**18), 10**18, places=18) | st.integers(-100, 100).map(Decimal)
factors = st.decimals("1e-18", 10**12, places=18) | st.integers(1, 3_000_000).map(Decimal)
conversions = st.builds(QuantityConversion, factors, st.sampled_from(Operation))
roundings = st.none() | st.builds(
    QuantityRounding, st.sampled_from(RoundingMethod), st.integers(0, 18)
)


@given(conversions, roundings, quantities, quantities)
def test_the_rule_is_the_model_odd_and_monotone(
    conversion: QuantityConversion,
    rounding: QuantityRounding | None,
    one: Decimal,
    other: Decimal,
) -> None:
    rule = quantity_rule(conversion, rounding)
    assert rule is not None
    version = ProductVersion("product", quantity_conversion=conversion, quantity_rounding=rounding)
    if conversion.operation is Operation.DIVIDE or rounding is not None:
        assert Fraction(rule(one)) == priced_quantity(version, Fraction(one))
    else:
        assert Fraction(rule(one)) == Fraction(one) * Fraction(conversion.conversion_factor)
    assert rule(one.copy_negate()) == rule(one).copy_negate()
    assert (rule(one) <= rule(other)) or one > other


@given(conversions, st.lists(quantities, max_size=6))
def test_windows_of_a_running_quantity_add_up(
    conversion: QuantityConversion, steps: list[Decimal]
) -> None:
    rule = quantity_rule(conversion, QuantityRounding(RoundingMethod.ROUND_UP, 0))
    assert rule is not None
    running, added = Decimal(0), Decimal(0)
    for step in steps:
        until = running
        running = EXACT.add(running, step)
        added = EXACT.add(added, EXACT.subtract(rule(running), rule(until)))
    assert added == rule(running)
