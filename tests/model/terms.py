"""What a customer can agree to and do, in the model's own words.

Time is whole hours since `START`; numbers are fractions. Names stand for ids: a driver gives each its id. The order of
a tuple is that of arrival.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction

START = datetime(2031, 1, 1, tzinfo=UTC)
DAY = 24
GRACE = DAY
"""Hours that a usage invoice stays a draft after its period."""

Hour = int


def instant(hour: Hour) -> datetime:
    return START + timedelta(hours=hour)


@dataclass(frozen=True)
class Price:
    """FLAT has one tier; TIERED and VOLUME several, (price, size), the last of size None; PACKAGE one and `size`."""

    kind: str
    tiers: tuple[tuple[Fraction, Fraction | None], ...]
    size: Fraction | None = None

    def times(self, factor: Fraction) -> Price:
        tiers = tuple((price * factor, size) for price, size in self.tiers)
        return Price(self.kind, tiers, self.size)


@dataclass(frozen=True)
class Product:
    """A usage product. By `region`: priced by it. By `team`: shown by it."""

    name: str
    by_region: bool = False
    by_team: bool = False


@dataclass(frozen=True)
class Rate:
    """A list price from `since` on, of one region for a product that is priced by region."""

    product: str
    since: Hour
    price: Price
    region: str | None = None
    sold: bool = True
    commit_price: Fraction | None = None


@dataclass(frozen=True)
class Override:
    """Another price: `multiplier` x the list price, or `price` instead of it. `product` None: all products."""

    name: str
    since: Hour
    until: Hour | None
    product: str | None
    region: str | None = None
    multiplier: Fraction | None = None
    price: Price | None = None


@dataclass(frozen=True)
class Segment:
    amount: Fraction
    start: Hour
    end: Hour


@dataclass(frozen=True)
class Grant:
    """PREPAID, POSTPAID or CREDIT. `bills`: (when, how much); of a POSTPAID the only one is its true-up.

    `contract` None: the customer's, for `contracts` or for all, and billed on `billed_on`. `products` and `region`:
    what it pays for; none: all.
    """

    name: str
    kind: str
    segments: tuple[Segment, ...]
    priority: int = 1
    contract: str | None = None
    contracts: tuple[str, ...] | None = None
    products: tuple[str, ...] = ()
    region: str | None = None
    bills: tuple[tuple[Hour, Fraction], ...] = ()
    at_commit_rate: bool = False
    rollover: Fraction | None = None
    rolled_over_from: str | None = None
    billed_on: str | None = None
    made: Hour = 0


@dataclass(frozen=True)
class Charge:
    """A fee on dates; a discount is one whose amounts are taken off."""

    name: str
    items: tuple[tuple[Hour, Fraction], ...]
    is_discount: bool = False
    made: Hour = 0


@dataclass(frozen=True)
class Subscription:
    """Seats: MONTHLY or WEEKLY, in advance or in arrears. `quantities`: (from when, how many), the first at `start`."""

    name: str
    price: Fraction
    frequency: str
    in_advance: bool
    start: Hour
    end: Hour | None
    quantities: tuple[tuple[Hour, Fraction], ...]
    is_prorated: bool = True
    at_once: bool = True


@dataclass(frozen=True)
class Recurring:
    """A credit of `amount` with each statement period, good for `periods` of them; cut like the period, or not."""

    name: str
    amount: Fraction
    start: Hour
    end: Hour | None = None
    periods: int = 1
    priority: int = 1
    is_cut: bool = True


@dataclass(frozen=True)
class Contract:
    """MONTHLY or WEEKLY statements, from the first of the month or from the contract's start.

    `teams` None: usage of all teams. `renews`: the contract that it takes over from.
    """

    name: str
    start: Hour
    end: Hour | None = None
    frequency: str = "MONTHLY"
    from_start: bool = False
    teams: tuple[str, ...] | None = None
    overrides: tuple[Override, ...] = ()
    charges: tuple[Charge, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    recurring: tuple[Recurring, ...] = ()
    renews: str | None = None
    made: Hour = 0


@dataclass(frozen=True)
class Event:
    """So much of a product was used."""

    product: str
    hour: Hour
    quantity: Fraction
    region: str | None = None
    team: str | None = None


# What happens, in order of arrival.


@dataclass(frozen=True)
class Move:
    """The clock is moved forward."""

    to: Hour


@dataclass(frozen=True)
class Use:
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Sign:
    contract: Contract
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True)
class Give:
    """A grant is added, to a contract or to the customer."""

    grant: Grant


@dataclass(frozen=True)
class Reprice:
    """The list price of a product changes."""

    rate: Rate


@dataclass(frozen=True)
class Agree:
    """An override is added to a contract."""

    contract: str
    override: Override


@dataclass(frozen=True)
class Withdraw:
    """An override is taken out of a contract."""

    contract: str
    override: str


@dataclass(frozen=True)
class Bill:
    """A charge is added to a contract."""

    contract: str
    charge: Charge


@dataclass(frozen=True)
class End:
    """A contract is to end, or to go on without end."""

    contract: str
    at: Hour | None


@dataclass(frozen=True)
class Resize:
    """A segment of a grant gets another amount."""

    grant: str
    segment: int
    amount: Fraction


@dataclass(frozen=True)
class Adjust:
    """An amount is entered by hand."""

    grant: str
    segment: int
    amount: Fraction


@dataclass(frozen=True)
class Seats:
    """A subscription has another quantity from then on."""

    contract: str
    subscription: str
    at: Hour
    quantity: Fraction


@dataclass(frozen=True)
class Void:
    """The final usage invoice of a contract's period is void."""

    contract: str
    start: Hour


@dataclass(frozen=True)
class Regenerate:
    """A void usage invoice is made anew."""

    contract: str
    start: Hour


Action = (
    Move
    | Use
    | Sign
    | Give
    | Reprice
    | Agree
    | Withdraw
    | Bill
    | End
    | Resize
    | Adjust
    | Seats
    | Void
    | Regenerate
)


@dataclass(frozen=True)
class World:
    """What is sold, and all that has happened since the clock stood at 0."""

    products: tuple[Product, ...]
    rates: tuple[Rate, ...]
    actions: tuple[Action, ...] = field(default=())
