"""What subscriptions charge: each cycle for its quantity, and each increase within it for the rest of it.

Within a cycle only a quantity above the highest so far is charged, so what goes and comes back is not paid twice, and
what goes is not refunded; the next cycle begins with the quantity of its start. One price a cycle: the one at its
start. A charge is what moves the cycle's count of seats from `before` to `after`, so that tiers run on.
Source: docs/decisions/0011-charges-beside-usage.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID, uuid5

from meterline.core.catalogue import Rate
from meterline.core.charges.cycles import (
    Cycle,
    cycle_at,
    life,
    statement_collecting,
    statement_ending_at,
    subscription_cycles,
)
from meterline.core.charges.proration import Prorated
from meterline.core.charges.quantities import QuantityStretch, quantity_history
from meterline.core.contract import Contract
from meterline.core.contract.subscription import (
    CollectionSchedule,
    InvoiceBehavior,
    InvoicePlacement,
    Subscription,
)
from meterline.core.decimals import EXACT, ZERO, total
from meterline.core.money import CreditType
from meterline.core.period import HOUR, Period
from meterline.core.rating.models import price_model
from meterline.core.rating.piece import Piece, PriceModel

PriceAt = Callable[[UUID, str, datetime], Rate | None]
"""(product id, billing frequency, instant) -> the rate in force, overrides applied; None: no such rate."""


@dataclass(frozen=True, slots=True)
class SubscriptionCharge:
    """The charge for a cycle's quantity (`before` 0), or for an increase in it from `before` to `after`.

    `model` is the rate's, prorated to `service_period`: its pieces are the lines. `due`: when it is collected.
    `statement`: the billing period whose usage invoice carries it, if that is still a draft; else, and where it is
    None, the SCHEDULED invoice of `due` does. The id stays the same whenever the charge is computed.
    """

    id: UUID
    subscription: Subscription
    rate: Rate
    cycle: Cycle
    service_period: Period
    before: Decimal
    after: Decimal
    model: PriceModel
    due: datetime
    statement: Period | None

    @property
    def is_prorated(self) -> bool:
        """Whether the price is for a part of a cycle."""
        return isinstance(self.model, Prorated)

    @property
    def credit_type(self) -> CreditType:
        """What amounts are in."""
        return self.rate.credit_type

    @property
    def quantity(self) -> Decimal:
        """How many seats are charged."""
        return EXACT.subtract(self.after, self.before)

    @property
    def pieces(self) -> list[Piece]:
        """The lines: one, or one a tier."""
        return self.model.pieces(self.before, self.after)

    @property
    def amount(self) -> Decimal:
        """The sum of the lines."""
        return total(piece.amount for piece in self.pieces)


def subscription_charges(
    contract: Contract, price_at: PriceAt, first_due: datetime, last_due: datetime
) -> list[SubscriptionCharge]:
    """Return the charges of all subscriptions of `contract` due in first_due <= t <= last_due.

    In order of (due, subscription, start of service). Those for a quantity of zero are left out, those at a price of
    zero are not. Linear in the cycles that touch the window, not in those before it.
    """
    found = []
    for subscription in contract.subscriptions:
        history = quantity_history(subscription, contract)
        # A cycle that ends at the first due date is collected then.
        for cycle in subscription_cycles(subscription, contract, since=first_due - HOUR):
            if cycle.period.start > last_due:
                break
            found += [
                charge
                for charge in _cycle_charges(
                    contract, _Cycled(subscription, cycle, history), price_at
                )
                if first_due <= charge.due <= last_due
            ]
    place = {subscription.id: n for n, subscription in enumerate(contract.subscriptions)}
    return sorted(
        found,
        key=lambda charge: (
            charge.due,
            place[charge.subscription.id],
            charge.service_period.start,
        ),
    )


def charges_on_statement(
    contract: Contract, price_at: PriceAt, statement: Period
) -> list[SubscriptionCharge]:
    """Return the charges that belong on the usage invoice of `statement`, a billing period of `contract`."""
    return [
        charge
        for charge in subscription_charges(contract, price_at, statement.start, statement.end)
        if charge.statement == statement
    ]


class _Cycled(NamedTuple):
    """A cycle of a subscription, which has had these quantities over its life."""

    subscription: Subscription
    cycle: Cycle
    history: Sequence[QuantityStretch]


def _cycle_charges(
    contract: Contract, cycled: _Cycled, price_at: PriceAt
) -> Iterator[SubscriptionCharge]:
    """Yield the charges for one cycle, by start of service."""
    subscription, cycle, history = cycled
    rises = list(_rises(history, cycle.period))
    if not rises:
        return
    rate = price_at(
        subscription.product_id, subscription.billing_frequency.value, cycle.period.start
    )
    if rate is None or not rate.entitled:
        return
    model = price_model(rate.terms)
    for start, before, after in rises:
        service_period = Period(start, cycle.period.end)
        collected = _collected(subscription, contract, cycle, start)
        if collected is None:
            continue
        priced = model
        if subscription.is_prorated and service_period != cycle.whole:
            priced = Prorated(model, service_period, cycle.whole, subscription.rounding)
        yield SubscriptionCharge(
            charge_id(subscription, start),
            subscription,
            rate,
            cycle,
            service_period,
            before,
            after,
            priced,
            collected.due,
            collected.statement,
        )


def charge_id(subscription: Subscription, service_start: datetime) -> UUID:
    """Return the id of the charge whose service starts then: a subscription has one at most."""
    return uuid5(subscription.id, f"subscription-charge/{service_start.isoformat()}")


def _rises(
    history: Iterable[QuantityStretch], period: Period
) -> Iterator[tuple[datetime, Decimal, Decimal]]:
    """(instant, highest quantity before, quantity from then on) for each rise above all before it in the cycle."""
    highest = ZERO
    for stretch in history:
        if stretch.ending_before is not None and stretch.ending_before <= period.start:
            continue
        if stretch.starting_at >= period.end:
            return
        if stretch.quantity > highest:
            yield max(stretch.starting_at, period.start), highest, stretch.quantity
            highest = stretch.quantity


class _Collection(NamedTuple):
    """When a charge is collected, and on which usage statement (None: a SCHEDULED invoice)."""

    due: datetime
    statement: Period | None


def _collected(
    subscription: Subscription, contract: Contract, cycle: Cycle, service_start: datetime
) -> _Collection | None:
    """Where the charge for service from `service_start` on goes; None: it was due before invoicing began."""
    on_usage = subscription.invoice_placement is InvoicePlacement.ON_USAGE_INVOICE
    in_arrears = subscription.collection_schedule is CollectionSchedule.ARREARS
    starts_cycle = service_start == cycle.period.start
    at_once = subscription.invoice_behavior is InvoiceBehavior.BILL_IMMEDIATELY
    statement = None
    if in_arrears or not (starts_cycle or at_once):
        due = cycle.period.end
        if on_usage:
            find = statement_collecting if in_arrears else statement_ending_at
            statement = find(contract, due)
        # What is collected at the end of a cycle is for the time before it.
        return None if _before_invoicing(contract, due - HOUR) else _Collection(due, statement)
    due = service_start
    lived = life(subscription, contract)
    first = lived is not None and due == lived.starting_at
    if on_usage and starts_cycle and not first:
        statement = statement_ending_at(contract, due)
    return None if _before_invoicing(contract, due) else _Collection(due, statement)


def _before_invoicing(contract: Contract, instant: datetime) -> bool:
    return contract.invoices_from is not None and instant < contract.invoices_from


def unbilled(
    charges: Iterable[SubscriptionCharge], billed: Mapping[UUID, Decimal]
) -> list[SubscriptionCharge]:
    """Return what of `charges` is on no final invoice yet: whole charges, and what seats came late to billed ones.

    `billed`: quantities on FINALIZED invoices (not VOID ones), added up by charge id. Nothing is ever taken back.
    """
    return [
        replace(charge, before=EXACT.add(charge.before, done))
        for charge in charges
        if charge.quantity > (done := billed.get(charge.id, ZERO))
    ]


def fixed_ends(
    contract: Contract, ending_before: datetime | None, billed: Collection[UUID]
) -> tuple[Subscription, ...]:
    """Return the subscriptions of `contract` as they must be kept when its end is put off to `ending_before`.

    One in advance that ends with the contract and whose last cycle is billed keeps the end it was billed for; the
    extension needs a new one. `billed`: ids of charges on final invoices. Source: Metronome's subscription lifecycle.
    """
    end = contract.ending_before
    if end is None or (ending_before is not None and ending_before <= end):
        return contract.subscriptions
    return tuple(
        replace(subscription, ending_before=end)
        if subscription.ending_before is None
        and last_billed_cycle(subscription, contract, billed) is not None
        else subscription
        for subscription in contract.subscriptions
    )


def last_billed_cycle(
    subscription: Subscription, contract: Contract, billed: Collection[UUID]
) -> Cycle | None:
    """Return the last cycle of a subscription in advance if it has one and that is billed already."""
    lived = life(subscription, contract)
    if lived is None or lived.ending_before is None:
        return None
    if subscription.collection_schedule is CollectionSchedule.ARREARS:
        return None
    last = cycle_at(subscription, contract, lived.ending_before - HOUR)
    assert last is not None, "it lies in the subscription's life"
    return last if charge_id(subscription, last.period.start) in billed else None
