"""The platform's pure core under the model's actions: an account in memory, and every event ever sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID, uuid5

from tests.model import terms as t

from meterline.core.catalogue import (
    CustomModel,
    CustomRate,
    Product,
    ProductType,
    ProductVersion,
    Rate,
    RateCard,
    RateTerms,
    RateType,
    Tier,
)
from meterline.core.contract import Contract, Transition, UsageFilter
from meterline.core.contract.override import Override, OverrideSpecifier, OverrideType
from meterline.core.contract.recurring import GrantProration, RecurringAmount, RecurringGrant
from meterline.core.contract.schedule import InvoiceSchedule, ScheduledCharge, ScheduleItem
from meterline.core.contract.subscription import (
    CollectionSchedule,
    InvoiceBehavior,
    QuantityChange,
    Subscription,
)
from meterline.core.ids import usage_invoice_id
from meterline.core.invoice import InvoiceStatus
from meterline.core.ledger.grant import (
    Grant,
    GrantKind,
    GrantSegment,
    GrantSpecifier,
    RateChoice,
)
from meterline.core.ledger.posting import manual
from meterline.core.lifecycle import (
    Account,
    Drafts,
    Statement,
    applied,
    drafts,
    next_step,
    open_statements,
    perform,
    regenerate,
    statement_of,
    void,
)
from meterline.core.metric import Aggregation, BillableMetric
from meterline.core.money import USD_CENTS
from meterline.core.period import Frequency, StatementDay, StatementSchedule
from meterline.core.rating import PriceList
from meterline.core.usage import SegmentUsage, UsageBook

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
NAMESPACE = UUID(int=7)
CARD = RateCard(uuid5(NAMESPACE, "card"), "Card", USD_CENTS)
KEYS = ("region", "team")
STEPS_MAX = 5000
"""More than any world of the tests has: a step that is never done would come for ever."""


def exact(number: Fraction) -> Decimal:
    """The decimal of a fraction that has one."""
    numerator, denominator = Decimal(number.numerator), Decimal(number.denominator)
    quotient = numerator / denominator
    assert Fraction(quotient) == number, f"{number} is no short decimal"
    return quotient


def named(kind: str, name: str) -> UUID:
    return uuid5(NAMESPACE, f"{kind}/{name}")


class CoreBooks:
    """One customer's account. Ids of contracts and grants rise in order of arrival, as ties go by them."""

    def __init__(self, world: t.World) -> None:
        self.usage_products = {one.name: one for one in world.products}
        self.metrics = {
            one.name: BillableMetric(
                named("metric", one.name),
                one.name,
                Aggregation.SUM,
                "n",
                group_keys=(KEYS,),
            )
            for one in world.products
        }
        self.products = [self._product(one) for one in world.products]
        self.rates = [self._rate(one) for one in world.rates]
        self.events: list[t.Event] = []
        self.contracts: dict[str, Contract] = {}
        self.grants: dict[str, Grant] = {}
        self.now = t.instant(0)
        self.count = 0
        self.account = Account(named("customer", "Acme"), (), (), (), (), {}, {})
        self._load()

    def do(self, action: t.Action) -> None:
        """Let it happen, with everything that is due then."""
        match action:
            case t.Move(to):
                self.settle(t.instant(to))
                self.now = t.instant(to)
                return
            case t.Use(events):
                self.events += events
            case t.Reprice(rate):
                self.rates.append(self._rate(rate))
            case t.Void(name, start):
                invoice = self.current(name, start)
                self.account = applied(self.account, void(self.account, invoice, self.now))
            case t.Regenerate(name, start):
                self._regenerate(self.current(name, start))
            case t.Give() | t.Resize() | t.Adjust():
                self._do_to_grant(action)
            case _:
                self._do_to_contract(action)
        self._load()
        self.settle(self.now)

    def settle(self, until: datetime) -> None:
        """Perform every step due."""
        for _ in range(STEPS_MAX):
            step = next_step(self.account, until)
            if step is None:
                return
            usage = None if step.statement is None else self.read(step.statement)
            self.account = applied(self.account, perform(self.account, step, usage))
        raise AssertionError(f"it never ends: {step}")

    def drafts(self) -> Drafts:
        statements = open_statements(self.account, self.now)
        usage = {one.invoice_id: self.read(one) for one in statements}
        return drafts(self.account, usage, self.now)

    def read(self, statement: Statement) -> UsageBook:
        """All usage of a statement's metrics, one row an event, in the segment its hour lies in."""
        names = {metric.id: name for name, metric in self.metrics.items()}
        book = {}
        for metric_id, plan in statement.plan.metrics.items():
            rows = []
            for event in self.events:
                at = t.instant(event.hour)
                if event.product == names[metric_id] and plan.cuts[0] <= at < plan.cuts[-1]:
                    segment = max(n for n, cut in enumerate(plan.cuts) if cut <= at)
                    rows.append(
                        SegmentUsage((event.region, event.team), segment, exact(event.quantity))
                    )
            book[metric_id] = rows
        return book

    def current(self, contract: str, start: t.Hour) -> UUID:
        """The id of the last usage invoice of that period."""
        period_start = t.instant(start)
        first = usage_invoice_id(self.contracts[contract].id, period_start)
        found = first
        successors = {one.regenerated_from: one.id for one in self.account.invoices}
        while found in successors:
            found = successors[found]
        return found

    # Terms of the model as those of the core

    def _load(self) -> None:
        """Put the terms into the account, with what steps have made."""
        stored = {one.id for one in self.grants.values()}
        made = [one for one in self.account.grants if one.id not in stored]
        fixed = Product(named("product", "Fixed"), ProductType.FIXED, (ProductVersion("Fixed"),))
        self.account = replace(
            self.account,
            contracts=tuple(
                sorted(self.contracts.values(), key=lambda one: (one.starting_at, one.id))
            ),
            grants=tuple(
                sorted([*self.grants.values(), *made], key=lambda one: (one.created_at, one.id))
            ),
            price_lists={
                CARD.id: PriceList(
                    CARD, tuple(self.products), tuple(self.metrics.values()), tuple(self.rates)
                )
            },
            products={one.id: one for one in (*self.products, fixed)},
        )

    def _next_id(self) -> UUID:
        self.count += 1
        return UUID(int=self.count)

    def _product(self, one: t.Product) -> Product:
        return Product(
            named("product", one.name),
            ProductType.USAGE,
            (
                ProductVersion(
                    one.name,
                    billable_metric_id=self.metrics[one.name].id,
                    pricing_group_key=("region",) if one.by_region else (),
                    presentation_group_key=("team",) if one.by_team else (),
                ),
            ),
        )

    def _rate(self, one: t.Rate) -> Rate:
        commit = None
        if one.commit_price is not None:
            commit = RateTerms(RateType.FLAT, exact(one.commit_price))
        return Rate(
            named("product", one.product),
            t.instant(one.since),
            None,
            one.sold,
            USD_CENTS,
            price_terms(one.price),
            {"region": one.region} if one.region else {},
            commit,
        )

    def _override(self, one: t.Override) -> Override:
        specifiers: tuple[OverrideSpecifier, ...] = ()
        if one.product is not None:
            values = {"region": one.region} if one.region else {}
            specifiers = (OverrideSpecifier(named("product", one.product), (), values),)
        return Override(
            named("override", one.name),
            OverrideType.MULTIPLIER if one.price is None else OverrideType.OVERWRITE,
            t.instant(one.since),
            None if one.until is None else t.instant(one.until),
            specifiers,
            None if one.multiplier is None else exact(one.multiplier),
            None if one.price is None else price_terms(one.price),
        )

    def _charge(self, one: t.Charge) -> ScheduledCharge:
        sign = -1 if one.is_discount else 1
        return ScheduledCharge(
            named("charge", one.name),
            named("product", "Fixed"),
            schedule(one.name, [(at, sign * amount) for at, amount in one.items]),
            one.name,
            one.is_discount,
        )

    def _subscription(self, one: t.Subscription) -> Subscription:
        product = named("product", one.name)
        if all(known.id != product for known in self.products):
            self.products.append(
                Product(product, ProductType.SUBSCRIPTION, (ProductVersion(one.name),))
            )
            self.rates.append(
                Rate(
                    product,
                    LONG_AGO,
                    None,
                    True,
                    USD_CENTS,
                    RateTerms(RateType.FLAT, exact(one.price)),
                    {},
                    billing_frequency=one.frequency,
                )
            )
        return Subscription(
            named("subscription", one.name),
            product,
            Frequency(one.frequency),
            CollectionSchedule.ADVANCE if one.in_advance else CollectionSchedule.ARREARS,
            t.instant(one.start),
            None if one.end is None else t.instant(one.end),
            tuple(
                QuantityChange(t.instant(since), exact(quantity))
                for since, quantity in one.quantities
            ),
            one.is_prorated,
            InvoiceBehavior.BILL_IMMEDIATELY
            if one.at_once
            else InvoiceBehavior.BILL_ON_NEXT_COLLECTION_DATE,
            name=one.name,
            created_at=self.now,
        )

    def _recurring(self, one: t.Recurring) -> RecurringGrant:
        return RecurringGrant(
            named("recurring", one.name),
            GrantKind.CREDIT,
            named("product", "Fixed"),
            Decimal(one.priority),
            RecurringAmount(USD_CENTS, exact(one.amount), Decimal(1)),
            one.periods,
            t.instant(one.start),
            None if one.end is None else t.instant(one.end),
            proration=GrantProration.FIRST_AND_LAST if one.is_cut else GrantProration.NONE,
            name=one.name,
        )

    def _sign(self, one: t.Contract) -> None:
        start = t.instant(one.start)
        day = StatementDay.CONTRACT_START if one.from_start else StatementDay.FIRST_OF_MONTH
        transition = None
        if one.renews is not None:
            old = self.contracts[one.renews]
            self.contracts[one.renews] = replace(
                old,
                ending_before=start,
                scheduled_charges=tuple(_before(charge, start) for charge in old.scheduled_charges),
            )
            transition = Transition(old.id)
        self.contracts[one.name] = Contract(
            self._next_id(),
            self.account.customer_id,
            CARD.id,
            start,
            None if one.end is None else t.instant(one.end),
            StatementSchedule.of(Frequency(one.frequency), day, contract_start=start),
            () if one.teams is None else (UsageFilter("team", frozenset(one.teams), start),),
            one.name,
            created_at=self.now,
            overrides=tuple(self._override(override) for override in one.overrides),
            scheduled_charges=tuple(self._charge(charge) for charge in one.charges),
            recurring_grants=tuple(self._recurring(recurring) for recurring in one.recurring),
            subscriptions=tuple(self._subscription(seats) for seats in one.subscriptions),
            transition=transition,
        )

    def _give(self, one: t.Grant) -> None:
        specifiers = tuple(
            GrantSpecifier(
                named("product", product), (), {"region": one.region} if one.region else {}
            )
            for product in one.products
        )
        if one.region and not one.products:
            specifiers = (GrantSpecifier(None, (), {"region": one.region}),)
        grant_id = self._next_id()
        self.grants[one.name] = Grant(
            grant_id,
            self.account.customer_id,
            GrantKind(one.kind),
            named("product", "Fixed"),
            USD_CENTS,
            tuple(
                GrantSegment(
                    uuid5(grant_id, f"segment {n}"),
                    exact(segment.amount),
                    t.instant(segment.start),
                    t.instant(segment.end),
                )
                for n, segment in enumerate(one.segments)
            ),
            self.now,
            None if one.contract is None else self.contracts[one.contract].id,
            schedule(one.name, one.bills) if one.bills else None,
            Decimal(one.priority),
            rate_type=RateChoice.COMMIT_RATE if one.at_commit_rate else RateChoice.LIST_RATE,
            specifiers=specifiers,
            applicable_contract_ids=None
            if one.contracts is None
            else tuple(self.contracts[name].id for name in one.contracts),
            invoice_contract_id=None if one.billed_on is None else self.contracts[one.billed_on].id,
            rollover_fraction=None if one.rollover is None else exact(one.rollover),
            name=one.name,
        )

    def _do_to_grant(self, action: t.Give | t.Resize | t.Adjust) -> None:
        match action:
            case t.Give(grant):
                self._give(grant)
            case t.Adjust(name, number, amount):
                grant = self.grants[name]
                cause = uuid5(grant.id, f"by hand {len(self.account.entries)}")
                entry = manual(
                    grant,
                    grant.segments[number].id,
                    exact(amount),
                    reason="by hand",
                    at=self.now,
                    cause=cause,
                )
                self.account = replace(self.account, entries=(*self.account.entries, entry))
            case t.Resize(name, number, amount):
                grant = self.grants[name]
                segments = list(grant.segments)
                segments[number] = replace(segments[number], amount=exact(amount))
                self.grants[name] = replace(grant, segments=tuple(segments))

    def _do_to_contract(
        self, action: t.Sign | t.Agree | t.Withdraw | t.Bill | t.End | t.Seats
    ) -> None:
        if isinstance(action, t.Sign):
            self._sign(action.contract)
            for grant in action.grants:
                self._give(grant)
            return
        old = self.contracts[action.contract]
        match action:
            case t.Agree(_, override):
                new = replace(old, overrides=(*old.overrides, self._override(override)))
            case t.Withdraw(_, gone):
                kept = [one for one in old.overrides if one.id != named("override", gone)]
                new = replace(old, overrides=tuple(kept))
            case t.Bill(_, charge):
                new = replace(old, scheduled_charges=(*old.scheduled_charges, self._charge(charge)))
            case t.End(_, at):
                new = replace(old, ending_before=None if at is None else t.instant(at))
            case t.Seats(_, which, at, quantity):
                change = QuantityChange(t.instant(at), exact(quantity))
                new = replace(
                    old,
                    subscriptions=tuple(
                        replace(one, quantity_changes=(*one.quantity_changes, change))
                        if one.name == which
                        else one
                        for one in old.subscriptions
                    ),
                )
        self.contracts[action.contract] = new

    def _regenerate(self, invoice_id: UUID) -> None:
        statement = statement_of(self.account, invoice_id)
        assert statement is not None
        change = regenerate(self.account, invoice_id, self.read(statement), self.now)
        assert {one.status for one in change.invoices} == {InvoiceStatus.FINALIZED}
        self.account = applied(self.account, change)


