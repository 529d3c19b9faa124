"""Which override acts, held against the documented rules read out one by one, for hours, lines and payers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.core.model import rows
from tests.property.core.strategies import (
    HOURS,
    PERIOD,
    START,
    UsageEvent,
    hours_of_period,
    usage_events,
)
from tests.unit.core.builders import card, flat, metric, uid, utc

from meterline.core.catalogue import Product, ProductType, ProductVersion, Rate, RateTerms
from meterline.core.contract.override import (
    Override,
    OverrideSpecifier,
    OverrideTarget,
    OverrideType,
    Prioritization,
)
from meterline.core.ledger.grant import Grant, GrantKind, RateChoice
from meterline.core.metric import Aggregation
from meterline.core.money import USD_CENTS
from meterline.core.period import HOUR
from meterline.core.rating import PriceList, RatePlan, charges, product_totals, rate_plan
from meterline.core.rating.plan import ActingPrice

REGIONS = ("eu", "us")
USERS = (None, "u1")
GRANTS = (uid(71), uid(72))
RECURRING = uid(73)
METRIC = metric(group_keys=[("region", "user")])


class Line(NamedTuple):
    """What is priced: usage of an hour and its group values, and who pays for it."""

    hour: int
    region: str
    user: str | None
    grant: Grant | None

    @property
    def at(self) -> datetime:
        return START + self.hour * HOUR


def grant(number: int, rate_type: RateChoice, *, recurring: bool) -> Grant:
    return Grant(
        uid(number),
        uid(300),
        GrantKind.CREDIT,
        uid(11),
        USD_CENTS,
        (),
        utc(2020, 1, 1),
        rate_type=rate_type,
        recurring_grant_id=RECURRING if recurring else None,
    )


payers = st.none() | st.builds(
    grant, st.sampled_from([71, 72, 74]), st.sampled_from(RateChoice), recurring=st.booleans()
)
lines = st.builds(
    Line, st.integers(0, HOURS - 1), st.sampled_from(REGIONS), st.sampled_from(USERS), payers
)
prices = st.integers(0, 9).map(lambda price: flat(str(price)))


@st.composite
def products(draw: st.DrawFn) -> Product:
    """Two versions, told apart by their tags."""
    tags = st.sampled_from([(), ("llm",), ("llm", "beta")])
    versions = [
        ProductVersion("p", starting_at, METRIC.id, ("region",), ("user",), tags=draw(tags))
        for starting_at in (None, draw(hours_of_period(1, HOURS - 1)))
    ]
    return Product(uid(10), ProductType.USAGE, tuple(versions))


@st.composite
def rates(draw: st.DrawFn) -> Rate:
    length = draw(st.none() | st.integers(1, HOURS))
    starting_at = draw(st.just(utc(2020, 1, 1)) | hours_of_period())
    return Rate(
        uid(10),
        starting_at,
        None if length is None else starting_at + length * HOUR,
        draw(st.sampled_from([True, True, False])),
        USD_CENTS,
        draw(prices),
        {"region": draw(st.sampled_from(REGIONS))},
        draw(st.none() | prices),
    )


@st.composite
def specifiers(draw: st.DrawFn, *, commit_specific: bool, overwrite: bool) -> OverrideSpecifier:
    if overwrite:
        region = {"region": draw(st.sampled_from(REGIONS))}
        product_id, tags, user = uid(10), (), {}
    else:
        region = draw(st.sampled_from([{}, {"region": "eu"}, {"region": "us"}]))
        product_id = draw(st.sampled_from([None, uid(10), uid(12)]))
        tags = draw(st.sampled_from([(), ("llm",), ("beta", "llm"), ("other",)]))
        user = draw(st.sampled_from([{}, {"user": "u1"}, {"user": None}]))
    about = st.sampled_from([(), GRANTS[:1], GRANTS])
    return OverrideSpecifier(
        product_id,
        tags,
        region,
        user,
        None if overwrite else draw(st.sampled_from([None, None, None, "MONTHLY"])),
        draw(about) if commit_specific else (),
        draw(st.sampled_from([(), (RECURRING,)])) if commit_specific else (),
    )


@st.composite
def overrides(draw: st.DrawFn, number: int) -> Override:
    overwrite = draw(st.booleans())
    commit_specific = draw(st.booleans())
    starting_at = draw(st.just(utc(2020, 1, 1)) | hours_of_period())
    length = draw(st.none() | st.integers(1, HOURS))
    found = draw(
        st.lists(
            specifiers(commit_specific=commit_specific, overwrite=overwrite),
            min_size=1 if overwrite else 0,
            max_size=2,
        )
    )
    entitled = None
    if not commit_specific and all(not one.presentation_group_values for one in found):
        entitled = draw(st.sampled_from([None, None, True, False]))
    return Override(
        uid(number),
        OverrideType.OVERWRITE if overwrite else OverrideType.MULTIPLIER,
        starting_at,
        None if length is None else starting_at + length * HOUR,
        tuple(found),
        multiplier=None if overwrite else draw(st.integers(0, 4).map(Decimal)),
        overwrite=draw(prices) if overwrite else None,
        entitled=entitled,
        priority=None if overwrite else draw(st.integers(1, 3).map(Decimal)),
        is_commit_specific=commit_specific,
        target=draw(st.sampled_from(OverrideTarget))
        if commit_specific
        else OverrideTarget.LIST_RATE,
    )


override_lists = st.integers(0, 5).flatmap(
    lambda count: st.tuples(*(overrides(900 + number) for number in range(count)))
)


def fits(override: Override, line: Line, tags: Sequence[str], *, whole_price: bool = False) -> bool:
    """Whether the override acts on the line. `whole_price`: without asking for anything but the price."""
    begun = override.starting_at <= line.at
    over = override.ending_before is not None and line.at >= override.ending_before
    if over or not begun:
        return False
    if not override.specifiers:
        return True
    return any(
        names_price(one, line, tags)
        and (asks_nothing_more(one) if whole_price else names_line(one, line))
        for one in override.specifiers
    )


def names_price(one: OverrideSpecifier, line: Line, tags: Sequence[str]) -> bool:
    return (
        one.product_id in (None, uid(10))
        and one.billing_frequency is None
        and all(tag in tags for tag in one.product_tags)
        and one.pricing_group_values.get("region", line.region) == line.region
    )


def asks_nothing_more(one: OverrideSpecifier) -> bool:
    return not (one.presentation_group_values or one.grant_ids or one.recurring_grant_ids)


def names_line(one: OverrideSpecifier, line: Line) -> bool:
    if one.presentation_group_values.get("user", line.user) != line.user:
        return False
    about = (*one.grant_ids, *one.recurring_grant_ids)
    if not about:
        return True
    payer = line.grant
    return payer is not None and (payer.id in about or payer.recurring_grant_id in about)


def card_rate(found: Sequence[Rate], line: Line) -> Rate | None:
    covering = [
        (rate.starting_at, position, rate)
        for position, rate in enumerate(found)
        if rate.pricing_group_values["region"] == line.region
        and rate.starting_at <= line.at
        and (rate.ending_before is None or line.at < rate.ending_before)
    ]
    return max(covering, key=lambda entry: entry[:2])[2] if covering else None


def is_entitled(
    listed: Rate | None, given: Sequence[Override], line: Line, tags: Sequence[str]
) -> bool:
    entitled = True if listed is None else listed.entitled
    for one in given:
        if one.entitled is not None and fits(one, line, tags, whole_price=True):
            entitled = one.entitled
    return entitled


def best_multiplier(among: Sequence[Override], prioritization: Prioritization) -> Override | None:
    """The lowest, or of the lowest priority; of equals the last."""
    best, best_place = None, Fraction(0)
    for one in among:
        if one.multiplier is not None and one.priority is not None:
            explicit = prioritization is Prioritization.EXPLICIT
            place = Fraction(one.priority if explicit else one.multiplier)
            if best is None or place <= best_place:
                best, best_place = one, place
    return best


Price = tuple[Fraction, object]


def price_of(terms: RateTerms | None) -> Fraction:
    assert terms is not None
    assert terms.price is not None
    return Fraction(terms.price)


def price_by(one: Override, base: RateTerms | None) -> Price:
    if one.overwrite is not None:
        return price_of(one.overwrite), one.id
    assert one.multiplier is not None
    return price_of(base) * Fraction(one.multiplier), one.id


def commit_price(
    listed: Rate | None, acting: Sequence[Override], grant: Grant, prioritization: Prioritization
) -> Price | None:
    """What a grant makes of the price, None for nothing."""
    commit_terms = None if listed is None else listed.commit_terms
    targets = [OverrideTarget.LIST_RATE]
    if grant.rate_type is RateChoice.COMMIT_RATE:
        targets.insert(0, OverrideTarget.COMMIT_RATE)
    by_target = [(one, [each for each in acting if each.target is one]) for one in targets]
    for _, mine in by_target:
        overwrites = [one for one in mine if one.overwrite is not None]
        if overwrites:
            return price_by(overwrites[-1], None)
    if listed is None:
        return None
    for target, mine in by_target:
        best = best_multiplier(mine, prioritization)
        if best is not None:
            of_commit_rate = target is OverrideTarget.COMMIT_RATE and commit_terms is not None
            return price_by(best, commit_terms if of_commit_rate else listed.terms)
    if commit_terms is not None and grant.rate_type is RateChoice.COMMIT_RATE:
        return price_of(commit_terms), None
    return None


def expected(
    price_list: PriceList, given: Sequence[Override], prioritization: Prioritization, line: Line
) -> Price | None:
    """The price and the id of the override that made it (None: the card's); None where it is not sold."""
    listed = card_rate(price_list.rates, line)
    tags = price_list.products[0].at(line.at).tags
    acting = [one for one in given if fits(one, line, tags)]
    general = [one for one in acting if not one.is_commit_specific]
    overwrites = [one for one in general if one.overwrite is not None]
    sold = listed is not None or bool(overwrites)
    if not sold or not is_entitled(listed, given, line, tags):
        return None
    if line.grant is not None:
        specific = [one for one in acting if one.is_commit_specific]
        made = commit_price(listed, specific, line.grant, prioritization)
        if made is not None:
            return made
    if overwrites:
        return price_by(overwrites[-1], None)
    assert listed is not None
    best = best_multiplier(general, prioritization)
    return (price_of(listed.terms), None) if best is None else price_by(best, listed.terms)


def found(plan: RatePlan, line: Line) -> ActingPrice | None:
    for product in plan.products:
        for grouping in product.groupings:
            for stint in grouping.stints:
                for segment in stint.prices.get((line.region,), ()):
                    if line.at in segment.period:
                        return segment.acting((line.region, line.user), line.grant)
    return None


@settings(max_examples=400)
@given(
    products(),
    st.lists(rates(), max_size=4),
    override_lists,
    st.sampled_from(Prioritization),
    st.lists(lines, min_size=1, max_size=12),
)
def test_the_override_that_acts_is_the_one_the_rules_say(
    product: Product,
    listed: list[Rate],
    given_overrides: tuple[Override, ...],
    prioritization: Prioritization,
    asked: list[Line],
) -> None:
    price_list = PriceList(card(), [product], [METRIC], listed)
    plan = rate_plan(price_list, PERIOD, (), given_overrides, prioritization)
    for line in asked:
        acting = found(plan, line)
        shown = None
        if acting is not None:
            assert acting.rate.terms.price is not None
            made_by = None if acting.override is None else acting.override.id
            shown = (Fraction(acting.rate.terms.price), made_by)
            model = acting.model.pieces(Decimal(0), Decimal(7))
            assert sum(Fraction(piece.amount) for piece in model) == 7 * shown[0]
        assert shown == expected(price_list, given_overrides, prioritization, line)


@settings(max_examples=200)
@given(
    products(),
    st.lists(rates(), max_size=4),
    override_lists,
    st.sampled_from(Prioritization),
    usage_events(),
)
def test_each_unit_costs_what_the_rules_say_of_its_hour_and_line(
    product: Product,
    listed: list[Rate],
    given_overrides: tuple[Override, ...],
    prioritization: Prioritization,
    events: list[UsageEvent],
) -> None:
    price_list = PriceList(card(), [product], [METRIC], listed)
    plan = rate_plan(price_list, PERIOD, (), given_overrides, prioritization)
    metered = [event for event in events if event.region is not None and event.user != "u2"]
    book = {}
    if plan.metrics:
        book = {METRIC.id: rows(Aggregation.SUM, plan.cuts[METRIC.id], metered)}
    owed = Fraction(0)
    for event in metered:
        assert event.region is not None
        price = expected(
            price_list,
            given_overrides,
            prioritization,
            Line(event.hour, event.region, event.user, None),
        )
        owed += Fraction(event.amount) * (Fraction(0) if price is None else price[0])
    totals = product_totals(plan, book)
    assert sum(Fraction(amount) for amount, _ in totals.values()) == owed
    assert sum(Fraction(one.piece.amount) for one in charges(plan, book)) == owed
