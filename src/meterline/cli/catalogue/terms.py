"""What a catalogue file may say of customers, their contracts and their grants.

A contract is known by its customer and name, its parts by their names within it. Amounts: `usd` in dollars, `amount` in
`unit`.
"""

# ruff: noqa: RUF012 - msgspec copies the defaults of its structs

from __future__ import annotations

from decimal import Decimal

from meterline.cli.catalogue.prices import Part, Price


class Which(Part):
    """What an override, commit or credit is about. Fields are ANDed; an empty one does not restrict."""

    product: str | None = None
    tags: list[str] = []
    group: dict[str, str] = {}
    presentation: dict[str, str] = {}
    every: str | None = None


class MultiplierTier(Part):
    """A step of a tiered multiplier."""

    multiplier: Decimal
    size: Decimal | None = None


class Override(Part):
    """A price of the contract's own: one of multiplier, tiers of multipliers, a price, or whether it is sold.

    `to`: what it is about, ORed; nothing: the whole card. `starting_at` left out: the contract's.
    """

    to: list[Which] = []
    starting_at: str | None = None
    ending_before: str | None = None
    multiplier: Decimal | None = None
    tiers: list[MultiplierTier] = []
    price: Price | None = None
    entitled: bool | None = None
    priority: Decimal | None = None
    target: str | None = None


class Access(Part):
    """A stretch of a grant: what may be spent in it."""

    starting_at: str
    ending_before: str
    usd: Decimal | None = None
    amount: Decimal | None = None


class Due(Part):
    """An amount at a date: a sum, or so many at a price each."""

    at: str
    usd: Decimal | None = None
    amount: Decimal | None = None
    quantity: Decimal | None = None


class Repeated(Part):
    """The same at each date: `distribution` is each (default), divided or divided_rounded."""

    every: str
    starting_at: str
    ending_before: str
    usd: Decimal | None = None
    amount: Decimal | None = None
    quantity: Decimal | None = None
    distribution: str = "each"


class Grant(Part):
    """A commit or credit. `type` of a commit: prepaid (default) or postpaid. `unit`: what it is counted in.

    `invoice`: when it is paid for; left out it is free of charge. `applies_to` is ORed; nothing: all usage. A grant of
    a customer's own says which of his contracts bills it (`invoice_contract`), and may be for some `contracts` only.
    """

    name: str
    product: str
    access: list[Access]
    type: str | None = None
    unit: str = "USD"
    invoice: list[Due] = []
    invoice_unit: str = "USD"
    applies_to: list[Which] = []
    priority: Decimal | None = None
    rate: str | None = None
    rollover: Decimal | None = None
    description: str | None = None
    invoice_contract: str | None = None
    contracts: list[str] = []


class RecurringGrant(Part):
    """A commit or credit made anew each period: `usd` or `amount`, times `quantity`; it lasts `periods` periods.

    `invoice_usd`, `invoice_amount`: what a recurring commit costs. `seats_of`: the subscription whose seats it is
    multiplied by.
    """

    name: str
    product: str
    starting_at: str
    usd: Decimal | None = None
    amount: Decimal | None = None
    quantity: Decimal = Decimal(1)
    unit: str = "USD"
    every: str | None = None
    periods: int = 1
    ending_before: str | None = None
    invoice_usd: Decimal | None = None
    invoice_amount: Decimal | None = None
    invoice_unit: str = "USD"
    applies_to: list[Which] = []
    priority: Decimal = Decimal(0)
    rate: str | None = None
    rollover: Decimal | None = None
    proration: str | None = None
    seats_of: str | None = None


class Subscription(Part):
    """Seats or a fixed fee. `collected`: advance (default) or arrears. `increases`: at once or at the next date."""

    name: str
    product: str
    every: str = "monthly"
    quantity: Decimal = Decimal(1)
    collected: str = "advance"
    starting_at: str | None = None
    ending_before: str | None = None
    prorated: bool = True
    increases: str = "bill_immediately"
    placement: str | None = None


class ScheduledCharge(Part):
    """A charge (or discount) of a fixed product, at dates of its own or repeated."""

    name: str
    product: str
    unit: str = "USD"
    due: list[Due] = []
    repeated: Repeated | None = None


class UsageFilter(Part):
    """Only usage whose property is one of these values is the contract's."""

    group_key: str
    values: list[str]
    starting_at: str | None = None


class Statements(Part):
    """When usage is invoiced: monthly, quarterly, annual or weekly; from the first, the contract's start or a date."""

    every: str = "monthly"
    day: str | None = None
    anchor: str | None = None


class Contract(Part):
    """A contract. `key`: its uniqueness key, where it was made by other means."""

    name: str
    starting_at: str
    rate_card: str | None = None
    ending_before: str | None = None
    key: str | None = None
    statements: Statements | None = None
    usage_filter: UsageFilter | None = None
    net_payment_terms_days: int | None = None
    explicit_priorities: bool = False
    charges_on_usage_invoices: bool = False
    overrides: list[Override] = []
    commits: list[Grant] = []
    credits: list[Grant] = []
    recurring_commits: list[RecurringGrant] = []
    recurring_credits: list[RecurringGrant] = []
    subscriptions: list[Subscription] = []
    scheduled_charges: list[ScheduledCharge] = []
    discounts: list[ScheduledCharge] = []


class Customer(Part):
    """A customer, known by an ingest alias of his, else by name.

    `rate_card` is short for one contract without further terms, from `starting_at` on. `commits` and `credits` hold for
    all his contracts.
    """

    name: str
    ingest_aliases: list[str] = []
    rate_card: str | None = None
    starting_at: str | None = None
    contracts: list[Contract] = []
    commits: list[Grant] = []
    credits: list[Grant] = []
