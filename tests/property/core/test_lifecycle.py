"""Books through time, whatever is agreed and used: time passes alike in any steps, and ledgers add up.

`tests/property/books` holds the same code against a model of its own; here are properties that need none.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core.builders import card, flat, metric, product, rate, tiered, uid, utc
from tests.unit.core.lifecycle.world import (
    CUSTOMER,
    FIXED,
    JANUARY,
    SEATS,
    Books,
    agreed,
    granted,
    payable,
)

from meterline.core.catalogue import Product, ProductType, ProductVersion
from meterline.core.contract import Contract, Transition
from meterline.core.contract.recurring import RecurringAmount, RecurringGrant
from meterline.core.contract.subscription import (
    CollectionSchedule,
    QuantityChange,
    Subscription,
)
from meterline.core.decimals import EXACT, ZERO
from meterline.core.invoice import InvoiceStatus, InvoiceType, LineType
from meterline.core.invoice.lines import is_counted
from meterline.core.ledger.entry import EntryType
from meterline.core.ledger.grant import Grant, GrantKind
from meterline.core.lifecycle import next_step
from meterline.core.money import USD_CENTS
from meterline.core.period import MONTHLY, WEEKLY, Frequency, StatementSchedule
from meterline.core.rating import PriceList

DAY = timedelta(days=1)
END = utc(2027, 5, 20)
SEAT_PRODUCT = Product(SEATS, ProductType.SUBSCRIPTION, (ProductVersion("Seats"),))

days = st.integers(0, 120).map(lambda day: JANUARY + day * DAY)


@st.composite
def contracts(draw: st.DrawFn) -> list[Contract]:
    """One or two contracts, of which the second may renew the first."""
    recurring = RecurringGrant(
        uid(450),
        GrantKind.CREDIT,
        FIXED,
        Decimal(draw(st.integers(0, 2))),
        RecurringAmount(USD_CENTS, Decimal(40)),
        draw(st.integers(1, 2)),
        JANUARY,
        rollover_fraction=Decimal("0.5"),
    )
    seats = Subscription(
        uid(900),
        SEATS,
        draw(st.sampled_from([Frequency.MONTHLY, Frequency.QUARTERLY])),
        draw(st.sampled_from(CollectionSchedule)),
        JANUARY,
        None,
        (QuantityChange(JANUARY, Decimal(2)), QuantityChange(draw(days), Decimal(5))),
    )
    first = agreed(
        ending_before=draw(st.none() | st.integers(20, 110).map(lambda day: JANUARY + day * DAY)),
        schedule=StatementSchedule(draw(st.sampled_from([MONTHLY, WEEKLY])), utc(2027, 1, 4)),
        recurring_grants=(recurring,) if draw(st.booleans()) else (),
        subscriptions=(seats,) if draw(st.booleans()) else (),
        charges_on_usage_invoices=draw(st.booleans()),
    )
    if not draw(st.booleans()):
        return [first]
    renews = first.ending_before is not None and draw(st.booleans())
    start = first.ending_before if renews else draw(days)
    second = agreed(
        id=uid(201),
        starting_at=start,
        created_at=JANUARY,
        transition=Transition(first.id, draw(st.booleans())) if renews else None,
    )
    return [first, second]


@st.composite
def grants(draw: st.DrawFn) -> list[Grant]:
    """Grants of every kind, on the first contract or the customer."""
    found = []
    for number in range(draw(st.integers(0, 3))):
        start = draw(days)
        kind = draw(st.sampled_from(GrantKind))
        amount = draw(st.sampled_from([10, 75, 400]))
        found.append(
            granted(
                number,
                amount,
                start,
                start + draw(st.integers(1, 90)) * DAY,
                kind,
                created_at=JANUARY,
                priority=Decimal(draw(st.integers(0, 2))),
                contract_id=draw(st.sampled_from([None, uid(200)])),
                rollover_fraction=draw(st.sampled_from([None, Decimal("0.5"), Decimal(1)])),
                invoice=None
                if kind is GrantKind.CREDIT
                else payable((draw(days), amount), number=600 + 10 * number),
            )
        )
    return found


@dataclass(frozen=True)
class World:
    """What is agreed, and all usage, which is known from the start."""

    contracts: list[Contract]
    grants: list[Grant]
    usage: list[tuple[datetime, int]]

    def books(self) -> Books:
        prices = PriceList(
            card(),
            [product(), SEAT_PRODUCT],
            [metric()],
            [
                rate(tiered(("2", "50"), ("1", None))),
                rate(flat("3"), starting_at=utc(2027, 2, 10)),
                *(
                    replace(rate(flat("30"), product_id=SEATS), billing_frequency=one)
                    for one in ("MONTHLY", "QUARTERLY")
                ),
            ],
        )
        books = Books.of(self.contracts, self.grants, prices, products=[SEAT_PRODUCT])
        for at, quantity in self.usage:
            books.use(at, quantity)
        return books


worlds = st.builds(
    World,
    contracts(),
    grants(),
    st.lists(st.tuples(days, st.integers(0, 90)), max_size=15),
)


@given(worlds, st.lists(st.integers(1, 40), max_size=6))
def test_one_step_or_many_give_the_same_books_to_the_byte(world: World, steps: list[int]) -> None:
    at_once = world.books()
    at_once.move(END)
    slowly = world.books()
    for step in steps:
        slowly.move(min(END, slowly.now + step * DAY + timedelta(hours=step)))
    slowly.move(END)
    assert repr(slowly.account) == repr(at_once.account)
    assert next_step(slowly.account, END) is None


@given(worlds, days)
def test_drafts_become_what_they_showed(world: World, at: datetime) -> None:
    """As long as nothing but the clock moves, and no grant is made or begins before."""
    books = world.books()
    books.move(at)
    shown = books.drafts()
    known = {one.id for one in books.account.entries}
    books.move(END)
    begun = [
        entry
        for entry in books.account.entries
        if entry.id not in known and entry.type is not EntryType.AUTOMATED_INVOICE_DEDUCTION
    ]
    final = {one.id: one for one in books.account.invoices}
    for draft in shown.invoices:
        if draft.type is InvoiceType.USAGE and not begun and draft.end_timestamp <= at:
            found = final[draft.id]
            assert (found.line_items, found.total) == (draft.line_items, draft.total)
        if draft.type is InvoiceType.SCHEDULED and draft.id in final:
            assert {line.id for line in draft.line_items} <= {
                line.id for line in final[draft.id].line_items
            }


@given(worlds)
def test_ledgers_add_up_and_what_is_over_has_nothing_left(world: World) -> None:
    books = world.books()
    books.move(END)
    account = books.account
    left: dict[UUID | None, Decimal] = defaultdict(lambda: ZERO)
    for entry in account.entries:
        left[entry.segment_id] = EXACT.add(left[entry.segment_id], entry.amount)
        assert left[entry.segment_id] >= 0
    ends = {one.id: one.ending_before for one in account.contracts}
    for grant in account.grants:
        for segment in grant.segments:
            end = min(segment.ending_before, ends.get(grant.contract_id) or segment.ending_before)
            # A month and a day after its end every invoice that could draw on it is final.
            if end + 32 * DAY < END and grant.kind is not GrantKind.POSTPAID:
                assert left[segment.id] == 0
    drawn = defaultdict(lambda: ZERO)
    for entry in account.entries:
        if entry.type is EntryType.AUTOMATED_INVOICE_DEDUCTION:
            drawn[entry.invoice_id] = EXACT.subtract(drawn[entry.invoice_id], entry.amount)
    for invoice in account.invoices:
        assert (invoice.customer_id, invoice.status) == (CUSTOMER, InvoiceStatus.FINALIZED)
        counted = [line.total for line in invoice.line_items if is_counted(line)]
        assert sum(counted, ZERO) == invoice.total
        applied = [line.total for line in invoice.line_items if line.type is LineType.APPLIED]
        assert sum(applied, ZERO) == drawn[invoice.id].copy_negate()


@given(worlds, st.data())
def test_what_is_voided_and_made_anew_is_what_it_was(world: World, data: st.DataObject) -> None:
    """Where nothing changed in between; but for what was trued up or rolled over meanwhile."""
    books = world.books()
    books.move(END)
    usage = [one for one in books.account.invoices if one.type is InvoiceType.USAGE]
    moved_on = (EntryType.TRUEUP, EntryType.ROLLOVER)
    if not usage or any(entry.type in moved_on for entry in books.account.entries):
        return
    chosen = data.draw(st.sampled_from(usage))
    before = _left(books)
    books.void(chosen.id)
    anew = books.regenerate(chosen.id)
    (made,) = [one for one in books.account.invoices if one.id == anew]
    assert _left(books) == before
    assert made.total == chosen.total
    assert [(one.type, one.quantity, one.total) for one in made.line_items] == [
        (one.type, one.quantity, one.total) for one in chosen.line_items
    ]


def _left(books: Books) -> dict[UUID | None, Decimal]:
    left: dict[UUID | None, Decimal] = defaultdict(lambda: ZERO)
    for entry in books.account.entries:
        left[entry.segment_id] = EXACT.add(left[entry.segment_id], entry.amount)
    return {segment_id: amount for segment_id, amount in left.items() if amount}
