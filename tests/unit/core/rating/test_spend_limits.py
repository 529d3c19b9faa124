"""Minimum and maximum spend of a rate, through the walk of a period."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.unit.core.builders import NOVEMBER, card, flat, metric, product, rate, tiered, uid, utc

from meterline.core.catalogue import CustomModel, CustomRate, Rate, RateTerms, RateType
from meterline.core.decimals import total
from meterline.core.money import CreditType
from meterline.core.rating import (
    Charge,
    PieceKind,
    PriceList,
    RatePlan,
    charges,
    moves,
    product_totals,
    rate_plan,
)
from meterline.core.rating.windows import windowed
from meterline.core.usage import SegmentUsage

MIDDLE = utc(2026, 11, 16)
CREDITS = CreditType(uid(77), "credits", False)


def limited(price: str, *, least: str | None = None, most: str | None = None) -> RateTerms:
    return RateTerms(
        RateType.CUSTOM,
        custom=CustomRate(
            CustomModel.FLAT,
            Decimal(price),
            minimum_spend=None if least is None else Decimal(least),
            maximum_spend=None if most is None else Decimal(most),
        ),
    )


def plan_of(*rates: Rate) -> RatePlan:
    return rate_plan(PriceList(card(), [product()], [metric()], rates), NOVEMBER)


def usage(*quantities: str) -> dict[object, list[SegmentUsage]]:
    """The quantity of each segment, by number; "" for none."""
    rows = [
        SegmentUsage((), segment, Decimal(quantity))
        for segment, quantity in enumerate(quantities)
        if quantity
    ]
    return {uid(1): rows}


def shown(found: list[Charge]) -> list[tuple[PieceKind, str]]:
    return [(charge.piece.kind, format(charge.piece.amount, "f")) for charge in found]


def amount(plan: RatePlan, *quantities: str) -> Decimal:
    totals = product_totals(plan, usage(*quantities))  # type: ignore[arg-type]
    assert totals[uid(10), card().fiat_credit_type.id][0] == total(
        charge.piece.amount
        for charge in charges(plan, usage(*quantities))  # type: ignore[arg-type]
    )
    return totals[uid(10), card().fiat_credit_type.id][0]


@pytest.mark.parametrize(
    ("least", "most", "used", "expected"),
    [
        ("50", None, "", "50"),
        ("50", None, "0", "50"),
        ("50", None, "24", "50"),
        ("50", None, "25", "50"),
        ("50", None, "25.5", "51"),
        ("50", None, "-10", "50"),
        ("0", None, "3", "6"),
        (None, "50", "", "0"),
        (None, "50", "24", "48"),
        (None, "50", "25", "50"),
        (None, "50", "25.000001", "50"),
        (None, "50", "1e18", "50"),
        (None, "50", "-10", "-20"),
        (None, "0", "5", "0"),
        ("30", "50", "10", "30"),
        ("30", "50", "20", "40"),
        ("30", "50", "40", "50"),
        ("50", "50", "1", "50"),
        ("50", "50", "100", "50"),
    ],
)
def test_a_period_costs_no_less_and_no_more(
    least: str | None, most: str | None, used: str, expected: str
) -> None:
    assert amount(plan_of(rate(limited("2", least=least, most=most))), used) == Decimal(expected)


def test_what_is_raised_or_taken_off_is_a_piece_of_its_own() -> None:
    plan = plan_of(rate(limited("2", least="30", most="50")))
    assert shown(charges(plan, usage("40"))) == [  # type: ignore[arg-type]
        (PieceKind.UNITS, "80"),
        (PieceKind.MAXIMUM_SPEND, "-30"),
    ]
    assert shown(charges(plan, usage("10"))) == [  # type: ignore[arg-type]
        (PieceKind.UNITS, "20"),
        (PieceKind.MINIMUM_SPEND, "10"),
    ]
    assert product_totals(plan, usage("40")) == {  # type: ignore[arg-type]
        (uid(10), card().fiat_credit_type.id): (Decimal(50), Decimal(40))
    }


@pytest.mark.parametrize(
    ("first", "second", "used", "expected"),
    [
        # The same maximum goes on through a change of price.
        (limited("1", most="100"), limited("2", most="100"), ("80", "30"), "100"),
        (limited("1", most="100"), limited("2", most="100"), ("200", "30"), "100"),
        # A maximum that rises lets what follows cost again, but not what it had cut off.
        (limited("1", most="100"), limited("1", most="200"), ("150", "30"), "130"),
        (limited("1", most="100"), limited("1", most="200"), ("150", "500"), "150"),
        # One that falls gives nothing back.
        (limited("1", most="200"), limited("1", most="100"), ("150", "30"), "150"),
        # None, then one; one, then none.
        (flat("1"), limited("1", most="100"), ("80", "30"), "100"),
        (limited("1", most="100"), flat("1"), ("150", "30"), "130"),
        # The minimum is the last rate's.
        (limited("1", least="100"), flat("1"), ("10", "10"), "20"),
        (flat("1"), limited("1", least="100"), ("10", "10"), "100"),
        (limited("1", least="50"), limited("1", least="100"), ("10", "10"), "100"),
        # A correction after the cut comes off what was beyond it first.
        (limited("1", most="100"), limited("1", most="100"), ("150", "-30"), "100"),
        (limited("1", most="100"), limited("1", most="100"), ("150", "-80"), "70"),
    ],
)
def test_limits_look_at_the_whole_period(
    first: RateTerms, second: RateTerms, used: tuple[str, str], expected: str
) -> None:
    plan = plan_of(rate(first), rate(second, starting_at=MIDDLE))
    if first == second:
        plan = windowed(plan, [MIDDLE])
    assert amount(plan, *used) == Decimal(expected)


def test_limits_are_of_each_combination_of_group_values() -> None:
    dimensional = product(pricing_group_key=("model",), presentation_group_key=("user",))
    counted = metric(group_keys=[("model", "user")])
    rates = [
        rate(limited("1", least="30", most="50"), values={"model": "a"}),
        rate(flat("1"), values={"model": "b"}),
    ]
    plan = rate_plan(PriceList(card(), [dimensional], [counted], rates), NOVEMBER)
    rows = [
        SegmentUsage(("a", "u1"), 0, Decimal(70)),
        SegmentUsage(("a", "u2"), 0, Decimal(10)),
        SegmentUsage(("b", "u1"), 0, Decimal(70)),
    ]
    found = charges(plan, {uid(1): rows})
    assert [(one.values, one.piece.kind, str(one.piece.amount)) for one in found] == [
        (("a", "u1"), PieceKind.UNITS, "70"),
        (("a", "u1"), PieceKind.MAXIMUM_SPEND, "-20"),
        (("a", "u2"), PieceKind.UNITS, "10"),
        (("a", "u2"), PieceKind.MINIMUM_SPEND, "20"),
        (("b", "u1"), PieceKind.UNITS, "70"),
    ]
    assert charges(plan, {uid(1): []}) == []


def test_a_minimum_counts_what_is_charged_in_its_own_unit() -> None:
    plan = plan_of(
        rate(flat("1"), credit_type=CREDITS),
        rate(limited("1", least="100"), starting_at=MIDDLE),
    )
    assert product_totals(plan, usage("60", "30")) == {  # type: ignore[arg-type]
        (uid(10), CREDITS.id): (Decimal(60), Decimal(60)),
        (uid(10), card().fiat_credit_type.id): (Decimal(100), Decimal(30)),
    }


def test_the_shortfall_moves_money_at_the_end_of_the_last_rate() -> None:
    plan = plan_of(rate(flat("1")), rate(limited("1", least="100"), starting_at=MIDDLE))
    *_, last = moves(plan, usage("10", ""))  # type: ignore[arg-type]
    assert (last.before, last.after) == (0, 90)
    assert last.segment.period.end == NOVEMBER.end
    (piece,) = last.segment.list_model(last.values).pieces(Decimal(0), Decimal(90))
    assert (piece.quantity, piece.unit_price, piece.amount) == (90, 1, 90)


def test_without_limits_a_plan_is_plain() -> None:
    plan = plan_of(rate(tiered(("1", "5"), ("2", None))))
    assert [one.is_limited for one in plan.products[0].groupings] == [False]
    limited_plan = plan_of(rate(limited("1", most="5")))
    assert [one.is_limited for one in limited_plan.products[0].groupings] == [True]
