"""The books of one customer, made anew from all that happened. See README.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from tests.model import terms as t
from tests.model.calendar import last_boundary, next_boundary, periods, rhythm
from tests.model.drawdown import Due, Purse, draw, reaches, taken
from tests.model.statement import (
    cycles,
    subscription_items,
    usage_dues,
    usage_period_with,
)

ZERO = Fraction(0)
Hour = t.Hour


@dataclass
class Entry:
    """A line of a grant's ledger."""

    grant: str
    segment: int
    kind: str
    amount: Fraction
    at: Hour
    invoice: tuple[str, Hour] | None = None


@dataclass
class Invoice:
    """`owner`: the contract, None for the customer. `lines`: (kind of line, what) -> amount."""

    kind: str
    owner: str | None
    start: Hour
    end: Hour
    status: str
    lines: dict[tuple[str, str], Fraction]
    total: Fraction
    items: set[tuple[object, ...]] = field(default_factory=set)
    issued: Hour | None = None
    is_anew: bool = False


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
        self.trued_up: set[str] = set()
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
            old = self.contracts[contract.renews]
            charges = tuple(
                replace(one, items=tuple(item for item in one.items if item[0] < contract.start))
                for one in old.charges
            )
            self.change(old.name, end=contract.start, charges=charges)

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
            self.roll_over(hour)
            self.true_up(hour)
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
        """A segment begins with its amount; one that is changed later gets the difference."""
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
                self.post(grant.name, n, kind, difference, self.now if begun else segment.start)

    def is_cut_off(self, grant: t.Grant, segment: t.Segment) -> bool:
        """Whether the contract ends before the segment begins."""
        end = self.contract_end(grant)
        return end is not None and end <= segment.start

    def contract_end(self, grant: t.Grant) -> Hour | None:
        return None if grant.contract is None else self.contracts[grant.contract].end

    def segment_end(self, grant: t.Grant, segment: t.Segment) -> Hour:
        end = self.contract_end(grant)
        return segment.end if end is None else min(segment.end, end)

    def scheduled(
        self, until: Hour
    ) -> dict[tuple[str | None, Hour], list[tuple[tuple[object, ...], Due | None, str, Fraction]]]:
        """What goes on scheduled invoices: by contract and date, (which item, due to pay, kind of line, amount)."""
        found: dict[
            tuple[str | None, Hour], list[tuple[tuple[object, ...], Due | None, str, Fraction]]
        ] = {}

        def add(
            owner: str | None,
            at: Hour,
            item: tuple[object, ...],
            due: Due | None,
            kind: str,
            amount: Fraction,
        ) -> None:
            found.setdefault((owner, at), []).append((item, due, kind, amount))

        for contract in self.contracts.values():
            for charge in contract.charges:
                for n, (at, amount) in enumerate(charge.items):
                    add(
                        contract.name,
                        at,
                        ("charge", charge.name, n),
                        None,
                        "scheduled",
                        -amount if charge.is_discount else amount,
                    )
            for one in contract.subscriptions:
                for at, on_usage, due in subscription_items(contract, one, until):
                    period = usage_period_with(contract, at) if on_usage else None
                    if period is None or (one.in_advance and period[1] != at):
                        add(
                            contract.name,
                            at,
                            ("seats", one.name, due.start),
                            due,
                            "subscription",
                            due.worth,
                        )
        for grant in self.grants.values():
            if grant.kind != "POSTPAID":
                for n, (at, amount) in enumerate(grant.bills):
                    add(
                        grant.contract,
                        at,
                        ("grant", grant.name, n),
                        None,
                        "commit_purchase",
                        amount,
                    )
        return found

    def issue_scheduled(self, hour: Hour) -> None:
        """What is due on a date and on no invoice yet gets one."""
        for (owner, at), rows in sorted(
            self.scheduled(hour).items(), key=lambda row: (row[0][1], row[0][0] or "")
        ):
            billed = self.billed()
            fresh = [row for row in rows if row[0] not in billed]
            if at <= hour and fresh:
                lines: dict[tuple[str, str], Fraction] = {}
                for item, _, kind, amount in fresh:
                    key = (kind, str(item[1]))
                    lines[key] = lines.get(key, ZERO) + amount
                self.invoices.append(
                    Invoice(
                        "SCHEDULED",
                        owner,
                        at,
                        at,
                        "FINALIZED",
                        lines,
                        sum(lines.values(), ZERO),
                        {row[0] for row in fresh},
                        hour,
                    )
                )

    def billed(self) -> set[tuple[object, ...]]:
        return {item for one in self.invoices for item in one.items}

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
        items = set()
        for one in contract.subscriptions:
            for at, on_usage, due in subscription_items(contract, one, period[1]):
                if (
                    on_usage
                    and usage_period_with(contract, at) == period
                    and (not one.in_advance or at == period[1])
                ):
                    dues.append(due)
                    items.add(("seats", one.name, due.start))
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
        return True

    def current(self, contract: str, start: Hour) -> Invoice | None:
        """The last invoice of that period."""
        found = [
            one
            for one in self.invoices
            if (one.kind, one.owner, one.start) == ("USAGE", contract, start)
        ]
        return found[-1] if found else None

    def true_up(self, hour: Hour) -> None:
        for grant in self.grants.values():
            if grant.kind != "POSTPAID" or grant.name in self.trued_up or not grant.bills:
                continue
            ((at, _),) = grant.bills
            if (
                at > hour
                or not self.all_final(grant, grant.segments[0])
                or grant.segments[0].start > hour
            ):
                continue
            self.trued_up.add(grant.name)
            short = self.left().get((grant.name, 0), ZERO)
            if short > 0:
                self.post(grant.name, 0, "TRUEUP", -short, hour)
                self.invoices.append(
                    Invoice(
                        "SCHEDULED",
                        grant.contract,
                        hour,
                        hour,
                        "FINALIZED",
                        {("commit_purchase", grant.name): short},
                        short,
                        {("trueup", grant.name)},
                        hour,
                    )
                )

    def roll_over(self, hour: Hour) -> None:
        """What is left moves on when the contract is renewed and its last usage invoice is final."""
        for contract in [one for one in self.contracts.values() if one.renews is not None]:
            old = self.contracts[contract.renews or ""]
            if old.end is None or hour < old.end:
                continue
            current = [self.current(old.name, period[0]) for period in periods(old, old.end)]
            if any(one is None or one.status != "FINALIZED" for one in current):
                continue
            for grant in list(self.grants.values()):
                if (
                    grant.contract != old.name
                    or grant.rollover is None
                    or grant.name in self.rolled
                ):
                    continue
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
                self.post(one.grant, one.segment, "CREDITED", -one.amount, self.now)
                one.invoice = None

    def regenerate(self, contract: str, start: Hour) -> None:
        """Expirations that the period has a part in are taken back, and the invoice is made anew."""
        old = self.current(contract, start)
        assert old is not None
        for grant in self.grants.values():
            for n, segment in enumerate(grant.segments):
                if (
                    reaches(grant, self.contracts[contract])
                    and segment.start < old.end
                    and old.start < segment.end
                ):
                    gone = sum(
                        (
                            one.amount
                            for one in self.entries
                            if (one.grant, one.segment, one.kind) == (grant.name, n, "EXPIRATION")
                        ),
                        ZERO,
                    )
                    self.post(grant.name, n, "EXPIRATION", -gone, self.now)
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
        billed = self.billed()
        for key, rows in self.scheduled(self.now).items():
            for item, _, kind, amount in rows:
                if item not in billed and kind != "subscription":
                    sums[key] = sums.get(key, ZERO) + amount
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
