"""What can be chosen at random: terms and usage of small worlds, whose numbers divide without a rest."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st
from tests.model import terms as t

F = Fraction
DAY = t.DAY
HORIZON = 75 * DAY
"""The clock goes no further: two ends of months, and a stub of a third."""

TEAMS = ("red", "blue")
REGIONS = ("eu", "us")
PRODUCTS = (
    t.Product("Alpha"),
    t.Product("Beta", by_team=True),
    t.Product("Gamma", by_region=True),
)

# Prices of twos and fives alone: an amount divided by any of them, or by any product of them, is a short decimal.
unit_prices = st.sampled_from([F(0), F(1, 2), F(1), F(2), F(4), F(5), F(8), F(10)])
sizes = st.sampled_from([F(1), F(5), F(20), F(100)])
quantities = st.integers(1, 120).map(F) | st.sampled_from([F(1, 2), F(5), F(20), F(25), F(100)])
amounts = st.sampled_from([F(50), F(100), F(125), F(400), F(1000), F(2500)])
multipliers = st.sampled_from([F(0), F(1, 2), F(4, 5), F(5, 4)])


BY_UNIT = ("FLAT", "FLAT", "TIERED", "TIERED")
ALL_KINDS = (*BY_UNIT, "VOLUME", "PACKAGE")


@st.composite
def prices(draw: st.DrawFn, kinds: tuple[str, ...] = ALL_KINDS) -> t.Price:
    kind = draw(st.sampled_from(kinds))
    if kind == "FLAT":
        return t.Price("FLAT", ((draw(unit_prices), None),))
    if kind == "PACKAGE":
        return t.Price("PACKAGE", ((draw(unit_prices), None),), draw(sizes))
    tiers: list[tuple[Fraction, Fraction | None]] = [
        (draw(unit_prices), draw(sizes)) for _ in range(draw(st.integers(1, 2)))
    ]
    return t.Price(kind, (*tiers, (draw(unit_prices), None)))


@st.composite
def rates(draw: st.DrawFn, product: t.Product, since: t.Hour) -> t.Rate:
    """A list price; a flat one may have a commit rate beside it."""
    price = draw(prices())
    commit = draw(st.none() | unit_prices) if price.kind == "FLAT" else None
    region = draw(st.sampled_from(REGIONS)) if product.by_region else None
    sold = draw(st.sampled_from([True] * 9 + [False]))
    return t.Rate(product.name, since, price, region, sold, commit)


@st.composite
def worlds(draw: st.DrawFn) -> t.World:
    """Products with a list price each since ever."""
    listed = []
    for product in PRODUCTS:
        for region in REGIONS if product.by_region else (None,):
            rate = draw(rates(product, -1000))
            listed.append(t.Rate(product.name, -1000, rate.price, region, True, rate.commit_price))
    return t.World(PRODUCTS, tuple(listed))


def hours(low: t.Hour, high: t.Hour) -> st.SearchStrategy[t.Hour]:
    """Hours in low..high, often midnights."""
    low, high = min(low, high), max(low, high)
    any_hour = st.integers(low, high)
    midnights = range(-(-low // DAY) * DAY, high + 1, DAY)
    return st.sampled_from(midnights) | any_hour if midnights else any_hour


@st.composite
def events(draw: st.DrawFn, now: t.Hour, days_back: int = 21, most: int = 4) -> tuple[t.Event, ...]:
    """Usage of the last three weeks."""
    found = []
    for _ in range(draw(st.integers(1, most))):
        product = draw(st.sampled_from(PRODUCTS))
        found.append(
            t.Event(
                product.name,
                draw(hours(max(0, now - days_back * DAY), now)),
                draw(quantities),
                draw(st.sampled_from(REGIONS)),
                draw(st.sampled_from(TEAMS)),
            )
        )
    return tuple(found)


@st.composite
def overrides(draw: st.DrawFn, name: str, now: t.Hour) -> t.Override:
    since = draw(hours(max(0, now - 20 * DAY), now + 10 * DAY))
    until = draw(st.none() | hours(since + 1, since + 30 * DAY))
    product = draw(st.sampled_from(PRODUCTS))
    if draw(st.booleans()):
        of = draw(st.sampled_from([None, product.name]))
        return t.Override(name, since, until, of, None, draw(multipliers))
    region = draw(st.sampled_from(REGIONS)) if product.by_region else None
    # By unit alone, as the card may have a commit rate for the product: half a package has no list price.
    return t.Override(name, since, until, product.name, region, None, draw(prices(BY_UNIT)))


@st.composite
def grants(
    draw: st.DrawFn, name: str, now: t.Hour, contract: t.Contract | None, others: tuple[str, ...]
) -> t.Grant:
    """A commit or credit of `contract`, within its life, or (None) of the customer, for some of `others` or all.

    Often of equal priority, at the same time and long enough to be used, so that they compete.
    """
    kind = draw(st.sampled_from(["PREPAID", "PREPAID", "CREDIT", "POSTPAID"]))
    first = max(0, now - 10 * DAY) if contract is None else contract.start
    last = contract.end if contract is not None and contract.end is not None else first + HORIZON
    starts = draw(st.just(first) | hours(first, max(first, min(last - 1, now + 10 * DAY))))
    count = 1 if kind == "POSTPAID" else draw(st.integers(1, 2))
    segments = []
    for _ in range(count):
        if starts >= last:
            break
        long = min(last, starts + draw(st.sampled_from([25, 30, 40])) * DAY)
        ends = draw(st.just(long) | hours(starts + 1, long))
        segments.append(t.Segment(draw(amounts), starts, ends))
        starts = ends
    bills: tuple[tuple[t.Hour, Fraction], ...] = ()
    if kind == "POSTPAID":
        bills = ((segments[0].end, segments[0].amount),)
    elif kind == "PREPAID" and draw(st.booleans()):
        bills = ((draw(hours(segments[0].start, segments[-1].end)), draw(amounts)),)
    products = draw(st.sampled_from([(), (), ("Alpha",), ("Alpha", "Beta"), ("Beta", "Gamma")]))
    region = (
        draw(st.sampled_from([None, None, "eu"])) if products in [(), ("Beta", "Gamma")] else None
    )
    of = None
    if contract is None and others:
        of = draw(st.none() | st.lists(st.sampled_from(others), min_size=1, unique=True).map(tuple))
    rollover = None
    if contract is not None and len(segments) == 1:
        rollover = draw(st.sampled_from([None, F(1, 2), F(1)]))
    return t.Grant(
        name,
        kind,
        tuple(segments),
        draw(st.sampled_from([1, 1, 1, 2])),
        None if contract is None else contract.name,
        of,
        products,
        region,
        bills,
        draw(st.booleans()),
        rollover,
        billed_on=others[-1] if contract is None and bills and others else None,
    )


@st.composite
def charges(draw: st.DrawFn, name: str, contract: t.Contract, now: t.Hour) -> t.Charge:
    """Fees on dates of the contract's life."""
    last = contract.start + HORIZON if contract.end is None else contract.end
    dates = st.sampled_from([contract.start, max(contract.start, min(last, now + DAY))]) | hours(
        contract.start, last
    )
    items = draw(st.lists(st.tuples(dates, amounts), min_size=1, max_size=3))
    return t.Charge(name, tuple(items), draw(st.booleans()))


