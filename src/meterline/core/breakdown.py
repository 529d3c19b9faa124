"""Spend over time: what of an invoice falls in each window of its period.

Who pays for what was decided on the invoice as a whole; here its lines are handed out. The period is rated again, cut
at the edges of the windows, which tells how much of each price and tier every window used. Of that a grant's covered
part goes to the earliest windows of its time, and the rest is over. So a window's spend depends on what came before it,
and # invariant: the lines of windows that tile the period add up to the invoice's, line by line, and their totals to
its. Usage that came after an invoice was final is in no line of it, and shows in the windows it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import NamedTuple
from uuid import UUID

from meterline.core.charges import composite_charges
from meterline.core.decimals import EXACT, ONE
from meterline.core.invoice.conversion import conversion_subjects
from meterline.core.invoice.document import Invoice, LineItem
from meterline.core.invoice.handing_out import (
    Shares,
    Use,
    by_place,
    hand_out,
    is_shared,
    rests_of,
)
from meterline.core.invoice.lines import LineSubject, due
from meterline.core.invoice.subjects import composite_subject, move_subject
from meterline.core.invoice.usage_invoice import UsageTerms, spend_of
from meterline.core.period import Period
from meterline.core.rating.charges import Move, moves
from meterline.core.rating.piece import Piece
from meterline.core.rating.plan import RatePlan
from meterline.core.usage import UsageBook


class InvoiceWindow(NamedTuple):
    """What an invoice charges for one window."""

    window: Period
    invoice: Invoice


def breakdown(
    invoice: Invoice, terms: UsageTerms, usage: UsageBook, windows: Sequence[Period]
) -> list[InvoiceWindow]:
    """Return what of a usage invoice, draft or stored, falls in each of `windows`.

    `terms`: its statement's, cut at every start and end of the windows; `usage`: by the cuts of their plan, over the
    whole period. `windows` ascend and do not overlap. A row's lines keep the ids of the invoice's. What lies outside
    the period (a subscription paid in advance) counts in its last window.
    """
    tiles = _tiles(terms.plan.period, windows)
    shares = Shares(tiles)
    rests = rests_of(invoice.line_items)
    for place, uses in by_place(_uses(terms, usage)).items():
        hand_out(uses, rests.get(place, []), shares, invoice.id)
    for line in invoice.line_items:
        if not is_shared(line):
            shares.add_whole(line)
    for place, uses in by_place(_conversions(terms.plan, shares)).items():
        hand_out(uses, rests.get(place, []), shares, invoice.id)
    wanted = set(windows)
    order = {line.id: place for place, line in enumerate(invoice.line_items)}
    return [
        InvoiceWindow(tile, _row(invoice, found.values(), order))
        for tile, found in zip(tiles, shares.by_tile, strict=True)
        if tile in wanted
    ]


def _tiles(period: Period, windows: Iterable[Period]) -> list[Period]:
    """`windows` and what lies between them, so that all of the period is handed out."""
    edges = {period.start, period.end}
    for window in windows:
        edges |= {edge for edge in (window.start, window.end) if edge in period}
    return [Period(start, end) for start, end in pairwise(sorted(edges))]


def _uses(terms: UsageTerms, usage: UsageBook) -> Iterator[Use]:
    """What was used, by product and group values, and for each of those in order of time."""
    moved = list(moves(terms.plan, usage))
    for _, run in groupby(moved, key=_counter):
        subject: LineSubject | None = None
        for move in run:
            subject = subject or move_subject(move)
            for piece in move.segment.list_model(move.values).pieces(move.before, move.after):
                yield Use(subject, move.segment.period, piece)
    if terms.composites is not None and terms.composites.composites:
        for charge in composite_charges(terms.composites, spend_of(moved, terms)):
            for piece in charge.pieces:
                yield Use(composite_subject(charge), charge.period, piece)


def _counter(move: Move) -> tuple[object, ...]:
    """What moves of the same lines share: they come one after the other."""
    keys = (move.grouping.pricing_key, move.grouping.presentation_key)
    return (move.product.id, keys, move.values, move.segment.rate.credit_type.id)


def _conversions(plan: RatePlan, shares: Shares) -> Iterator[Use]:
    """What is converted in each tile."""
    for tile, lines in zip(shares.tiles, shares.by_tile, strict=True):
        held = list(lines.values())
        for unit in dict.fromkeys(line.credit_type for line in held):
            price = plan.conversions.get(unit.id)
            owed = due(held, unit)
            if price is not None and owed:
                off, on = conversion_subjects(plan.fiat_credit_type, unit)
                taken = owed.copy_negate()
                yield Use(off, tile, Piece(taken, ONE, taken))
                yield Use(on, tile, Piece(owed, price, EXACT.multiply(owed, price)))


def _row(invoice: Invoice, lines: Iterable[LineItem], order: Mapping[UUID, int]) -> Invoice:
    shown = sorted(lines, key=lambda line: order.get(line.id, len(order)))
    owed = due(shown, invoice.credit_type)
    return replace(invoice, line_items=tuple(shown), subtotal=owed, total=owed)
