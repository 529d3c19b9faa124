"""A customer whose books are settled as time goes by, with usage by the hour. What a store does, in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from tests.unit.core.builders import card, flat, metric, product, rate, uid, utc

from meterline.core.catalogue import Product, ProductType, ProductVersion, Rate
from meterline.core.contract import Contract
from meterline.core.contract.schedule import InvoiceSchedule, ScheduleItem
from meterline.core.ledger.grant import Grant, GrantKind, GrantSegment
from meterline.core.lifecycle import (
    Account,
    Change,
    Drafts,
    Statement,
    applied,
    drafts,
    next_due,
    next_step,
    open_statements,
    perform,
    regenerate,
    statement_of,
    void,
)
from meterline.core.money import USD_CENTS, CreditType
from meterline.core.period import MONTHLY, StatementSchedule
from meterline.core.rating import PriceList
from meterline.core.usage import SegmentUsage, UsageBook

CUSTOMER, CONTRACT = uid(300), uid(200)
FIXED, SEATS = uid(20), uid(21)
JANUARY, FEBRUARY, MARCH, APRIL = (utc(2027, month, 1) for month in (1, 2, 3, 4))
YEAR_END = utc(2028, 1, 1)
FINAL = (0, 2)  # the day a month's invoice is final, as utc(2027, month, *FINAL[1:])


def agreed(*, starting_at: datetime = JANUARY, **terms: object) -> Contract:
    """A contract billed by the calendar month."""
    return Contract(
        **{  # type: ignore[arg-type]
            "id": CONTRACT,
            "customer_id": CUSTOMER,
            "rate_card_id": uid(100),
            "starting_at": starting_at,
            "ending_before": None,
            "schedule": StatementSchedule(MONTHLY, utc(2020, 1, 1)),
            "created_at": starting_at,
            **terms,
        }
    )


def granted(
    number: int,
    amount: int | str,
    start: datetime,
    end: datetime,
    kind: GrantKind = GrantKind.CREDIT,
    **terms: object,
) -> Grant:
    """A grant of one segment, on the contract."""
    return Grant(
        **{  # type: ignore[arg-type]
            "id": uid(400 + number),
            "customer_id": CUSTOMER,
            "kind": kind,
            "product_id": FIXED,
            "credit_type": USD_CENTS,
            "segments": (GrantSegment(uid(500 + number), Decimal(amount), start, end),),
            "created_at": start,
            "contract_id": CONTRACT,
            **terms,
        }
    )


def payable(*items: tuple[datetime, int], number: int = 600) -> InvoiceSchedule:
    """A schedule of amounts in cents."""
    return InvoiceSchedule(
        USD_CENTS,
        tuple(
            ScheduleItem(uid(number + n), at, Decimal(amount))
            for n, (at, amount) in enumerate(items)
        ),
    )


def fixed_product() -> Product:
    """What commits and charges hang on."""
    return Product(FIXED, ProductType.FIXED, (ProductVersion("Platform fee"),))


def price_list(
    *rates: Rate, products: Sequence[Product] = (), credit_type: CreditType = USD_CENTS
) -> PriceList:
    """Tokens at one cent each, or `rates`."""
    return PriceList(
        card(),
        [product(), *products],
        [metric()],
        list(rates) or [rate(flat("1"), credit_type=credit_type)],
    )


@dataclass
class Books:
    """An account, the usage of its one metric by the hour, and the clock."""

    account: Account
    now: datetime
    events: list[tuple[datetime, Decimal]] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        contracts: Iterable[Contract],
        grants: Iterable[Grant] = (),
        prices: PriceList | None = None,
        *,
        now: datetime = JANUARY,
        products: Sequence[Product] = (),
    ) -> Books:
        sold = {one.id: one for one in (fixed_product(), *products)}
        books = cls(
            Account(
                CUSTOMER,
                tuple(contracts),
                tuple(grants),
                (),
                (),
                {uid(100): prices or price_list()},
                sold,
            ),
            now,
        )
        books.move(now)
        return books

    def use(self, at: datetime, quantity: int | str) -> None:
        """Usage in the hour of `at`."""
        self.events.append((at, Decimal(quantity)))

    def move(self, to: datetime) -> None:
        """Let time pass, and do what falls due."""
        self.now = to
        count = 0
        while (step := next_step(self.account, to)) is not None:
            usage = None if step.statement is None else self.usage(step.statement)
            self.add(perform(self.account, step, usage))
            count += 1
            assert count < 1_000, f"never done: {step}"
        due = next_due(self.account, to)
        assert due is None or due > to

    def add(self, change: Change) -> None:
        assert change.grants or change.entries or change.invoices
        known = {one.id for one in (*self.account.grants, *self.account.entries)}
        assert known.isdisjoint(one.id for one in (*change.grants, *change.entries))
        self.account = applied(self.account, change)

    def change(self, **terms: object) -> None:
        """New terms of the account, settled at once."""
        self.account = replace(self.account, **terms)  # type: ignore[arg-type]
        self.move(self.now)

    def usage(self, statement: Statement) -> UsageBook:
        cuts = statement.plan.cuts.get(uid(1))
        if cuts is None:
            return {}
        rows = [
            SegmentUsage((), bisect_right(cuts, at) - 1, quantity)
            for at, quantity in self.events
            if cuts[0] <= at < cuts[-1]
        ]
        return {uid(1): rows}

    def drafts(self) -> Drafts:
        open_ones = open_statements(self.account, self.now)
        return drafts(
            self.account, {one.invoice_id: self.usage(one) for one in open_ones}, self.now
        )

    def void(self, invoice_id: UUID) -> None:
        self.add(void(self.account, invoice_id, self.now))
        self.move(self.now)

    def regenerate(self, invoice_id: UUID) -> UUID:
        statement = statement_of(self.account, invoice_id)
        usage = None if statement is None else self.usage(statement)
        change = regenerate(self.account, invoice_id, usage, self.now)
        self.add(change)
        self.move(self.now)
        return change.invoices[0].id

    def ledger(self, number: int) -> list[tuple[str, str, str]]:
        """(type, amount, day) of a grant's entries, in the order they were posted."""
        return [
            (entry.type.value, str(entry.amount), f"{entry.timestamp:%m-%d}")
            for entry in self.account.entries
            if entry.grant_id == uid(400 + number)
        ]

    def totals(self) -> list[tuple[str, str, str, str]]:
        """(type, status, start, total) of stored invoices, in the order they were issued."""
        return [
            (one.type.value, one.status.value, f"{one.start_timestamp:%m-%d}", str(one.total))
            for one in self.account.invoices
        ]


def lines(invoice: object) -> list[tuple[str, str, str]]:
    """(type, quantity, total) of an invoice's lines."""
    return [
        (line.type.value, str(line.quantity), str(line.total))
        for line in invoice.line_items  # type: ignore[attr-defined]
    ]


def entry_sum(books: Books, grant_id: UUID) -> Decimal:
    """What is left of a grant."""
    return sum(
        (one.amount for one in books.account.entries if one.grant_id == grant_id), Decimal(0)
    )


Usage = Mapping[UUID, UsageBook]