@st.composite
def subscriptions(draw: st.DrawFn, name: str, contract: t.Contract) -> t.Subscription:
    in_advance = draw(st.booleans())
    last = HORIZON * 2 if contract.end is None else contract.end
    latest = min(last - 1, contract.start + 5 * DAY)
    start = draw(st.just(contract.start) | hours(contract.start, latest))
    return t.Subscription(
        name,
        draw(st.sampled_from([F(1000), F(3000)])),
        draw(st.sampled_from(["MONTHLY", "WEEKLY"])),
        in_advance,
        start,
        draw(st.none() | hours(start + 1, min(last, start + 40 * DAY))),
        ((start, draw(st.integers(1, 5).map(F))),),
        draw(st.booleans()),
        draw(st.booleans()) if in_advance else False,
    )


@st.composite
def recurring(draw: st.DrawFn, name: str, contract: t.Contract) -> t.Recurring:
    last = contract.start + 10 * DAY if contract.end is None else contract.end - 1
    # Its own priority: the children of two would be equal in all that decides who goes first.
    return t.Recurring(
        name,
        draw(amounts),
        draw(st.just(contract.start) | hours(contract.start, last)),
        None,
        draw(st.integers(1, 2)),
        7,
        draw(st.booleans()),
    )


@st.composite
def contracts(
    draw: st.DrawFn,
    name: str,
    now: t.Hour,
    renewable: dict[str, t.Contract],
    *,
    alone: bool = False,
) -> t.Sign:
    """A contract with its parts; it may take over from one of `renewable` (must, if it is to be `alone`)."""
    old = st.sampled_from(sorted(renewable)) if renewable else st.none()
    renews = draw(old if alone else st.none() | old)
    start = draw(hours(max(0, now - 10 * DAY), now + 5 * DAY))
    if renews is not None:
        start = max(now, renewable[renews].start + 1) + draw(st.integers(0, 5 * DAY))
    contract = t.Contract(
        name,
        start,
        draw(st.none() | hours(start + DAY, start + 60 * DAY)),
        draw(st.sampled_from(["MONTHLY", "WEEKLY"])),
        draw(st.booleans()),
        draw(st.sampled_from([None, None, None, ("red",), ("blue",)])),
        renews=renews,
    )
    parts = {
        "overrides": tuple(
            draw(overrides(f"{name} override {n}", now)) for n in range(draw(st.integers(0, 2)))
        ),
        "charges": tuple(
            draw(charges(f"{name} fee {n}", contract, now)) for n in range(draw(st.integers(0, 1)))
        ),
        "subscriptions": tuple(
            draw(subscriptions(f"{name} seats {n}", contract))
            for n in range(draw(st.integers(0, 1)))
        ),
        "recurring": tuple(
            draw(recurring(f"{name} monthly {n}", contract)) for n in range(draw(st.integers(0, 1)))
        ),
    }
    own = tuple(
        draw(grants(f"{name} grant {n}", now, contract, ())) for n in range(draw(st.integers(1, 2)))
    )
    return t.Sign(t.Contract(**{**vars(contract), **parts}), own)


@st.composite
def agreements(draw: st.DrawFn) -> t.World:
    """All that is agreed and used in the end, with the clock still at 0: what follows is time alone."""
    world = draw(worlds())
    actions: list[t.Action] = [draw(contracts("first", 0, {}))]
    signed = {one.contract.name: one.contract for one in actions if isinstance(one, t.Sign)}
    if draw(st.booleans()):
        first = signed["first"]
        renewable = {} if first.end or first.subscriptions else signed
        actions.append(draw(contracts("second", 0, renewable)))
    for n in range(draw(st.integers(0, 2))):
        actions.append(t.Give(draw(grants(f"grant {n}", 0, None, ("first",)))))
    actions.append(t.Use(draw(events(HORIZON, HORIZON // DAY, 12))))
    return t.World(world.products, world.rates, tuple(actions))
