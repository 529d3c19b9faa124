from dataclasses import replace
from decimal import Decimal

import pytest
from tests.unit.core.builders import (
    MILLION,
    NOVEMBER,
    card,
    flat,
    metric,
    product,
    rate,
    uid,
    utc,
)

from meterline.core.catalogue import (
    CreditTypeConversion,
    Product,
    ProductType,
    ProductUpdate,
    ProductVersion,
    product_versions,
)
from meterline.core.contract import UsageFilter
from meterline.core.period import Period
from meterline.core.rating import PriceList, rate_plan

MID, LATE = utc(2026, 11, 15, 7), utc(2026, 11, 20)


def test_an_unchanging_price_needs_no_cuts() -> None:
    plan = rate_plan(PriceList(card(), [product()], [metric()], [rate(flat("1"))]), NOVEMBER)
    assert plan.cuts == {uid(1): (NOVEMBER.start, NOVEMBER.end)}
    (tokens,) = plan.products
    (grouping,) = tokens.groupings
    (segment,) = grouping.stints[0].prices[()]
    assert (segment.period, segment.first, segment.last) == (NOVEMBER, 0, 1)


def test_the_cuts_of_a_metric_are_the_changes_of_all_its_products() -> None:
    price_list = PriceList(
        card(),
        [product(10), product(11, "Calls"), product(12, "Other", metric_id=uid(2))],
        [metric(1), metric(2)],
        [
            rate(flat("1"), product_id=uid(10)),
            rate(flat("2"), product_id=uid(10), starting_at=MID),
            rate(flat("1"), product_id=uid(11), starting_at=LATE),
            rate(flat("1"), product_id=uid(12)),
        ],
    )
    plan = rate_plan(price_list, NOVEMBER)
    assert plan.cuts[uid(1)] == (NOVEMBER.start, MID, LATE, NOVEMBER.end)
    assert plan.cuts[uid(2)] == (NOVEMBER.start, NOVEMBER.end)
    tokens = next(found for found in plan.products if found.id == uid(10))
    segments = tokens.groupings[0].stints[0].prices[()]
    assert [(segment.first, segment.last) for segment in segments] == [(0, 1), (1, 3)]


def test_filters_cut_every_metric() -> None:
    usage_filter = UsageFilter("workspace", frozenset({"a"}), MID)
    plan = rate_plan(
        PriceList(card(), [product()], [metric()], [rate(flat("1"))]), NOVEMBER, [usage_filter]
    )
    assert plan.cuts[uid(1)] == (NOVEMBER.start, MID, NOVEMBER.end)
    (metric_plan,) = plan.metrics.values()
    before, after = metric_plan.admissions
    assert before is None
    assert after is not None
    assert after.position is None  # the metric cannot be told apart by workspace


def test_products_are_ordered_by_the_card_then_by_name() -> None:
    products = [product(10, "b"), product(11, "z"), product(12, "a"), product(13, "y")]
    rates = [rate(flat("1"), product_id=found.id) for found in products]
    price_list = PriceList(card(product_order=(uid(13), uid(11))), products, [metric()], rates)
    assert [found.name for found in rate_plan(price_list, NOVEMBER).products] == [
        "y",
        "z",
        "a",
        "b",
    ]


def test_products_without_a_rate_and_of_other_types_are_left_out() -> None:
    fixed = Product(uid(11), ProductType.FIXED, (ProductVersion("Setup"),))
    price_list = PriceList(
        card(), [product(10), fixed], [metric()], [rate(flat("1"), product_id=uid(11))]
    )
    assert rate_plan(price_list, NOVEMBER).products == ()


def test_a_product_shows_its_last_name_of_the_period_and_is_not_cut_by_it() -> None:
    versions = product_versions(
        product().versions[0],
        [
            ProductUpdate(MID, {"name": "Renamed", "tags": ("new",)}),
            ProductUpdate(utc(2026, 12, 1), {"name": "Next month"}),
        ],
    )
    plan = rate_plan(
        PriceList(card(), [replace(product(), versions=versions)], [metric()], [rate(flat("1"))]),
        NOVEMBER,
    )
    assert [(found.name, found.tags) for found in plan.products] == [("Renamed", ("new",))]
    assert plan.cuts[uid(1)] == (NOVEMBER.start, NOVEMBER.end)


def test_a_change_of_measure_makes_a_second_stint() -> None:
    versions = product_versions(
        product().versions[0],
        [ProductUpdate(MID, {"billable_metric_id": uid(2), "quantity_conversion": MILLION})],
    )
    plan = rate_plan(
        PriceList(
            card(),
            [replace(product(), versions=versions)],
            [metric(1), metric(2)],
            [rate(flat("1"))],
        ),
        NOVEMBER,
    )
    ((grouping,),) = (found.groupings for found in plan.products)
    assert [(stint.metric_id, stint.rule is None) for stint in grouping.stints] == [
        (uid(1), True),
        (uid(2), False),
    ]
    assert [stint.prices[()][0].period for stint in grouping.stints] == [
        Period(NOVEMBER.start, MID),
        Period(MID, NOVEMBER.end),
    ]
    assert plan.cuts == dict.fromkeys((uid(1), uid(2)), (NOVEMBER.start, MID, NOVEMBER.end))


def test_group_values_are_found_by_position() -> None:
    grouped = metric(group_keys=[("region", "model"), ("account",)])
    tokens = product(pricing_group_key=("region",), presentation_group_key=("model",))
    plan = rate_plan(
        PriceList(card(), [tokens], [grouped], [rate(flat("1"), values={"region": "eu"})]),
        NOVEMBER,
    )
    (stint,) = plan.products[0].groupings[0].stints
    assert stint.positions == (2, 1)  # of (account, model, region)
    assert list(stint.prices) == [("eu",)]


def test_a_metric_that_is_not_given_is_a_fault() -> None:
    with pytest.raises(KeyError):
        rate_plan(PriceList(card(), [product()], [], [rate(flat("1"))]), NOVEMBER)


def test_conversions_are_those_of_the_card() -> None:
    converting = card(credit_type_conversions=(CreditTypeConversion(uid(77), Decimal(2)),))
    plan = rate_plan(PriceList(converting, [], [], []), NOVEMBER)
    assert plan.conversions == {uid(77): 2}
