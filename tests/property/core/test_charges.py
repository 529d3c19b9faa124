"""Charges beside usage: nothing is lost between parts, and asking in steps changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core.builders import uid, utc
from tests.unit.core.charges.builders import APRIL, contract, price, subscription

from meterline.core.charges import (
    prorated,
    quantity_at,
    schedule_items,
    seats_at,
    subscription_charges,
    subscription_cycles,
    unbilled,
)
from meterline.core.contract import Contract
from meterline.core.contract.schedule import (
    AmountDistribution,
    RecurringSchedule,
    ScheduleFrequency,
)
from meterline.core.contract.subscription import (
    CollectionSchedule,
    FiatRounding,
    InvoiceBehavior,
    InvoicePlacement,
    ProrationRounding,
    SeatChange,
)
from meterline.core.decimals import EXACT, total
from meterline.core.money import USD_CENTS
from meterline.core.period import HOUR, Frequency, Period

HORIZON = utc(2029, 4, 1)
hours = st.integers(0, (HORIZON - APRIL) // HOUR - 1).map(lambda n: APRIL + n * HOUR)
prices = st.decimals(0, 10**9, places=6, allow_nan=False)
quantities = st.one_of(
    st.integers(0, 50), st.integers(-5, 5).filter(bool).map(lambda delta: f"{delta:+d}")
)
PRICE = price((utc(2020, 1, 1), "1099"), (utc(2027, 8, 10), "1299.5"), (utc(2028, 2, 29), "7"))


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """A contract of some months with one subscription of any kind."""
    start = draw(hours)
    changes = draw(st.lists(st.tuples(hours, quantities), max_size=6))
    end = start + draw(st.integers(1, 24 * 400)) * HOUR
    in_arrears = draw(st.booleans())
    one = subscription(
        (start, draw(st.integers(0, 20))),
        *((max(at, start), quantity) for at, quantity in changes),
        starting_at=start,
        ending_before=draw(st.sampled_from([None, end])),
        billing_frequency=draw(st.sampled_from(Frequency)),
        collection_schedule=list(CollectionSchedule)[in_arrears],
        is_prorated=draw(st.booleans()),
        invoice_behavior=draw(st.sampled_from(InvoiceBehavior)),
        invoice_placement=draw(st.sampled_from(InvoicePlacement)),
        anchor_date=None if in_arrears else draw(st.sampled_from([None, utc(2027, 1, 31)])),
    )
    return contract(one, starting_at=APRIL)


@given(contracts())
def test_cycles_tile_the_life_and_each_other(of: Contract) -> None:
    (one,) = of.subscriptions
    at = one.starting_at
    for cycle in subscription_cycles(one, of):
        assert cycle.period.start == at
        assert cycle.whole.start <= cycle.period.start < cycle.period.end <= cycle.whole.end
        at = cycle.period.end
        if at > HORIZON:
            break
    else:
        assert at == one.ending_before


@given(contracts(), st.lists(hours, max_size=6))
def test_asking_in_steps_gives_the_same_charges(of: Contract, stops: list[object]) -> None:
    whole = subscription_charges(of, PRICE, APRIL, HORIZON)
    steps = sorted({APRIL - HOUR, HORIZON, *stops})  # type: ignore[type-var]
    found = []
    for before, until in pairwise(steps):
        found += subscription_charges(of, PRICE, before + HOUR, until)  # type: ignore[operator, arg-type]
    assert found == whole


@given(contracts())
def test_what_is_billed_in_steps_is_billed_once(of: Contract) -> None:
    charges = subscription_charges(of, PRICE, APRIL, HORIZON)
    assert len({charge.id for charge in charges}) == len(charges)
    assert unbilled(charges, {}) == charges
    assert unbilled(charges, {charge.id: charge.quantity for charge in charges}) == []


@given(contracts())
def test_a_cycle_is_charged_for_its_highest_quantity(of: Contract) -> None:
    (one,) = of.subscriptions
    charges = subscription_charges(of, PRICE, APRIL, HORIZON + timedelta(days=370))
    by_cycle: dict[Period, Decimal] = {}
    for charge in charges:
        key = charge.cycle.period
        by_cycle[key] = EXACT.add(by_cycle.get(key, Decimal(0)), charge.quantity)
    instants = {change.starting_at for change in one.quantity_changes}
    for period, charged in by_cycle.items():
        within = {at for at in instants if at in period} | {period.start}
        assert charged == max(quantity_at(one, of, at) for at in within)


@given(contracts())
def test_every_charge_is_collected_where_it_says(of: Contract) -> None:
    for charge in subscription_charges(of, PRICE, APRIL, HORIZON):
        assert charge.due in (charge.service_period.start, charge.cycle.period.end)
        assert charge.service_period.end == charge.cycle.period.end
        if charge.statement is not None:
            assert charge.statement.start < charge.due <= charge.statement.end
            assert charge.statement == of.period_at(charge.statement.start)


@given(prices, st.lists(st.integers(1, 743), max_size=8, unique=True))
def test_parts_that_tile_a_cycle_add_up_to_it(amount: Decimal, cuts: list[int]) -> None:
    january = Period(utc(2027, 1, 1), utc(2027, 2, 1))
    edges = [january.start, *(january.start + cut * HOUR for cut in sorted(cuts)), january.end]
    parts = [Period(start, end) for start, end in pairwise(edges)]
    shares = [prorated(amount, part, january) for part in parts]
    assert total(shares) == amount
    assert all(share >= 0 for share in shares)


@given(prices, st.integers(1, 744), st.integers(-5, 5))
def test_a_rounded_share_is_next_to_the_exact_one(
    amount: Decimal, length: int, places: int
) -> None:
    january = Period(utc(2027, 1, 1), utc(2027, 2, 1))
    part = Period(january.start, january.start + length * HOUR)
    unit = Decimal(1).scaleb(-places)
    floor, ceiling, nearest = (
        prorated(amount, part, january, ProrationRounding(places, method))
        for method in (FiatRounding.FLOOR, FiatRounding.CEILING, FiatRounding.HALF_UP)
    )
    # In 744ths, so that nothing is divided.
    exact = EXACT.multiply(amount, Decimal(length))
    low, high, near = (EXACT.multiply(one, Decimal(744)) for one in (floor, ceiling, nearest))
    assert low <= exact <= high
    assert ceiling - floor in (0, unit)
    assert nearest in (floor, ceiling)
    assert abs(near - exact) * 2 <= unit * 744


@given(
    st.decimals(-(10**9), 10**9, places=4),
    st.sampled_from(ScheduleFrequency),
    st.sampled_from([AmountDistribution.DIVIDED, AmountDistribution.DIVIDED_ROUNDED]),
    hours,
    st.integers(1, 24 * 1000),
)
def test_a_divided_schedule_adds_up(
    amount: Decimal,
    frequency: ScheduleFrequency,
    distribution: AmountDistribution,
    start: object,
    length: int,
) -> None:
    end = start + length * HOUR  # type: ignore[operator]
    schedule = RecurringSchedule(start, end, frequency, distribution, amount)  # type: ignore[arg-type]
    items = schedule_items(uid(1), schedule, USD_CENTS)
    assert total(item.amount for item in items) == amount
    assert [item.timestamp for item in items] == sorted({item.timestamp for item in items})
    assert all(start <= item.timestamp < end for item in items)  # type: ignore[operator]
    assert len({item.amount for item in items[:-1]}) <= 1


seat_names = st.lists(st.sampled_from("abcdefg"), max_size=4).map(tuple)
seat_changes = st.builds(
    SeatChange, st.just(APRIL), seat_names, seat_names, st.integers(0, 3), st.integers(0, 3)
)


@given(st.lists(seat_changes, min_size=1, max_size=12))
def test_seats_are_held_by_one_each(changes: list[SeatChange]) -> None:
    dated = tuple(
        replace(change, starting_at=APRIL + number * HOUR) for number, change in enumerate(changes)
    )
    one = subscription(seat_group_key="user", quantity_changes=(), seat_changes=dated)
    before: set[str] = set()
    for change in dated:
        seats = seats_at(one, contract(one), change.starting_at)
        assert len(set(seats.ids)) == len(seats.ids)
        assert seats.unassigned >= change.add_unassigned_seats
        assert set(seats.ids) == before - set(change.remove_seat_ids) | set(change.add_seat_ids)
        assert quantity_at(one, contract(one), change.starting_at) == seats.total
        before = set(seats.ids)
