"""The books of one customer, made anew from all that happened. See README.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from tests.model import terms as t
from tests.model.calendar import last_boundary, next_boundary, periods, rhythm
from tests.model.drawdown import Due, Purse, draw, reaches, taken
from tests.model.facts import Entry, Invoice, Item, Key
from tests.model.statement import (
    cycles,
    subscription_items,
    usage_dues,
    usage_period_with,
)

ZERO = Fraction(0)
Hour = t.Hour


class Books:
    """All invoices and ledgers at the time the clock stands at. Built by `replay`."""

    def __init__(self, world: t.World) -> None:
        self.products = world.products
        self.rates = list(world.rates)
        self.events: list[t.Event] = []
        self.contracts: dict[str, t.Contract] = {}
        self.grants: dict[str, t.Grant] = {}
        self.invoices: list[Invoice] = []
        self.entries: list[Entry] = []
        self.now: Hour = 0
        self.rolled: set[str] = set()

    # What happens

    def do(self, action: t.Action) -> None:
        """Let it happen, and do all that is due then."""
        match action:
            case t.Move(to):
                self.settle(to)
                self.now = to
            case t.Use(events):
                self.events += events
            case t.Reprice(rate):
                self.rates.append(rate)
            case t.Void(name, start):
                self.void(name, start)
            case t.Regenerate(name, start):
                self.regenerate(name, start)
            case t.Give() | t.Resize() | t.Adjust():
                self.do_to_grant(action)
            case _:
                self.do_to_contract(action)
        self.settle(self.now)

    def do_to_grant(self, action: t.Give | t.Resize | t.Adjust) -> None:
        match action:
            case t.Give(grant):
                self.grants[grant.name] = replace(grant, made=self.now)
            case t.Adjust(name, number, amount):
                self.post(name, number, "MANUAL", amount, self.now)
            case t.Resize(name, number, amount):
                segments = list(self.grants[name].segments)
                segments[number] = replace(segments[number], amount=amount)
                self.grants[name] = replace(self.grants[name], segments=tuple(segments))

    def do_to_contract(
        self, action: t.Sign | t.Agree | t.Withdraw | t.Bill | t.End | t.Seats
    ) -> None:
        match action:
            case t.Sign(contract, grants):
                self.sign(replace(contract, made=self.now))
                for grant in grants:
                    self.grants[grant.name] = replace(grant, made=self.now)
            case t.Agree(name, override):
                self.change(name, overrides=(*self.contracts[name].overrides, override))
            case t.Withdraw(name, gone):
                kept = tuple(one for one in self.contracts[name].overrides if one.name != gone)
                self.change(name, overrides=kept)
            case t.Bill(name, charge):
                charges = (*self.contracts[name].charges, replace(charge, made=self.now))
                self.change(name, charges=charges)
            case t.End(name, at):
                self.change(name, end=at)
            case t.Seats(name, which, at, quantity):
                subscriptions = tuple(
                    replace(one, quantities=(*one.quantities, (at, quantity)))
                    if one.name == which
                    else one
                    for one in self.contracts[name].subscriptions
                )
                self.change(name, subscriptions=subscriptions)

    def change(self, contract: str, **terms: object) -> None:
        self.contracts[contract] = replace(self.contracts[contract], **terms)  # type: ignore[arg-type]

    def sign(self, contract: t.Contract) -> None:
        self.contracts[contract.name] = contract
        if contract.renews is not None:
            self.change(contract.renews, end=contract.start)

    def renewed_at(self, contract: t.Contract) -> Hour | None:
        """When another contract takes over from this one."""
        starts = [one.start for one in self.contracts.values() if one.renews == contract.name]
        return min(starts, default=None)

    def post(
        self,
        grant: str,
        segment: int,
        kind: str,
        amount: Fraction,
        at: Hour,
        invoice: tuple[str, Hour] | None = None,
    ) -> None:
        if amount:
            self.entries.append(Entry(grant, segment, kind, amount, at, invoice))

    # What falls due: hour by hour, and in each hour in this order

    def settle(self, to: Hour) -> None:
        hour: Hour | None = self.now
        while hour is not None:
            self.make_grants(hour)
            self.start_segments(hour)
            self.issue_scheduled(hour)
            self.finalize_usage(hour)
            self.true_up(hour)
            self.roll_over(hour)
            self.expire(hour)
            hour = min((one for one in [*self.hours(to), to] if hour < one <= to), default=None)

    def hours(self, to: Hour) -> Iterator[Hour]:
        """All at which anything could fall due."""
        for contract in self.contracts.values():
            for start, end in periods(contract, to):
                yield from (start, end, end + t.GRACE)
            yield contract.made + t.GRACE
            for charge in contract.charges:
                yield from (at for at, _ in charge.items)
            for one in contract.subscriptions:
                for start, end, _ in cycles(contract, one, to):
                    yield from (start, end)
                yield from (since for since, _ in one.quantities)
            for recurring in contract.recurring:
                yield recurring.start
        for grant in self.grants.values():
            for segment in grant.segments:
                yield from (segment.start, segment.end)
            yield from (at for at, _ in grant.bills)

    def make_grants(self, hour: Hour) -> None:
        """Each recurring credit makes a grant of its own when a statement period begins."""
        for contract in self.contracts.values():
            for recurring in contract.recurring:
                for grant in self.children(contract, recurring, hour):
                    if grant.name not in self.grants:
                        self.grants[grant.name] = grant

    def children(
        self, contract: t.Contract, recurring: t.Recurring, hour: Hour
    ) -> Iterator[t.Grant]:
        for start, end in periods(contract, hour):
            first = max(start, recurring.start)
            last = end if recurring.end is None else min(end, recurring.end)
            if first >= last or first > hour:
                continue
            of = rhythm(contract)
            whole = next_boundary(of, start) - last_boundary(of, start)
            part = Fraction(last - first, whole) if recurring.is_cut else Fraction(1)
            until = last
            if recurring.periods > 1:
                until = first
                for _ in range(recurring.periods):
                    until = next_boundary(of, until)
                until = until if contract.end is None else min(until, contract.end)
            yield t.Grant(
                f"{recurring.name}@{first}",
                "CREDIT",
                (t.Segment(recurring.amount * part, first, until),),
                recurring.priority,
                contract.name,
                made=first,
            )

    def start_segments(self, hour: Hour) -> None:
        """A segment begins with its amount; one that is changed later gets the difference, as of its start."""
        for grant in self.grants.values():
            kind = "INITIAL_BALANCE" if grant.kind == "POSTPAID" else "SEGMENT_START"
            for n, segment in enumerate(grant.segments):
                if segment.start > hour or self.is_cut_off(grant, segment):
                    continue
                begun = [
                    one
                    for one in self.entries
                    if (one.grant, one.segment, one.kind) == (grant.name, n, kind)
                ]
                difference = segment.amount - sum((one.amount for one in begun), ZERO)
                self.post(grant.name, n, kind, difference, segment.start)

    def is_cut_off(self, grant: t.Grant, segment: t.Segment) -> bool:
        """Whether the contract ends before the segment begins."""
        end = self.contract_end(grant)
        return end is not None and end <= segment.start

    def contract_end(self, grant: t.Grant) -> Hour | None:
        return None if grant.contract is None else self.contracts[grant.contract].end

    def segment_end(self, grant: t.Grant, segment: t.Segment) -> Hour:
        end = self.contract_end(grant)
        return segment.end if end is None else min(segment.end, end)

    def scheduled(self, until: Hour) -> dict[tuple[str | None, Hour], list[Item]]:
        """What goes on scheduled invoices and is on none yet, by contract and date; seats of cycles up to `until`."""
        found: dict[tuple[str | None, Hour], list[Item]] = {}
        billed = self.billed()

        def add(owner: str | None, at: Hour, item: Item) -> None:
            item.quantity -= billed.get(item.key, ZERO)
            if item.quantity > 0:
                found.setdefault((owner, at), []).append(item)

        one = Fraction(1)
        for contract in self.contracts.values():
            over = self.renewed_at(contract)
            for charge in contract.charges:
                for n, (at, amount) in enumerate(charge.items):
                    if over is not None and at >= over:
                        continue
                    signed = -amount if charge.is_discount else amount
                    add(
                        contract.name,
                        at,
                        Item(("charge", charge.name, n), one, signed, "scheduled"),
                    )
            for at, _, due in self.seats(contract, until, on_usage=False):
                key = ("seats", due.name, due.start)
                add(contract.name, at, Item(key, due.quantity, due.unit_price, "subscription"))
        for grant in self.grants.values():
            if grant.kind != "POSTPAID":
                for n, (at, amount) in enumerate(grant.bills):
                    key = ("grant", grant.name, n)
                    add(
                        grant.contract or grant.billed_on,
                        at,
                        Item(key, one, amount, "commit_purchase"),
                    )
        return found

    def seats(
        self, contract: t.Contract, until: Hour, *, on_usage: bool
    ) -> Iterator[tuple[Hour, tuple[Hour, Hour] | None, Due]]:
        """(when, the usage period, what) of subscriptions' charges on usage invoices, or on those of their dates.

        What would be on a usage invoice that is not open any more is invoiced at its date.
        """
        for one in contract.subscriptions:
            for at, wants_usage, due in subscription_items(contract, one, until):
                period = usage_period_with(contract, at) if wants_usage else None
                if period is not None and one.in_advance and period[1] != at:
                    period = None
                if on_usage and period is not None:
                    yield at, period, due
                closed = period is not None and self.current(contract.name, period[0]) is not None
                if not on_usage and (period is None or closed):
                    yield at, None, due

    def issue_scheduled(self, hour: Hour) -> None:
        """What is due on a date and on no invoice yet gets one."""
        found = self.scheduled(hour)
        for owner, at in sorted(found, key=lambda key: (key[1], key[0] or "")):
            if at > hour:
                continue
            lines: dict[tuple[str, str], Fraction] = {}
            for item in found[owner, at]:
                what = (item.kind, item.key[1])
                lines[what] = lines.get(what, ZERO) + item.quantity * item.price
            items = {item.key: item.quantity for item in found[owner, at]}
            total = sum(lines.values(), ZERO)
            self.invoices.append(
                Invoice("SCHEDULED", owner, at, at, "FINALIZED", lines, total, items, hour)
            )

    def billed(self, but: tuple[str, Hour] | None = None) -> dict[Key, Fraction]:
        """How much of what is on invoices that nothing stands in for, leaving out those of one usage period."""
        sums: dict[Key, Fraction] = {}
        for one in self.invoices:
            if one.kind == "USAGE" and one is not self.current(one.owner or "", one.start):
                continue
            if but is None or one.kind != "USAGE" or (one.owner, one.start) != but:
                for key, quantity in one.items.items():
                    sums[key] = sums.get(key, ZERO) + quantity
        return sums

    # Usage invoices

    def final_at(self, contract: t.Contract, end: Hour) -> Hour:
        return max(end, contract.made) + t.GRACE

    def open_statements(self, until: Hour) -> list[tuple[t.Contract, tuple[Hour, Hour]]]:
        """Those that began and are not final, in the order in which they will be."""
        stored = {(one.owner, one.start) for one in self.invoices if one.kind == "USAGE"}
        place = {name: n for n, name in enumerate(self.contracts)}
        found = [
            (contract, period)
            for contract in self.contracts.values()
            for period in periods(contract, until)
            if (contract.name, period[0]) not in stored
        ]
        return sorted(
            found,
            key=lambda one: (
                *(self.final_at(one[0], one[1][1]), one[1][0], one[0].start, place[one[0].name]),
            ),
        )

    def left(self) -> dict[Purse, Fraction]:
        """What is left of each segment by its entries."""
        sums: dict[Purse, Fraction] = {}
        for one in self.entries:
            sums[one.grant, one.segment] = sums.get((one.grant, one.segment), ZERO) + one.amount
        return sums

    def usage_invoice(
        self, contract: t.Contract, period: tuple[Hour, Hour], left: dict[Purse, Fraction]
    ) -> tuple[Invoice, list[Due]]:
        """The invoice as it stands, taking from `left`."""
        grants = list(self.grants.values())
        dues = usage_dues(contract, period, self.products, self.rates, self.events, grants)
        items: dict[Key, Fraction] = {}
        billed = self.billed(but=(contract.name, period[0]))
        for _, of, due in self.seats(contract, period[1], on_usage=True):
            key = ("seats", due.name, due.start)
            due.quantity -= billed.get(key, ZERO)
            due.worth = due.quantity * due.unit_price
            if of == period and due.quantity > 0:
                dues.append(due)
                items[key] = due.quantity
        place = {name: n for n, name in enumerate(self.grants)}
        draw(dues, contract, self.grants, left, place.__getitem__)
        lines: dict[tuple[str, str], Fraction] = {}
        total = ZERO
        for due in dues:
            kind = "usage" if due.kind == 0 else "subscription"
            what = "/".join(str(part or "") for part in (due.name, due.region, due.team))
            paid = sum((amount for _, amount in due.paid), ZERO)
            lines[kind, what] = lines.get((kind, what), ZERO) + due.worth + paid
            total += due.worth + paid
            for (name, _), amount in due.paid:
                key = ("applied_commit_or_credit", name)
                lines[key] = lines.get(key, ZERO) - amount
                if self.grants[name].kind != "POSTPAID":
                    total -= amount
        found = Invoice("USAGE", contract.name, *period, "DRAFT", lines, total, items)
        return found, dues

    def finalize(self, contract: t.Contract, period: tuple[Hour, Hour], at: Hour) -> Invoice:
        invoice, dues = self.usage_invoice(contract, period, self.left())
        invoice.status, invoice.issued = "FINALIZED", at
        invoice.drew = set(taken(dues))
        for (grant, segment), amount in taken(dues).items():
            self.post(
                grant,
                segment,
                "AUTOMATED_INVOICE_DEDUCTION",
                -amount,
                period[1],
                (contract.name, period[0]),
            )
        self.invoices.append(invoice)
        return invoice

    def finalize_usage(self, hour: Hour) -> None:
        for contract, period in self.open_statements(hour):
            if self.final_at(contract, period[1]) <= hour:
                self.finalize(contract, period, self.final_at(contract, period[1]))

    # Ends of grants

    def all_final(self, grant: t.Grant, segment: t.Segment) -> bool:
        """Whether every usage invoice that the segment could pay is final, and none is void."""
        end = self.segment_end(grant, segment)
        for contract in self.contracts.values():
            if not reaches(grant, contract):
                continue
            for period in periods(contract, end):
                if period[0] < end and segment.start < period[1]:
                    current = self.current(contract.name, period[0])
                    if current is None or current.status != "FINALIZED":
                        return False
        return not any(self.is_held_by(one, grant, segment) for one in self.invoices)

    def is_held_by(self, invoice: Invoice, grant: t.Grant, segment: t.Segment) -> bool:
        """Whether a void invoice drew on the segment (in advance, it may be) and none stands in for it yet."""
        purse = (grant.name, grant.segments.index(segment))
        return (
            invoice.status == "VOID"
            and purse in invoice.drew
            and self.current(invoice.owner or "", invoice.start) is invoice
        )

    def current(self, contract: str, start: Hour) -> Invoice | None:
        """The last invoice of that period."""
        found = [
            one
            for one in self.invoices
            if (one.kind, one.owner, one.start) == ("USAGE", contract, start)
        ]
        return found[-1] if found else None

    def true_up(self, hour: Hour) -> None:
        """What a postpaid commit is short of is billed; after a correction what it is short of then."""
        for grant in self.grants.values():
            if grant.kind != "POSTPAID" or not grant.bills:
                continue
            ((at, _),) = grant.bills
            (segment,) = grant.segments
            due = max(at, self.segment_end(grant, segment), self.last_final(grant, segment))
            short = self.left().get((grant.name, 0), ZERO)
            if short > 0 and due <= hour and self.all_final(grant, segment):
                self.post(grant.name, 0, "TRUEUP", -short, due)
                owner = grant.contract or grant.billed_on
                lines = {("commit_purchase", grant.name): short}
                self.invoices.append(
                    Invoice(
                        "SCHEDULED",
                        owner,
                        due,
                        due,
                        "FINALIZED",
                        lines,
                        short,
                        issued=hour,
                    )
                )

    def last_final(self, grant: t.Grant, segment: t.Segment) -> Hour:
        """When the last usage invoice that the segment could pay is final."""
        end = self.segment_end(grant, segment)
        return max(
            (
                self.final_at(contract, period[1])
                for contract in self.contracts.values()
                if reaches(grant, contract)
                for period in periods(contract, end)
                if period[0] < end and segment.start < period[1]
            ),
            default=0,
        )

    def roll_over(self, hour: Hour) -> None:
        """What is left of what is live at a contract's end moves on with its renewal, once all its usage is final."""
        for contract in [one for one in self.contracts.values() if one.renews is not None]:
            old = self.contracts[contract.renews or ""]
            for grant in list(self.grants.values()):
                if (
                    grant.contract != old.name
                    or grant.rollover is None
                    or grant.name in self.rolled
                ):
                    continue
                (segment,) = grant.segments
                assert old.end is not None
                lives = segment.start < old.end <= segment.end
                final = self.last_final(grant, segment) <= hour and self.all_final(grant, segment)
                if lives and old.end <= hour and final:
                    self.rolled.add(grant.name)
                    self.roll(grant, contract)

    def roll(self, grant: t.Grant, contract: t.Contract) -> None:
        assert grant.rollover is not None
        assert len(grant.segments) == 1
        left = self.left().get((grant.name, 0), ZERO)
        amount = min(left, grant.rollover * grant.segments[0].amount)
        if amount > 0:
            self.post(grant.name, 0, "ROLLOVER", -amount, contract.start)
            segment = grant.segments[0]
            end = contract.end or contract.start + segment.end - segment.start
            new = t.Segment(amount, contract.start, end)
            name = f"{grant.name}>{contract.name}"
            self.grants[name] = replace(
                grant,
                name=name,
                contract=contract.name,
                segments=(new,),
                bills=((end, amount),) if grant.kind == "POSTPAID" else (),
                rollover=None,
                rolled_over_from=grant.name,
                made=contract.start,
            )

    def expire(self, hour: Hour) -> None:
        for grant in self.grants.values():
            if grant.kind == "POSTPAID":
                continue
            for n, segment in enumerate(grant.segments):
                end = self.segment_end(grant, segment)
                left = self.left().get((grant.name, n), ZERO)
                if end <= hour and left > 0 and self.all_final(grant, segment):
                    self.post(grant.name, n, "EXPIRATION", -left, end)

    # Corrections

    def void(self, contract: str, start: Hour) -> None:
        invoice = self.current(contract, start)
        assert invoice is not None
        invoice.status = "VOID"
        for one in list(self.entries):
            if one.invoice == (contract, start) and one.kind == "AUTOMATED_INVOICE_DEDUCTION":
                self.post(one.grant, one.segment, "CREDITED", -one.amount, one.at)
                one.invoice = None

    def regenerate(self, contract: str, start: Hour) -> None:
        """Expirations that the period has a part in are taken back, and the invoice is made anew."""
        old = self.current(contract, start)
        assert old is not None
        for grant in self.grants.values():
            for n, segment in enumerate(grant.segments):
                in_time = segment.start < old.end and old.start < segment.end
                if reaches(grant, self.contracts[contract]) and (
                    in_time or (grant.name, n) in old.drew
                ):
                    gone = [
                        one
                        for one in self.entries
                        if (one.grant, one.segment, one.kind) == (grant.name, n, "EXPIRATION")
                    ]
                    if gone:
                        net = sum((one.amount for one in gone), ZERO)
                        self.post(grant.name, n, "EXPIRATION", -net, gone[-1].at)
        new = self.finalize(self.contracts[contract], (old.start, old.end), self.now)
        new.is_anew = True

    # What is seen

    def drafts(self) -> tuple[list[Invoice], dict[Purse, Fraction]]:
        """The usage invoices to come, and what is left of each segment once they are paid."""
        left = self.left()
        found = [
            self.usage_invoice(contract, period, left)[0]
            for contract, period in self.open_statements(self.now)
        ]
        return found, left

    def upcoming(self) -> dict[tuple[str | None, Hour], Fraction]:
        """Totals of scheduled invoices to come, of charges and purchases (seats have no end)."""
        sums: dict[tuple[str | None, Hour], Fraction] = {}
        for key, items in self.scheduled(self.now).items():
            for item in items:
                if item.kind != "subscription":
                    sums[key] = sums.get(key, ZERO) + item.quantity * item.price
        return sums

    def balance(self, name: str, left: dict[Purse, Fraction]) -> Fraction:
        """What can be spent of a grant now."""
        grant = self.grants[name]
        return sum(
            (
                left.get((name, n), ZERO)
                for n, segment in enumerate(grant.segments)
                if segment.start <= self.now < self.segment_end(grant, segment)
            ),
            ZERO,
        )


def replay(world: t.World) -> Books:
    """The books after all of the world's actions."""
    books = Books(world)
    for action in world.actions:
        books.do(action)
    return books
