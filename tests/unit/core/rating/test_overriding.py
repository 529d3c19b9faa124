"""Overrides in the customer's words: which one acts, when, on what. Prices are read off the plan of a November."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from tests.unit.core.builders import (
    LONG_AGO,
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
    CustomModel,
    CustomRate,
    Product,
    ProductVersion,
    Rate,
    RateTerms,
    RateType,
)
from meterline.core.contract.override import (
    Override,
    OverrideSpecifier,
    OverrideTarget,
    OverrideTier,
    OverrideType,
    Prioritization,
)
from meterline.core.ledger.grant import Grant, GrantKind, RateChoice
from meterline.core.money import USD_CENTS, CreditType
from meterline.core.rating import PriceList, RatePlan, charges, product_totals, rate_plan
from meterline.core.rating.plan import PriceSegment
from meterline.core.usage import SegmentUsage

CREDITS = CreditType(uid(77), "credits", False)
EXPLICIT = Prioritization.EXPLICIT
THE_10TH = utc(2026, 11, 10)
THE_20TH = utc(2026, 11, 20)
P10 = OverrideSpecifier(product_id=uid(10))


def override(
    number: int,
    *specifiers: OverrideSpecifier,
    times: str | None = None,
    price: str | None = None,
    starting_at: datetime = LONG_AGO,
    **fields: object,
) -> Override:
    """A multiplier (`times`), an overwrite (`price`), or what `fields` say."""
    kind = OverrideType.OVERWRITE if times is None else OverrideType.MULTIPLIER
    effect: dict[str, object] = {
        "multiplier": None if times is None else Decimal(times),
        "overwrite": None if price is None else flat(price),
        **fields,
    }
    return Override(uid(number), kind, starting_at, specifiers=specifiers, **effect)  # type: ignore[arg-type]


def grant(rate_type: RateChoice = RateChoice.LIST_RATE, **fields: object) -> Grant:
    return Grant(
        uid(71),
        uid(300),
        GrantKind.CREDIT,
        uid(11),
        USD_CENTS,
        (),
        LONG_AGO,
        rate_type=rate_type,
        **fields,  # type: ignore[arg-type]
    )


def plan(
    *overrides: Override,
    rates: tuple[Rate, ...] = (rate(flat("10")),),
    sold: Product | None = None,
    prioritization: Prioritization = Prioritization.LOWEST_MULTIPLIER,
) -> RatePlan:
    price_list = PriceList(
        card(),
        [sold or product()],
        [metric(group_keys=[("model",), ("model", "user")])],
        rates,
    )
    return rate_plan(price_list, NOVEMBER, (), overrides, prioritization)


def segments(compiled: RatePlan, *values: str) -> tuple[PriceSegment, ...]:
    for one in compiled.products:
        return one.groupings[0].stints[0].prices.get(values, ())
    return ()


def prices(compiled: RatePlan, *values: str) -> list[tuple[int, str]]:
    """(day it starts, price) of each segment."""
    return [
        (one.period.start.day, format(one.rate.terms.price, "f"))  # type: ignore[str-bytes-safe]
        for one in segments(compiled, *values)
    ]


def price(compiled: RatePlan, *values: str) -> str:
    ((_, found),) = prices(compiled, *values)
    return found


def commit_price(compiled: RatePlan, payer: Grant) -> Decimal:
    (segment,) = segments(compiled)
    (piece,) = segment.commit_model(payer, ()).pieces(Decimal(0), Decimal(1))
    return piece.amount


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ((), "10"),
        ((override(1, times="0.8"),), "8.0"),
        ((override(1, P10, times="0"),), "0"),
        ((override(1, P10, times="1.5"),), "15.0"),
        # The lowest multiplier, whatever the order; never both.
        ((override(1, times="0.8"), override(2, P10, times="0.9")), "8.0"),
        ((override(1, P10, times="0.9"), override(2, times="0.8")), "8.0"),
        # Overwrites before multipliers; of overwrites the last added.
        ((override(1, times="0.1"), override(2, P10, price="9")), "9"),
        ((override(1, P10, price="9"), override(2, times="0.1")), "9"),
        ((override(1, P10, price="3"), override(2, P10, price="9")), "9"),
        # One for another product, or that is over, or has not begun.
        ((override(1, OverrideSpecifier(product_id=uid(12)), times="0.5"),), "10"),
        ((override(1, times="0.5", ending_before=utc(2026, 11, 1)),), "10"),
        ((override(1, times="0.5", starting_at=utc(2026, 12, 1)),), "10"),
        # For subscriptions.
        ((override(1, OverrideSpecifier(billing_frequency="MONTHLY"), times="0.5"),), "10"),
    ],
)
def test_exactly_one_acts(overrides: tuple[Override, ...], expected: str) -> None:
    assert price(plan(*overrides)) == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [("1", "2", "9.0"), ("2", "1", "5.0"), ("1.5", "1.25", "5.0"), ("1", "1", "5.0")],
)
def test_explicit_priorities_beat_lower_multipliers(first: str, second: str, expected: str) -> None:
    found = plan(
        override(1, times="0.9", priority=Decimal(first)),
        override(2, times="0.5", priority=Decimal(second)),
        prioritization=EXPLICIT,
    )
    assert price(found) == expected


def test_windows_cut_the_period_and_what_is_beneath_comes_back() -> None:
    found = plan(
        override(1, times="0.5", starting_at=THE_10TH, ending_before=THE_20TH),
        rates=(rate(flat("10")), rate(flat("20"), starting_at=utc(2026, 11, 15))),
    )
    assert prices(found) == [(1, "10"), (10, "5.0"), (15, "10.0"), (20, "20")]


def test_a_multiplier_follows_the_card_and_an_overwrite_does_not() -> None:
    rates = (rate(flat("10")), rate(flat("20"), starting_at=THE_10TH))
    assert prices(plan(override(1, times="0.9"), rates=rates)) == [(1, "9.0"), (10, "18.0")]
    assert [found for _, found in prices(plan(override(1, P10, price="7"), rates=rates))] == [
        "7",
        "7",
    ]


def test_the_counter_runs_on_through_an_override() -> None:
    found = plan(
        override(1, times="0.5", starting_at=THE_10TH),
        rates=(rate(tiered(("10", "100"), ("8", None))),),
    )
    book = {
        uid(1): [
            SegmentUsage((None, None), 0, Decimal(90)),
            SegmentUsage((None, None), 1, Decimal(20)),
        ]
    }
    assert [
        (one.piece.quantity, one.piece.unit_price, one.piece.tier and one.piece.tier.level)
        for one in charges(found, book)
    ] == [(90, 10, 1), (10, 5, 1), (10, 4, 2)]


def test_tags_must_all_be_there_as_the_product_is_then() -> None:
    sold = Product(
        uid(10),
        product().type,
        (
            ProductVersion("p", None, uid(1), tags=("llm",)),
            ProductVersion("p", THE_10TH, uid(1), tags=("beta", "llm")),
        ),
    )
    both = OverrideSpecifier(product_tags=("llm", "beta"))
    one = OverrideSpecifier(product_tags=("llm",))
    assert prices(plan(override(1, both, times="0.5"), sold=sold)) == [(1, "10"), (10, "5.0")]
    assert prices(plan(override(1, one, times="0.5"), sold=sold)) == [(1, "5.0")]


DIMENSIONAL = product(pricing_group_key=("model",))
BY_MODEL = tuple(rate(flat("10"), values={"model": name}) for name in ("a", "b"))


def test_group_values_restrict_and_specifiers_are_alternatives() -> None:
    of_a = OverrideSpecifier(pricing_group_values={"model": "a"})
    found = plan(override(1, of_a, times="0.5"), rates=BY_MODEL, sold=DIMENSIONAL)
    assert (price(found, "a"), price(found, "b")) == ("5.0", "10")
    of_b = OverrideSpecifier(pricing_group_values={"model": "b"})
    found = plan(override(1, of_a, of_b, times="0.5"), rates=BY_MODEL, sold=DIMENSIONAL)
    assert (price(found, "a"), price(found, "b")) == ("5.0", "5.0")
    a_of_other = OverrideSpecifier(uid(12), pricing_group_values={"model": "a"})
    found = plan(override(1, a_of_other, times="0.5"), rates=BY_MODEL, sold=DIMENSIONAL)
    assert price(found, "a") == "10"


def test_an_overwrite_sells_what_the_card_does_not() -> None:
    of_c = OverrideSpecifier(uid(10), pricing_group_values={"model": "c"})
    found = plan(
        override(1, of_c, price="3", starting_at=THE_10TH, ending_before=THE_20TH),
        override(2, times="0.5"),  # there is no list price for it to act on
        rates=BY_MODEL,
        sold=DIMENSIONAL,
    )
    assert prices(found, "c") == [(10, "3")]
    (segment,) = segments(found, "c")
    assert (segment.listed, segment.rate.credit_type) == (None, USD_CENTS)
    alone = plan(override(1, P10, price="3"), rates=())
    assert product_totals(alone, {uid(1): [SegmentUsage((None, None), 0, Decimal(5))]}) == {
        (uid(10), USD_CENTS.id): (Decimal(15), Decimal(5))
    }


def test_a_card_that_sells_nothing_and_a_multiplier_is_nothing() -> None:
    assert plan(override(1, times="0.5"), rates=()).products == ()


@pytest.mark.parametrize(
    ("listed", "answers", "sold"),
    [
        (True, (), True),
        (False, (), False),
        (False, (True,), True),
        (True, (False,), False),
        (False, (True, False), False),
        (True, (False, True), True),
        (True, (False, False, True), True),
        (True, (True, True, False), False),
    ],
)
def test_the_last_added_override_that_says_so_entitles(
    listed: bool, answers: tuple[bool, ...], sold: bool
) -> None:
    overrides = [override(one, P10, entitled=each) for one, each in enumerate(answers, 1)]
    found = plan(*overrides, rates=(rate(flat("10"), entitled=listed),))
    assert prices(found) == ([(1, "10")] if sold else [])


def test_a_price_alone_does_not_entitle() -> None:
    rates = (rate(flat("10"), entitled=False),)
    assert prices(plan(override(1, P10, price="3"), rates=rates)) == []
    assert prices(plan(override(1, P10, price="3", entitled=True), rates=rates)) == [(1, "3")]
    assert prices(plan(override(1, times="0.5"), override(2, entitled=True), rates=rates)) == [
        (1, "5.0")
    ]


def test_entitled_for_a_while() -> None:
    lent = override(1, P10, entitled=True, starting_at=THE_10TH, ending_before=THE_20TH)
    assert prices(plan(lent, rates=(rate(flat("10"), entitled=False),))) == [(10, "10")]


def test_presentation_values_pick_lines_and_the_rank_stays() -> None:
    sold = product(pricing_group_key=("model",), presentation_group_key=("user",))
    of_u1 = OverrideSpecifier(presentation_group_values={"user": "u1"})
    found = plan(
        override(1, times="0.8"),
        override(2, of_u1, times="0.5"),
        override(3, OverrideSpecifier(presentation_group_values={"user": "u2"}), times="0.9"),
        rates=BY_MODEL,
        sold=sold,
    )
    book = {uid(1): [SegmentUsage(("a", user), 0, Decimal(1)) for user in ("u1", "u2", None)]}
    assert [(one.values[1], one.piece.amount) for one in charges(found, book)] == [
        (None, 8),
        ("u1", 5),
        ("u2", 8),
    ]
    assert product_totals(found, book)[uid(10), USD_CENTS.id] == (21, 3)
    (segment,) = segments(found, "a")
    assert segment.acting(("a", "u1")).override == override(2, of_u1, times="0.5")


def test_presentation_values_the_product_does_not_show_are_no_lines() -> None:
    other = OverrideSpecifier(presentation_group_values={"team": "x"})
    assert price(plan(override(1, other, times="0.5"))) == "10"


def test_commit_specific_overrides_are_about_what_a_grant_pays_for() -> None:
    found = plan(override(1, times="0.5", is_commit_specific=True))
    assert price(found) == "10"
    assert commit_price(found, grant()) == 5


@pytest.mark.parametrize(
    ("specifier", "payer", "expected"),
    [
        (OverrideSpecifier(uid(10), grant_ids=(uid(71),)), grant(), 5),
        (OverrideSpecifier(uid(10), grant_ids=(uid(72),)), grant(), 10),
        (OverrideSpecifier(uid(10), recurring_grant_ids=(uid(80),)), grant(), 10),
        (
            OverrideSpecifier(uid(10), recurring_grant_ids=(uid(80),)),
            grant(recurring_grant_id=uid(80)),
            5,
        ),
        # any_commit_or_credit_ids may name a recurring one.
        (OverrideSpecifier(uid(10), grant_ids=(uid(80),)), grant(recurring_grant_id=uid(80)), 5),
        (OverrideSpecifier(uid(12), grant_ids=(uid(71),)), grant(), 10),
    ],
)
def test_which_grants_are_meant(specifier: OverrideSpecifier, payer: Grant, expected: int) -> None:
    assert (
        commit_price(plan(override(1, specifier, times="0.5", is_commit_specific=True)), payer)
        == expected
    )


AT_COMMIT_RATE = grant(RateChoice.COMMIT_RATE)
WITH_COMMIT_RATE = (replace(rate(flat("10")), commit_terms=flat("6")),)


@pytest.mark.parametrize(
    ("overrides", "payer", "expected"),
    [
        ((), grant(), 10),
        ((), AT_COMMIT_RATE, 6),
        # General overrides are of the list price.
        ((override(1, times="0.5"),), grant(), 5),
        ((override(1, times="0.5"),), AT_COMMIT_RATE, 6),
        ((override(1, P10, price="4"),), AT_COMMIT_RATE, 6),
        # Commit-specific ones outrank the commit rate, and general overwrites.
        ((override(1, P10, price="3", is_commit_specific=True),), AT_COMMIT_RATE, 3),
        ((override(1, P10, price="3", is_commit_specific=True),), grant(), 3),
        (
            (
                override(1, times="0.7", is_commit_specific=True),
                override(2, P10, price="4"),
            ),
            grant(),
            7,
        ),
        (
            (
                override(1, P10, price="3", is_commit_specific=True),
                override(2, times="0.1", is_commit_specific=True),
            ),
            grant(),
            3,
        ),
        # Of the commit rate: only for grants that pay at it, and times the commit rate.
        (
            (override(1, times="0.5", is_commit_specific=True, target=OverrideTarget.COMMIT_RATE),),
            grant(),
            10,
        ),
        (
            (override(1, times="0.5", is_commit_specific=True, target=OverrideTarget.COMMIT_RATE),),
            AT_COMMIT_RATE,
            3,
        ),
        (
            (
                override(
                    1, times="0.5", is_commit_specific=True, target=OverrideTarget.COMMIT_RATE
                ),
                override(2, times="0.1", is_commit_specific=True),
            ),
            AT_COMMIT_RATE,
            3,
        ),
        ((override(2, times="0.1", is_commit_specific=True),), AT_COMMIT_RATE, 1),
    ],
)
def test_what_a_grant_pays(overrides: tuple[Override, ...], payer: Grant, expected: int) -> None:
    assert commit_price(plan(*overrides, rates=WITH_COMMIT_RATE), payer) == expected


def test_the_commit_rate_goes_when_an_overwrite_changes_the_unit() -> None:
    found = plan(override(1, P10, price="4", overwrite_credit_type=CREDITS), rates=WITH_COMMIT_RATE)
    (segment,) = segments(found)
    assert segment.rate.credit_type == CREDITS
    assert commit_price(found, AT_COMMIT_RATE) == 4


def tiered_override(number: int, *tiers: tuple[str, str | None], priority: str = "1") -> Override:
    return Override(
        uid(number),
        OverrideType.TIERED,
        LONG_AGO,
        tiers=tuple(
            OverrideTier(Decimal(times), None if size is None else Decimal(size))
            for times, size in tiers
        ),
        priority=Decimal(priority),
    )


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (flat("10"), tiered(("9.0", "100"), ("5.0", None))),
        (
            tiered(("10", "50"), ("8", "100"), ("4", None)),
            tiered(("9.0", "50"), ("7.2", "50"), ("4.0", "50"), ("2.0", None)),
        ),
        (
            tiered(("10", "100"), ("8", None)),
            tiered(("9.0", "100"), ("4.0", None)),
        ),
        (
            RateTerms(RateType.PERCENTAGE, Decimal("0.1")),
            RateTerms(
                RateType.TIERED_PERCENTAGE, tiers=tiered(("0.09", "100"), ("0.05", None)).tiers
            ),
        ),
    ],
)
def test_a_tiered_override_makes_a_finer_scale(listed: RateTerms, expected: RateTerms) -> None:
    found = plan(
        tiered_override(1, ("0.9", "100"), ("0.5", None)),
        rates=(rate(listed),),
        prioritization=EXPLICIT,
    )
    (segment,) = segments(found)
    assert segment.rate.terms == expected


def test_a_tiered_override_of_a_volume_price() -> None:
    volume = RateTerms(
        RateType.CUSTOM,
        custom=CustomRate(CustomModel.VOLUME, tiers=tiered(("10", "50"), ("8", None)).tiers),
    )
    found = plan(
        tiered_override(1, ("0.9", "100"), ("0.5", None)),
        rates=(rate(volume),),
        prioritization=EXPLICIT,
    )
    totals = product_totals(found, {uid(1): [SegmentUsage((None, None), 0, Decimal(150))]})
    # 100 units cost 800 at list, the next 50 another 400.
    assert totals[uid(10), USD_CENTS.id] == (Decimal("920.0"), 150)


def test_tiered_and_plain_multipliers_share_one_ranking() -> None:
    stepped = tiered_override(1, ("0.9", None), priority="2")
    found = plan(stepped, override(2, times="0.7", priority=Decimal(3)), prioritization=EXPLICIT)
    (segment,) = segments(found)
    assert segment.override == stepped
    found = plan(stepped, override(2, times="0.7", priority=Decimal(1)), prioritization=EXPLICIT)
    assert price(found) == "7.0"


def test_a_multiplier_of_custom_terms_leaves_limits_alone() -> None:
    terms = RateTerms(
        RateType.CUSTOM,
        custom=CustomRate(
            CustomModel.TIERED,
            tiers=(replace(tiered(("10", None)).tiers[0], flat_fee=Decimal(4)),),
            minimum_spend=Decimal(30),
            maximum_spend=Decimal(50),
        ),
    )
    found = plan(override(1, times="0.5"), rates=(rate(terms),))

    def amount(used: int) -> Decimal:
        rows = [SegmentUsage((None, None), 0, Decimal(used))]
        return product_totals(found, {uid(1): rows})[uid(10), USD_CENTS.id][0]

    assert [amount(used) for used in (0, 1, 6, 100)] == [30, 30, 32, 50]


def test_the_segment_tells_what_was_listed_and_which_override_acts() -> None:
    acting = override(1, times="0.5")
    (segment,) = segments(plan(acting))
    assert segment.listed == rate(flat("10"))
    assert segment.override == acting
    assert segment.acting(()).rate.terms == flat("5.0")


def test_overrides_without_effect_leave_the_plan_as_it_is() -> None:
    elsewhere = override(1, OverrideSpecifier(product_id=uid(12)), times="0.5")
    assert repr(plan(elsewhere)) == repr(plan())
