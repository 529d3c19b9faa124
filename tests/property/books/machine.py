"""Random histories of one customer: each thing that happens to the model happens to the platform, and they agree."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.model import terms as t
from tests.model.books import Books, replay
from tests.property.books import choices
from tests.property.books.comparison import Facts, core_facts, differences, model_facts
from tests.property.books.core_books import CoreBooks
from tests.property.books.shortening import differing, shortened

COUNTED: Counter[str] = Counter()
"""How often what happened, over all histories of the process."""

CONTRACTS_MAX = 3
GRANTS_MAX = 8


def one_by_one(action: t.Action, count: int) -> t.Action:
    """The same, with a priority of its own for each grant: where ids are random, nothing may depend on them."""
    match action:
        case t.Give(grant):
            return t.Give(replace(grant, priority=10 + 10 * count))
        case t.Sign(contract, grants):
            own = (replace(one, priority=10 + 10 * count + n) for n, one in enumerate(grants))
            return t.Sign(contract, tuple(own))
    return action


class Histories(RuleBasedStateMachine):
    """`books` is the model's, made anew from `world` after every step."""

    world: t.World
    books: Books
    core: CoreBooks
    ids_are_random: ClassVar[bool] = False

    @initialize(world=choices.worlds(), data=st.data())
    def begin(self, world: t.World, data: st.DataObject) -> None:
        COUNTED["sequences"] += 1
        self.world = world
        self.books = replay(world)
        self.open(world)
        self.names = 0
        self.do(data.draw(choices.contracts(self.name("contract"), 0, {})))

    def open(self, world: t.World) -> None:
        """Begin the platform's books."""
        self.core = CoreBooks(world)

    def perform(self, action: t.Action) -> None:
        """Let it happen on the platform."""
        self.core.do(action)

    def facts(self) -> Facts:
        """What the platform shows."""
        return core_facts(self.core)

    def do(self, action: t.Action) -> None:
        COUNTED["steps"] += 1
        COUNTED[type(action).__name__] += 1
        if self.ids_are_random:
            action = one_by_one(action, len(self.books.grants))
        self.world = t.World(self.world.products, self.world.rates, (*self.world.actions, action))
        self.perform(action)
        self.books = replay(self.world)

    def name(self, kind: str) -> str:
        self.names += 1
        return f"{kind} {self.names}"

    @invariant()
    def they_agree(self) -> None:
        if not hasattr(self, "books"):
            return
        found = differences(model_facts(self.books), self.facts())
        if found:
            world = self.world
            if not self.ids_are_random and differing(world):
                world = shortened(world)
                found = differing(world)
            raise AssertionError("\n".join([*found, *map(repr, (*world.rates, *world.actions))]))

    # Time and usage

    @rule(data=st.data())
    def move(self, data: st.DataObject) -> None:
        now = self.books.now
        due = sorted({hour for hour in self.books.hours(now + 40 * t.DAY) if hour > now})[:12]
        to = data.draw(
            (st.sampled_from(due) if due else st.nothing())
            | st.integers(now, now + 3 * t.DAY)
            | st.just(now + 9 * t.DAY)
            | st.just(now + 35 * t.DAY)
        )
        self.do(t.Move(min(to, max(now, choices.HORIZON))))

    @rule(data=st.data())
    def use(self, data: st.DataObject) -> None:
        self.do(t.Use(data.draw(choices.events(self.books.now))))

    @rule(data=st.data(), days=st.integers(1, 10))
    def use_and_move(self, data: st.DataObject, days: int) -> None:
        """The commonest thing: days go by, and something is used."""
        self.do(t.Move(min(self.books.now + days * t.DAY, max(self.books.now, choices.HORIZON))))
        self.do(t.Use(data.draw(choices.events(self.books.now))))

    # Terms

    @precondition(
        lambda self: (
            len(self.books.contracts) < CONTRACTS_MAX
            and (self._renewable() or not self.ids_are_random)
        )
    )
    @rule(data=st.data())
    def sign(self, data: st.DataObject) -> None:
        """Where ids are random one contract at a time: of two that end together the id decides which is paid first."""
        self.do(
            data.draw(
                choices.contracts(
                    self.name("contract"),
                    self.books.now,
                    self._renewable(),
                    alone=self.ids_are_random,
                )
            )
        )

    def _renewable(self) -> dict[str, t.Contract]:
        renewed = {one.renews for one in self.books.contracts.values()}
        return {
            name: one
            for name, one in self.books.contracts.items()
            if one.end is None and name not in renewed and not one.subscriptions
        }

    @precondition(lambda self: self.books.contracts and len(self.books.grants) < GRANTS_MAX)
    @rule(data=st.data())
    def give_and_use(self, data: st.DataObject) -> None:
        """Another grant beside those there are, and more usage for them to pay."""
        self.give(data)
        self.use(data)

    @precondition(lambda self: self.books.contracts and len(self.books.grants) < GRANTS_MAX)
    @rule(data=st.data())
    def give(self, data: st.DataObject) -> None:
        now = self.books.now
        lasting = [one for one in self.books.contracts.values() if one.end is None or one.end > now]
        contract = data.draw(st.none() | st.sampled_from(lasting)) if lasting else None
        others = tuple(self.books.contracts)
        self.do(t.Give(data.draw(choices.grants(self.name("grant"), now, contract, others))))

    @rule(data=st.data())
    def reprice(self, data: st.DataObject) -> None:
        now = self.books.now
        product = data.draw(st.sampled_from(choices.PRODUCTS))
        since = data.draw(choices.hours(max(0, now - 20 * t.DAY), now + 10 * t.DAY))
        self.do(t.Reprice(data.draw(choices.rates(product, since))))

    @precondition(lambda self: self.books.contracts)
    @rule(data=st.data())
    def agree(self, data: st.DataObject) -> None:
        contract = data.draw(st.sampled_from(sorted(self.books.contracts)))
        override = data.draw(choices.overrides(self.name("override"), self.books.now))
        self.do(t.Agree(contract, override))

    @precondition(lambda self: any(one.overrides for one in self.books.contracts.values()))
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        there = [
            (name, override.name)
            for name, one in self.books.contracts.items()
            for override in one.overrides
        ]
        self.do(t.Withdraw(*data.draw(st.sampled_from(there))))

    @precondition(lambda self: self.books.contracts)
    @rule(data=st.data())
    def bill(self, data: st.DataObject) -> None:
        contract = data.draw(st.sampled_from(list(self.books.contracts.values())))
        charge = data.draw(choices.charges(self.name("fee"), contract, self.books.now))
        self.do(t.Bill(contract.name, charge))

    @precondition(lambda self: self._can_end())
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self._can_end()))
        billed = [
            one.end for one in self.books.invoices if one.owner == name and one.kind == "USAGE"
        ]
        first = max([self.books.now, self.books.contracts[name].start + 1, *billed])
        at = data.draw(st.none() | choices.hours(first, first + 20 * t.DAY))
        self.do(t.End(name, at))

    def _can_end(self) -> list[str]:
        renewed = {one.renews for one in self.books.contracts.values()}
        return [
            name
            for name, one in self.books.contracts.items()
            if (one.end is None or one.end > self.books.now)
            and not (name in renewed or one.subscriptions or one.recurring)
        ]

    def _running(self) -> list[tuple[str, t.Subscription, t.Hour]]:
        """Subscriptions that are in force now or later, with their contract and their end."""
        found = []
        for name, contract in self.books.contracts.items():
            for one in contract.subscriptions:
                ends = [end for end in (one.end, contract.end) if end is not None]
                over = min(ends, default=choices.HORIZON * 2)
                if self.books.now < over:
                    found.append((name, one, over))
        return found

    @precondition(lambda self: self._running())
    @rule(data=st.data(), quantity=st.integers(0, 9).map(Fraction))
    def seats(self, data: st.DataObject, quantity: Fraction) -> None:
        name, one, over = data.draw(st.sampled_from(self._running()))
        first = max(self.books.now, one.start)
        at = data.draw(st.just(first) | choices.hours(first, min(over - 1, first + 15 * t.DAY)))
        self.do(t.Seats(name, one.name, at, quantity))

    # Ledgers

    def _open_segments(self) -> list[tuple[str, int]]:
        """Those that have begun and are not over: the only ones that may be changed here."""
        return [
            (name, n)
            for name, grant in self.books.grants.items()
            if not set("@>") & set(name)  # not made by a step
            for n, segment in enumerate(grant.segments)
            if segment.start <= self.books.now < self.books.segment_end(grant, segment)
        ]

    @precondition(lambda self: self._open_segments())
    @rule(data=st.data(), amount=choices.amounts)
    def adjust(self, data: st.DataObject, amount: Fraction) -> None:
        purse = data.draw(st.sampled_from(self._open_segments()))
        if data.draw(st.booleans()) and self.books.left().get(purse, Fraction(0)) >= amount:
            amount = -amount
        self.do(t.Adjust(*purse, amount))

    @precondition(lambda self: self._open_segments())
    @rule(data=st.data(), more=choices.amounts)
    def resize(self, data: st.DataObject, more: Fraction) -> None:
        name, n = data.draw(st.sampled_from(self._open_segments()))
        grant = self.books.grants[name]
        if grant.kind == "POSTPAID":  # its amount is also its true-up's
            return
        self.do(t.Resize(name, n, grant.segments[n].amount + more))

    # Corrections

    def _usage_invoices(self, status: str) -> list[tuple[str, t.Hour]]:
        found = []
        for name in self.books.contracts:
            for start in {one.start for one in self.books.invoices if one.owner == name}:
                current = self.books.current(name, start)
                if current is not None and current.status == status:
                    found.append((name, start))
        return sorted(found)

    @precondition(lambda self: self._usage_invoices("FINALIZED"))
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        self.do(t.Void(*data.draw(st.sampled_from(self._usage_invoices("FINALIZED")))))

    @precondition(lambda self: self._usage_invoices("VOID"))
    @rule(data=st.data())
    def regenerate(self, data: st.DataObject) -> None:
        self.do(t.Regenerate(*data.draw(st.sampled_from(self._usage_invoices("VOID")))))
