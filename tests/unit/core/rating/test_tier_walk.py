from decimal import Decimal

import pytest
from tests.unit.core.builders import tiered

from meterline.core.rating.tier_walk import TierPosition, bands, walk

SCALE = bands(tiered(("3", "100"), ("2", "900"), ("1", None)).tiers)


def steps(before: str, after: str) -> list[tuple[int, Decimal]]:
    return [
        (step.band.position.level, step.quantity)
        for step in walk(SCALE, Decimal(before), Decimal(after))
    ]


def test_tiers_are_laid_end_to_end() -> None:
    assert [band.position for band in SCALE] == [
        TierPosition(1, Decimal(0), Decimal(100)),
        TierPosition(2, Decimal(100), Decimal(900)),
        TierPosition(3, Decimal(1000), None),
    ]
    assert [band.upper for band in SCALE] == [100, 1000, None]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # upper bounds are inclusive, lower bounds exclusive
        ("0", "100", [(1, "100")]),
        ("0", "100.000000000000000001", [(1, "100"), (2, "1e-18")]),
        ("99.5", "100.5", [(1, "0.5"), (2, "0.5")]),
        ("100", "101", [(2, "1")]),
        ("100", "1000", [(2, "900")]),
        ("0", "1000", [(1, "100"), (2, "900")]),
        ("0", "2500", [(1, "100"), (2, "900"), (3, "1500")]),
        ("1000", "1001", [(3, "1")]),
        ("5000", "5001", [(3, "1")]),
        # down again, in the same tiers
        ("100", "0", [(1, "-100")]),
        ("101", "100", [(2, "-1")]),
        ("2500", "50", [(1, "-50"), (2, "-900"), (3, "-1500")]),
        # below zero is the first tier's
        ("0", "-7", [(1, "-7")]),
        ("-7", "150", [(1, "107"), (2, "50")]),
        ("-7", "-3", [(1, "4")]),
        # a counter that stays
        ("0", "0", [(1, "0")]),
        ("100", "100", [(1, "0")]),
        ("100.1", "100.1", [(2, "0")]),
        ("1000", "1000", [(2, "0")]),
        ("1000.1", "1000.1", [(3, "0")]),
        ("-1", "-1", [(1, "0")]),
    ],
)
def test_walks(before: str, after: str, expected: list[tuple[int, str]]) -> None:
    assert steps(before, after) == [(level, Decimal(quantity)) for level, quantity in expected]


def test_one_tier_without_end_takes_all() -> None:
    single = bands(tiered(("5", None)).tiers)
    assert [step.quantity for step in walk(single, Decimal(-3), Decimal(10**18))] == [10**18 + 3]


def test_huge_and_tiny_quantities_together() -> None:
    top = Decimal("9" * 18 + "." + "9" * 18)
    assert steps("0", str(top))[-1] == (3, Decimal("9" * 14 + "8999." + "9" * 18))


@pytest.mark.parametrize("tiers", [[("1", "10")], [("1", None), ("2", None)], []])
def test_unsound_scales_are_faults(tiers: list[tuple[str, str | None]]) -> None:
    with pytest.raises(AssertionError):
        bands(tiered(*tiers).tiers)
