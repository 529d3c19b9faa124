"""Charges of whole periods, each worked out by hand."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from tests.unit.core.builders import (
    MILLION,
    NOVEMBER,
    card,
    flat,
    metric,
    product,
    rate,
    tiered,
    uid,
    utc,
)

from meterline.core.catalogue import (
    ProductUpdate,
    QuantityRounding,
    Rate,
    RoundingMethod,
    product_versions,
)
from meterline.core.contract import UsageFilter
from meterline.core.metric import Aggregation
from meterline.core.rating import PriceList, RatePlan, charges, product_totals, rate_plan, unpriced
from meterline.core.usage import GroupValues, Latest, SegmentUsage

MID, LATE = utc(2026, 11, 15, 7), utc(2026, 11, 20)


def rows(*found: tuple[GroupValues, int, str]) -> list[SegmentUsage]:
    return [SegmentUsage(values, segment, Decimal(quantity)) for values, segment, quantity in found]


def lines(plan: RatePlan, usage: Sequence[SegmentUsage]) -> list[tuple[object, ...]]:
    """(group values, first segment, tier, quantity, amount) of every charge."""
    return [
        (
            charge.values,
            charge.segment.first,
            charge.piece.tier and charge.piece.tier.level,
            charge.piece.quantity,
            charge.piece.amount,
        )
        for charge in charges(plan, {uid(1): usage})
    ]


def ungrouped(
    *rates: Rate, aggregation: Aggregation = Aggregation.SUM, **fields: object
) -> RatePlan:
    return rate_plan(
        PriceList(card(), [product(**fields)], [metric(1, aggregation)], rates), NOVEMBER
    )


def test_an_ungrouped_product_shows_even_at_zero() -> None:
    assert lines(ungrouped(rate(flat("3"))), []) == [((), 0, None, 0, 0)]


def test_rows_of_one_place_are_merged() -> None:
    usage = rows(((), 0, "1.5"), ((), 0, "2"))
    assert lines(ungrouped(rate(flat("3"))), usage) == [
        ((), 0, None, Decimal("3.5"), Decimal("10.5"))
    ]


def test_tiers_run_on_across_a_rate_change() -> None:
    old = rate(tiered(("10", "100"), ("8", None)))
    new = rate(tiered(("5", "200"), ("4", None)), starting_at=MID)
    usage = rows(((), 0, "150"), ((), 1, "100"))
    # 100 x 10 + 50 x 8; then from 150 to 200 at 5 and from 200 to 250 at 4
    assert lines(ungrouped(old, new), usage) == [
        ((), 0, 1, 100, 1000),
        ((), 0, 2, 50, 400),
        ((), 1, 1, 50, 250),
        ((), 1, 2, 50, 200),
    ]


def test_a_correction_walks_back_down() -> None:
    plan = ungrouped(
        rate(tiered(("10", "100"), ("8", None))),
        rate(tiered(("9", "100"), ("7", None)), starting_at=MID),
    )
    usage = rows(((), 0, "150"), ((), 1, "-120"))
    # 150 to 30 under the new prices: 50 back at 7, 70 back at 9
    assert lines(plan, usage)[2:] == [((), 1, 1, -70, -630), ((), 1, 2, -50, -350)]


def test_usage_that_is_not_sold_yields_nothing_and_moves_no_counter() -> None:
    terms = tiered(("10", "100"), ("8", None))
    plan = ungrouped(
        rate(terms, entitled=False), rate(terms, starting_at=MID), rate(terms, starting_at=LATE)
    )
    usage = rows(((), 0, "500"), ((), 1, "60"))
    assert lines(plan, usage) == [((), 1, 1, 60, 600)]


def test_tiers_count_separately_for_each_group_value() -> None:
    grouped = metric(group_keys=[("region", "user")])
    tokens = product(pricing_group_key=("region",), presentation_group_key=("user",))
    terms = tiered(("10", "100"), ("8", None))
    plan = rate_plan(
        PriceList(
            card(),
            [tokens],
            [grouped],
            [rate(terms, values={"region": region}) for region in ("eu", "us")],
        ),
        NOVEMBER,
    )
    usage = rows(
        (("us", "u"), 0, "101"),
        (("eu", "u"), 0, "100"),
        (("eu", None), 0, "1"),
        (("moon", "u"), 0, "7"),  # no rate
        ((None, "u"), 0, "7"),  # no region
    )
    assert lines(plan, usage) == [
        (("eu", None), 0, 1, 1, 10),
        (("eu", "u"), 0, 1, 100, 1000),
        (("us", "u"), 0, 1, 100, 1000),
        (("us", "u"), 0, 2, 1, 8),
    ]
    assert [found.values for found in unpriced(plan, {uid(1): usage})] == [
        ("moon", "u"),
        (None, "u"),
    ]


def test_a_group_appears_only_where_it_has_usage() -> None:
    grouped = metric(group_keys=[("region",)])
    tokens = product(presentation_group_key=("region",))
    prices = [rate(flat("1")), rate(flat("2"), starting_at=MID)]
    plan = rate_plan(PriceList(card(), [tokens], [grouped], prices), NOVEMBER)
    assert lines(plan, []) == []
    usage = rows((("eu",), 1, "0"), (("us",), 0, "3"))
    assert lines(plan, usage) == [(("eu",), 1, None, 0, 0), (("us",), 0, None, 3, 3)]


def test_other_group_properties_are_summed_away() -> None:
    grouped = metric(group_keys=[("model",), ("user",)])
    tokens = product(presentation_group_key=("user",))
    plan = rate_plan(PriceList(card(), [tokens], [grouped], [rate(flat("1"))]), NOVEMBER)
    usage = rows((("m1", "u"), 0, "1"), (("m2", "u"), 0, "2"), ((None, "u"), 0, "4"))
    assert lines(plan, usage) == [(("u",), 0, None, 7, 7)]


def test_a_peak_is_charged_by_what_each_stretch_adds() -> None:
    plan = ungrouped(
        rate(flat("1")),
        rate(flat("10"), starting_at=MID),
        rate(flat("100"), starting_at=LATE),
        aggregation=Aggregation.MAX,
    )
    usage = rows(((), 0, "5"), ((), 0, "3"), ((), 1, "4"), ((), 2, "9"))
    assert lines(plan, usage) == [
        ((), 0, None, 5, 5),
        ((), 1, None, 0, 0),
        ((), 2, None, 4, 400),
    ]


def test_a_falling_latest_value_is_credited_at_the_price_in_force_when_it_falls() -> None:
    plan = ungrouped(
        rate(flat("1")), rate(flat("10"), starting_at=MID), aggregation=Aggregation.LATEST
    )
    usage = [
        SegmentUsage((), 0, Latest(1, uid(1), Decimal(8))),
        SegmentUsage((), 1, Latest(9, uid(2), Decimal(5))),
    ]
    assert lines(plan, usage) == [((), 0, None, 8, 8), ((), 1, None, -3, -30)]


def test_rounding_applies_to_the_quantity_since_the_start() -> None:
    plan = ungrouped(
        rate(flat("1")),
        rate(flat("10"), starting_at=MID),
        quantity_conversion=MILLION,
        quantity_rounding=QuantityRounding(RoundingMethod.ROUND_UP, 0),
    )
    # 0.4 million rounds up to 1; 0.8 million so far is still 1, so the second stretch adds nothing
    usage = rows(((), 0, "400000"), ((), 1, "400000"))
    assert lines(plan, usage) == [((), 0, None, 1, 1), ((), 1, None, 0, 0)]


def test_a_new_metric_counts_from_the_swap_on() -> None:
    versions = product_versions(
        product().versions[0], [ProductUpdate(MID, {"billable_metric_id": uid(2)})]
    )
    plan = rate_plan(
        PriceList(
            card(),
            [replace(product(), versions=versions)],
            [metric(1), metric(2)],
            [rate(tiered(("10", "100"), ("8", None)))],
        ),
        NOVEMBER,
    )
    usage = {
        uid(1): rows(((), 0, "90"), ((), 1, "1000")),
        uid(2): rows(((), 0, "2000"), ((), 1, "30")),
    }
    # 90 of the old metric, then 30 of the new one on the same counter: 10 in the first tier, 20 in
    # the second
    assert [(charge.piece.quantity, charge.piece.amount) for charge in charges(plan, usage)] == [
        (90, 900),
        (10, 100),
        (20, 160),
    ]


def filtered(filters: Sequence[UsageFilter], group_keys: Sequence[Sequence[str]]) -> RatePlan:
    return rate_plan(
        PriceList(card(), [product()], [metric(group_keys=group_keys)], [rate(flat("1"))]),
        NOVEMBER,
        filters,
    )


def test_a_usage_filter_keeps_what_is_the_contracts() -> None:
    first = UsageFilter("workspace", frozenset({"a", "b"}), utc(2026, 1, 1))
    second = UsageFilter("workspace", frozenset({"c"}), MID)
    plan = filtered([first, second], [("workspace",)])
    usage = rows(
        (("a",), 0, "1"),
        (("b",), 0, "2"),
        (("c",), 0, "4"),
        ((None,), 0, "8"),
        (("a",), 1, "16"),
        (("c",), 1, "32"),
    )
    assert lines(plan, usage) == [((), 0, None, 35, 35)]


def test_usage_that_cannot_be_told_apart_is_no_filtered_contracts() -> None:
    plan = filtered([UsageFilter("workspace", frozenset({"a"}), MID)], [("region",)])
    usage = rows((("a",), 0, "1"), (("a",), 1, "2"))
    assert lines(plan, usage) == [((), 0, None, 1, 1)]


def test_totals_are_by_product_and_unit() -> None:
    plan = rate_plan(
        PriceList(
            card(),
            [product(10), product(11, "Calls")],
            [metric()],
            [rate(flat("2")), rate(tiered(("1", "3"), ("5", None)), product_id=uid(11))],
        ),
        NOVEMBER,
    )
    cents = plan.fiat_credit_type.id
    assert product_totals(plan, {uid(1): rows(((), 0, "4"))}) == {
        (uid(10), cents): (8, 4),
        (uid(11), cents): (8, 4),
    }
