"""Why a line says what it says: its rate, the override that acted, the tier walk, the drawdowns, the usage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from meterline.core.catalogue import RateTerms
from meterline.core.contract.override import Override
from meterline.core.decimals import EXACT, ZERO, plain, total
from meterline.core.invoice.document import Invoice, InvoiceStatus, LineItem, LineType
from meterline.core.invoice.explained_drawdowns import Drawdown, drawdowns_of, place_of
from meterline.core.invoice.explained_usage import TierStep, UsageSource, sources_of, walk_of
from meterline.core.invoice.subjects import move_subject
from meterline.core.ledger.entry import LedgerEntry
from meterline.core.ledger.grant import Grant, GrantKind
from meterline.core.rating.charges import Move, moves
from meterline.core.rating.piece import PieceKind
from meterline.core.rating.plan import RatePlan
from meterline.core.usage import UsageBook

__all__ = [
    "Books",
    "Drawdown",
    "Explanation",
    "RateInForce",
    "TierStep",
    "UsageSource",
    "explain",
]


class RateInForce(NamedTuple):
    """The price a line's usage had: `terms` after the override, `list_terms` before."""

    starting_at: datetime
    ending_before: datetime | None
    terms: RateTerms
    list_terms: RateTerms
    billing_frequency: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A line with all that made it. The metered quantity becomes the priced one by conversion and rounding."""

    line: LineItem
    rate: RateInForce | None = None
    override: Override | None = None
    metered_quantity: Decimal | None = None
    priced_quantity: Decimal | None = None
    walk: tuple[TierStep, ...] = ()
    drawdowns: tuple[Drawdown, ...] = ()
    usage: tuple[UsageSource, ...] = ()
    notes: tuple[str, ...] = ()


class Books(NamedTuple):
    """What there is beside the invoice to explain a line from.

    `plan` and `usage`: of the invoice's statement, None for a SCHEDULED one. `entries`: stored ones in the order they
    were posted, then pending ones.
    """

    plan: RatePlan | None
    usage: UsageBook | None
    overrides: Sequence[Override]
    grants: Sequence[Grant]
    entries: Sequence[LedgerEntry]


def explain(invoice: Invoice, line_id: UUID, books: Books) -> Explanation | None:
    """Return why the line of that id says what it says, None if the invoice has no such line.

    Prices and usage are looked up as they are now: of a final invoice those may have changed since, and then its
    quantity is not the walk's. `notes` say so.
    """
    line = next((one for one in invoice.line_items if one.id == line_id), None)
    if line is None:
        return None
    paid = tuple(drawdowns_of(invoice, line, books.entries))
    moved = []
    if books.plan is not None and books.usage is not None:
        moved = _counter(line, books.plan, books.usage)
    run = _in_time_of(line, moved)
    if not run:
        return Explanation(line, walk=(_own_step(line),), drawdowns=paid, notes=_notes(line))
    grant = next((one for one in books.grants if one.id == line.grant_id), None)
    first = run[0].segment
    acting, listed = first.acting(run[0].values, grant), first.acting(run[0].values)
    sources = sources_of(run, books.usage or {})
    priced = total(EXACT.subtract(move.after, move.before) for move in run)
    return Explanation(
        line,
        RateInForce(
            acting.rate.starting_at,
            acting.rate.ending_before,
            acting.rate.terms,
            listed.rate.terms if first.listed is None else first.listed.terms,
        ),
        acting.override,
        plain(total(source.quantity for source in sources)),
        plain(priced),
        tuple(walk_of(run)),
        paid,
        tuple(sources),
        _notes(line) if _is_current(invoice, line, moved) else (*_notes(line), CHANGED),
    )


CHANGED = "usage or prices have changed since the invoice was final"


def _counter(line: LineItem, plan: RatePlan, usage: UsageBook) -> list[Move]:
    """The moves of the line's counter through the period."""
    if line.product_type != "UsageProductListItem":
        return []
    values = (line.pricing_group_values, line.presentation_group_values)
    found = []
    for move in moves(plan, usage):
        if move.product.id == line.product_id:
            of_move = move_subject(move)
            if (of_move.pricing_group_values, of_move.presentation_group_values) == values:
                found.append(move)
    return found


def _in_time_of(line: LineItem, moved: Iterable[Move]) -> list[Move]:
    start, end = line.starting_at, line.ending_before
    if start is None or end is None:
        return []
    return [move for move in moved if start <= move.segment.period.start < end]


def _own_step(line: LineItem) -> TierStep:
    """A line that no counter of usage made explains itself."""
    before = line.tier.starting_at if line.tier else ZERO
    after = EXACT.add(before, line.quantity)
    return TierStep(before, after, line.quantity, line.unit_price, line.total, line.tier)


def _is_current(invoice: Invoice, line: LineItem, moved: Iterable[Move]) -> bool:
    """Whether the invoice still has all that the line's counter moved by."""
    if invoice.status is InvoiceStatus.DRAFT:
        return True
    billed = total(
        other.quantity
        for other in invoice.line_items
        if other.type is LineType.USAGE
        and other.counts is PieceKind.UNITS
        and place_of(other) == place_of(line)
    )
    walked = total(
        piece.quantity
        for move in moved
        for piece in move.segment.list_model(move.values).pieces(move.before, move.after)
        if piece.kind is PieceKind.UNITS
    )
    return billed == walked


_NOTES = {
    PieceKind.TIER_FEE: "a fee for entering the tier",
    PieceKind.MINIMUM_SPEND: "what the charges fall short of the rate's minimum spend",
    PieceKind.MAXIMUM_SPEND: "what the charges exceed the rate's maximum spend by",
}


def _notes(line: LineItem) -> tuple[str, ...]:
    notes = []
    if line.counts in _NOTES:
        notes.append(_NOTES[line.counts])
    if line.type is LineType.CPU_CONVERSION:
        notes.append("usage in a custom unit, as far as grants in it did not pay for it")
    if line.type is LineType.APPLIED and line.grant_kind is GrantKind.POSTPAID:
        notes.append("a postpaid commit's application is shown and not taken off the total")
    if line.product_type == "CompositeProductListItem" and line.type is LineType.USAGE:
        notes.append("a fraction of what other products cost at list price")
    if line.is_prorated:
        notes.append("the price is for a part of a billing cycle")
    return tuple(notes)