def price_terms(price: t.Price) -> RateTerms:
    """The core's terms of a price."""
    tiers = tuple(
        Tier(exact(each), None if size is None else exact(size)) for each, size in price.tiers
    )
    if price.kind == "FLAT":
        return RateTerms(RateType.FLAT, tiers[0].price)
    if price.kind == "TIERED":
        return RateTerms(RateType.TIERED, tiers=tiers)
    if price.kind == "VOLUME":
        return RateTerms(RateType.CUSTOM, custom=CustomRate(CustomModel.VOLUME, tiers=tiers))
    assert price.size is not None
    custom = CustomRate(CustomModel.PACKAGE, tiers[0].price, package_size=exact(price.size))
    return RateTerms(RateType.CUSTOM, custom=custom)


def schedule(name: str, items: Iterable[tuple[t.Hour, Fraction]]) -> InvoiceSchedule:
    return InvoiceSchedule(
        USD_CENTS,
        tuple(
            ScheduleItem(named("item", f"{name}/{n}"), t.instant(at), exact(amount))
            for n, (at, amount) in enumerate(items)
        ),
    )


def _before(charge: ScheduledCharge, end: datetime) -> ScheduledCharge:
    kept = tuple(item for item in charge.schedule.items if item.timestamp < end)
    return replace(charge, schedule=replace(charge.schedule, items=kept))
