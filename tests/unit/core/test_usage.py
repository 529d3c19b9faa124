from decimal import Decimal

import pytest
from tests.unit.core.builders import uid

from meterline.core.metric import Aggregation
from meterline.core.usage import (
    Latest,
    Part,
    cumulative_values,
    merge,
    merge_all,
    segment_quantities,
    value,
)


def decimals(*numbers: int) -> tuple[Decimal, ...]:
    return tuple(Decimal(number) for number in numbers)


def test_sums_keep_every_digit() -> None:
    merged = merge(Aggregation.SUM, Decimal(10**30), Decimal("1e-18"))
    assert merged == Decimal("1000000000000000000000000000000.000000000000000001")


def test_the_latest_wins_by_time_then_by_id() -> None:
    early, late = Latest(1, uid(9), Decimal(5)), Latest(2, uid(1), Decimal(3))
    tied = Latest(2, uid(2), Decimal(4))
    assert merge(Aggregation.LATEST, late, early) == late
    assert merge(Aggregation.LATEST, tied, late) == tied
    assert merge(Aggregation.LATEST, late, tied) == tied


def test_parts_of_two_kinds_are_a_fault() -> None:
    with pytest.raises(TypeError):
        merge(Aggregation.UNIQUE, frozenset("a"), Decimal(1))


def test_nothing_is_zero() -> None:
    assert merge_all(Aggregation.MAX, [None, None]) is None
    assert value(None) == 0


@pytest.mark.parametrize(
    ("aggregation", "parts", "quantities"),
    [
        (Aggregation.COUNT, decimals(3, 4), (3, 4)),
        (Aggregation.SUM, (Decimal(3), None, Decimal(-5)), (3, 0, -5)),
        (Aggregation.MAX, decimals(3, 2, 7), (3, 0, 4)),
        (Aggregation.MAX, decimals(-5, 3), (-5, 8)),
        (
            Aggregation.UNIQUE,
            (frozenset("ab"), frozenset("bc"), frozenset("a")),
            (2, 1, 0),
        ),
        (
            Aggregation.LATEST,
            (Latest(1, uid(1), Decimal(10)), None, Latest(9, uid(2), Decimal(4))),
            (10, 0, -6),
        ),
    ],
)
def test_segments_are_what_they_add(
    aggregation: Aggregation, parts: tuple[Part | None, ...], quantities: tuple[int, ...]
) -> None:
    assert segment_quantities(aggregation, parts) == quantities


def test_cumulative_values_start_at_zero() -> None:
    assert cumulative_values(Aggregation.MAX, decimals(3, 2, 7)) == (0, 3, 3, 7)
    assert cumulative_values(Aggregation.MAX, ()) == (0,)
