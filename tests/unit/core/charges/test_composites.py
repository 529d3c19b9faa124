"""Support at a percentage of spend, in cents, in November 2026."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from tests.unit.core.builders import LONG_AGO, NOVEMBER, card, rate, uid, utc
from tests.unit.core.charges.builders import composite

from meterline.core.catalogue import (
    CreditTypeConversion,
    Product,
    ProductUpdate,
    Rate,
    RateTerms,
    RateType,
    Tier,
    product_versions,
)
from meterline.core.charges import (
    CompositeCharge,
    Spend,
    composite_charges,
    composite_plan,
)
from meterline.core.money import USD_CENTS, CreditType
from meterline.core.period import Period
from meterline.core.rating import PriceList, rate_at

CALLS, STORAGE, SEAT = uid(10), uid(11), uid(12)
SUPPORT, PLATFORM = uid(20), uid(21)
TOKENS = CreditType(uid(7), "Tokens", False)
EARLY, MID, LATE = utc(2026, 11, 3), utc(2026, 11, 16), utc(2026, 11, 20)


def percent(fraction: str) -> RateTerms:
    return RateTerms(RateType.PERCENTAGE, Decimal(fraction))


def spend(
    product_id: UUID, amount: str, at: datetime = EARLY, *tags: str, unit: CreditType = USD_CENTS
) -> Spend:
    return Spend(product_id, tags, unit, at, Decimal(amount))


def of_rates(rates: Sequence[Rate]) -> Callable[[UUID, datetime], Rate | None]:
    return lambda product_id, instant: rate_at(
        [one for one in rates if one.product_id == product_id], instant
    )


def charged(
    products: Sequence[Product],
    rates: Sequence[Rate],
    *lines: Spend,
    cuts: Sequence[datetime] = (),
) -> list[CompositeCharge]:
    conversion = CreditTypeConversion(TOKENS.id, Decimal("0.5"))
    priced = PriceList(card(credit_type_conversions=(conversion,)), products, (), rates)
    plan = composite_plan(priced, NOVEMBER, of_rates(rates), cuts=cuts)
    return composite_charges(plan, lines)


def amounts(charges: Sequence[CompositeCharge]) -> list[Decimal]:
    return [charge.amount for charge in charges]


TEN = rate(percent("0.1"), product_id=SUPPORT)


def test_a_tenth_of_what_the_named_products_cost() -> None:
    (charge,) = charged(
        [composite(20, composite_product_ids=(CALLS, STORAGE))],
        [TEN],
        spend(CALLS, "1000"),
        spend(STORAGE, "200", LATE),
        spend(SEAT, "5000"),
    )
    assert (charge.before, charge.after, charge.amount) == (0, 1200, 120)
    assert charge.period == NOVEMBER
    (piece,) = charge.pieces
    assert piece[:3] == (1200, Decimal("0.1"), 120)
    assert (charge.composite.name, charge.credit_type) == ("Support", USD_CENTS)


def test_by_tag() -> None:
    (charge,) = charged(
        [composite(20, composite_tags=("compute", "storage"))],
        [TEN],
        spend(CALLS, "1000", EARLY, "compute"),
        spend(STORAGE, "200", EARLY, "cold", "storage"),
        spend(SEAT, "5000", EARLY, "people"),
    )
    assert charge.after == 1200


def test_one_that_names_nothing_counts_everything() -> None:
    (charge,) = charged([composite(20)], [TEN], spend(CALLS, "1000"), spend(SEAT, "5000"))
    assert charge.amount == 600


def test_a_new_rate_cuts_and_the_counter_runs_on() -> None:
    """10 % until the 16th, then 20 %; tiers go by all the spend of the period."""
    charges = charged(
        [composite(20)],
        [TEN, rate(percent("0.2"), product_id=SUPPORT, starting_at=MID)],
        spend(CALLS, "1000"),
        spend(CALLS, "500", LATE),
    )
    assert [(charge.before, charge.after) for charge in charges] == [(0, 1000), (1000, 1500)]
    assert amounts(charges) == [100, 100]
    assert [charge.period for charge in charges] == [
        Period(NOVEMBER.start, MID),
        Period(MID, NOVEMBER.end),
    ]


def test_tiers_of_percentages() -> None:
    """10 % of the first 1,000, 5 % of what follows."""
    terms = RateTerms(
        RateType.TIERED_PERCENTAGE,
        tiers=(Tier(Decimal("0.1"), Decimal(1000)), Tier(Decimal("0.05"))),
    )
    (charge,) = charged([composite(20)], [rate(terms, product_id=SUPPORT)], spend(CALLS, "1600"))
    assert [(piece.quantity, piece.amount) for piece in charge.pieces] == [(1000, 100), (600, 30)]


def test_cuts_that_change_nothing_are_made_where_asked_for() -> None:
    charges = charged(
        [composite(20)], [TEN], spend(CALLS, "1000"), spend(CALLS, "500", LATE), cuts=[MID]
    )
    assert amounts(charges) == [100, 50]


def test_the_same_rate_added_anew_does_not_cut() -> None:
    again = rate(percent("0.1"), product_id=SUPPORT, starting_at=MID)
    priced = PriceList(card(), [composite(20)], (), [TEN, again])
    assert composite_plan(priced, NOVEMBER, of_rates([TEN, again])).cuts == ()


def test_while_it_is_not_sold_nothing_counts() -> None:
    late = rate(percent("0.1"), product_id=SUPPORT, starting_at=MID)
    charges = charged([composite(20)], [late], spend(CALLS, "1000"), spend(CALLS, "500", LATE))
    assert [(charge.before, charge.after) for charge in charges] == [(0, 500)]
    assert charged([composite(20)], [], spend(CALLS, "1000")) == []
    unsold = rate(percent("0.1"), product_id=SUPPORT, entitled=False)
    assert charged([composite(20)], [unsold], spend(CALLS, "1000")) == []


def test_free_usage_shows_a_line_unless_it_is_left_out() -> None:
    assert amounts(charged([composite(20)], [TEN], spend(CALLS, "0"))) == [0]
    quiet = composite(20, exclude_free_usage=True)
    assert charged([quiet], [TEN], spend(CALLS, "0")) == []
    assert charged([composite(20)], [TEN]) == []


def test_composites_of_composites_where_they_are_asked_for() -> None:
    """A platform fee of 50 % on all, support's tenth included: (1,000 + 100) / 2."""
    support = composite(20, composite_product_ids=(CALLS,))
    half = rate(percent("0.5"), product_id=PLATFORM)
    outer = composite(21, "Platform", include_composite_spend=True)
    assert amounts(charged([outer, support], [TEN, half], spend(CALLS, "1000"))) == [100, 550]
    without = composite(21, "Platform")
    assert amounts(charged([without, support], [TEN, half], spend(CALLS, "1000"))) == [500, 100]


