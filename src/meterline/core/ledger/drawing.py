"""Drawdown: which grant pays for which charge. Source: Metronome's burn-down order; docs/decisions/0009-drawdown.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from meterline.core.decimals import EXACT, ZERO
from meterline.core.ledger.chargeable import Chargeable, Drawn
from meterline.core.ledger.entry import LedgerEntry
from meterline.core.ledger.payment import Stretch, pay, stretches
from meterline.core.ledger.pool import Pool, Purse
from meterline.core.ledger.posting import deduction


def draw(chargeables: Sequence[Chargeable], pool: Pool) -> tuple[list[Drawn], Pool]:
    """Return what each charge becomes, in the order given, and the pool that is left.

    Charges are paid for in consuming order, whatever order they are given in: by class, start, unit price (highest
    first) and name; among equals, as given. A stretch of usage is paid for by the first grant that may pay for it and
    has something left, what that does not cover by the next. A counter that falls consumes nothing and gives nothing
    back. # invariant: drawing line by line in consuming order is the same as drawing all in one go.
    """
    if not pool:
        return [_unpaid(chargeable) for chargeable in chargeables], pool
    left = dict(pool.left)
    charges = [(stretches(one), pool.for_charge(one)) for one in chargeables]
    open_ones = [
        (stretch, purses)
        for dues, purses in charges
        if purses
        for stretch in dues
        if stretch.chargeable.after > stretch.chargeable.before
    ]
    open_ones.sort(key=_consuming_order)
    for stretch, purses in open_ones:
        for purse in purses:
            available = left[purse.segment.id]
            if available > 0 and stretch.pieces:
                drawn = pay(stretch, purse, available)
                left[purse.segment.id] = EXACT.subtract(available, drawn)
    return [_drawn(dues) for dues, _ in charges], replace(pool, left=left)


def deductions(drawn: Iterable[Drawn]) -> dict[tuple[UUID, UUID], Decimal]:
    """Return {(grant id, segment id): what is taken from it}, in the order first drawn; nothing that is zero."""
    taken: dict[tuple[UUID, UUID], Decimal] = {}
    for one in drawn:
        for payment in one.payments:
            if payment.drawn:
                purse = payment.grant.id, payment.segment_id
                taken[purse] = EXACT.add(taken.get(purse, ZERO), payment.drawn)
    return taken


def deduction_entries(
    drawn: Iterable[Drawn], *, invoice_id: UUID, contract_id: UUID, at: datetime
) -> list[LedgerEntry]:
    """Return the AUTOMATED_INVOICE_DEDUCTION entries of an invoice; `at`: the end of its period."""
    return [
        deduction(
            grant_id, segment_id, amount, invoice_id=invoice_id, contract_id=contract_id, at=at
        )
        for (grant_id, segment_id), amount in deductions(drawn).items()
    ]


def _consuming_order(due: tuple[Stretch, list[Purse]]) -> tuple[int, datetime, Decimal, str]:
    stretch, _ = due
    chargeable = stretch.chargeable
    return (
        chargeable.charge_class,
        chargeable.period.start,
        stretch.unit_price.copy_negate(),
        chargeable.product_name,
    )


def _unpaid(chargeable: Chargeable) -> Drawn:
    pieces = chargeable.list_model.pieces(chargeable.before, chargeable.after)
    return Drawn(chargeable, (), tuple(pieces))


def _drawn(dues: Sequence[Stretch]) -> Drawn:
    return Drawn(
        dues[0].chargeable,
        tuple(payment for stretch in dues for payment in stretch.payments),
        tuple(piece for stretch in dues for piece in stretch.pieces),
    )