def test_spend_in_a_custom_unit_counts_by_its_worth() -> None:
    (charge,) = charged(
        [composite(20)], [TEN], spend(CALLS, "1000"), spend(STORAGE, "300", unit=TOKENS)
    )
    assert charge.after == 1150


def test_spend_whose_worth_is_unknown_does_not_count() -> None:
    other = CreditType(uid(8), "Points", False)
    (charge,) = charged(
        [composite(20)], [TEN], spend(CALLS, "1000"), spend(STORAGE, "300", unit=other)
    )
    assert charge.after == 1000
    in_tokens = rate(percent("0.1"), product_id=SUPPORT, credit_type=TOKENS)
    (charge,) = charged(
        [composite(20)], [in_tokens], spend(CALLS, "1000"), spend(STORAGE, "300", unit=TOKENS)
    )
    assert (charge.after, charge.credit_type) == (300, TOKENS)


def test_what_is_paid_in_advance_counts_at_the_end_of_the_period() -> None:
    twenty = rate(percent("0.2"), product_id=SUPPORT, starting_at=MID)
    (charge,) = charged([composite(20)], [TEN, twenty], spend(SEAT, "1000", NOVEMBER.end))
    assert charge.amount == 200
    (early,) = charged([composite(20)], [TEN, twenty], spend(SEAT, "1000", LONG_AGO))
    assert early.amount == 100


def test_a_version_that_counts_something_else_cuts() -> None:
    calls_first = composite(20, composite_product_ids=(CALLS,))
    later = replace(
        calls_first,
        versions=product_versions(
            calls_first.versions[0],
            [ProductUpdate(MID, {"composite_product_ids": (STORAGE,), "name": "Care"})],
        ),
    )
    lines = [spend(one, "100", at) for one in (CALLS, STORAGE) for at in (EARLY, LATE)]
    charges = charged([later], [TEN], *lines)
    assert [(charge.after, charge.composite.name) for charge in charges] == [
        (100, "Care"),
        (200, "Care"),
    ]


def test_composites_that_count_each_other_count_once_around() -> None:
    """The first of the invoice's lines, by name: half of 1,000, then a tenth of 1,500."""
    support = composite(20, include_composite_spend=True)
    platform = composite(21, "Platform", include_composite_spend=True)
    half = rate(percent("0.5"), product_id=PLATFORM)
    for products in ([support, platform], [platform, support]):
        assert amounts(charged(products, [TEN, half], spend(CALLS, "1000"))) == [500, 150]


def test_a_composite_does_not_count_itself() -> None:
    own = composite(20, composite_product_ids=(CALLS, SUPPORT), include_composite_spend=True)
    assert amounts(charged([own], [TEN], spend(CALLS, "1000"))) == [100]
