"""Spend over time: what of an invoice falls in each window of its period.

Who pays for what was decided on the invoice as a whole; here its lines are handed out. The period is rated again, cut
at the edges of the windows, which tells how much of each price and tier every window used. Of that a grant's covered
part goes to the earliest windows of its time, and the rest is over. So a window's spend depends on what came before it,
and # invariant: the lines of windows that tile the period add up to the invoice's, line by line, and their totals to
its. Usage that came after an invoice was final is in no line of it, and shows in the windows it belongs to.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby, pairwise
from typing import NamedTuple
from uuid import UUID

from meterline.core.charges import composite_charges
from meterline.core.decimals import EXACT, ONE, plain
from meterline.core.invoice.conversion import conversion_subjects
from meterline.core.invoice.document import Invoice, LineItem, LineType
from meterline.core.invoice.lines import LineSubject, Settled, due, lines_of_run
from meterline.core.invoice.subjects import composite_subject, move_subject
from meterline.core.invoice.usage_invoice import UsageTerms, spend_of
from meterline.core.period import EPOCH, Period
from meterline.core.rating.charges import Move, moves
from meterline.core.rating.piece import Piece, PieceKind
from meterline.core.rating.plan import RatePlan
from meterline.core.rating.tier_walk import TierPosition
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
    shares = _Shares(tiles)
    rests = _rests(invoice.line_items)
    for place, uses in _by_place(_uses(terms, usage)).items():
        _hand_out(uses, rests.get(place, []), shares, invoice.id)
    for line in invoice.line_items:
        if not _is_shared(line):
            shares.add_whole(line)
    for place, uses in _by_place(_conversions(terms.plan, shares)).items():
        _hand_out(uses, rests.get(place, []), shares, invoice.id)
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


class _Use(NamedTuple):
    """A piece, at list price, of what was used in `period`, which lies in one tile."""

    subject: LineSubject
    period: Period
    piece: Piece


def _uses(terms: UsageTerms, usage: UsageBook) -> Iterator[_Use]:
    """What was used, by product and group values, and for each of those in order of time."""
    moved = list(moves(terms.plan, usage))
    for _, run in groupby(moved, key=_counter):
        subject: LineSubject | None = None
        for move in run:
            subject = subject or move_subject(move)
            for piece in move.segment.list_model(move.values).pieces(move.before, move.after):
                yield _Use(subject, move.segment.period, piece)
    if terms.composites is not None and terms.composites.composites:
        for charge in composite_charges(terms.composites, spend_of(moved, terms)):
            for piece in charge.pieces:
                yield _Use(composite_subject(charge), charge.period, piece)


def _counter(move: Move) -> tuple[object, ...]:
    """What moves of the same lines share: they come one after the other."""
    keys = (move.grouping.pricing_key, move.grouping.presentation_key)
    return (move.product.id, keys, move.values, move.segment.rate.credit_type.id)


def _by_place(uses: Iterable[_Use]) -> dict[_Place, list[_Use]]:
    found: dict[_Place, list[_Use]] = defaultdict(list)
    for use in uses:
        found[_place(use.subject)].append(use)
    return found


class _Shares:
    """The lines of each tile, as they grow."""

    def __init__(self, tiles: Sequence[Period]) -> None:
        self.tiles = tiles
        self.starts = [tile.start for tile in tiles]
        self.by_tile: list[dict[UUID, LineItem]] = [{} for _ in tiles]

    def add(self, line: LineItem, period: Period, share: Piece) -> None:
        """Add a share of `line` to the tile that `period` lies in."""
        quantity, amount = share.quantity, share.amount
        index = bisect_right(self.starts, period.start) - 1
        held = self.by_tile[index].get(line.id)
        if held is not None:
            quantity, amount = EXACT.add(held.quantity, quantity), EXACT.add(held.total, amount)
        tile = self.tiles[index]
        start, end = line.starting_at, line.ending_before
        self.by_tile[index][line.id] = replace(
            line,
            quantity=plain(quantity),
            total=plain(amount),
            starting_at=max(start, tile.start) if start and end else start,
            ending_before=min(end, tile.end) if start and end else end,
        )

    def last_of(self, line: LineItem) -> Period:
        """The last tile that a line has a part of."""
        end = line.ending_before
        return self.tiles[-1] if end is None else self.tiles[bisect_left(self.starts, end) - 1]

    def add_whole(self, line: LineItem) -> None:
        """Add a line to the tile it starts in: the first if it starts before all, the last if after."""
        start = line.starting_at or self.starts[0]
        index = min(max(0, bisect_right(self.starts, start) - 1), len(self.tiles) - 1)
        self.by_tile[index][line.id] = line


_Price = tuple[PieceKind, TierPosition | None, Decimal]


@dataclass(slots=True)
class _Rest:
    """A line, and what of it is not handed out yet. `application`: the line that takes it off again."""

    line: LineItem
    quantity: Decimal
    amount: Decimal
    application: LineItem | None = None

    @property
    def price(self) -> _Price:
        """Where it stands in the scale of prices."""
        return (self.line.counts, self.line.tier, self.line.unit_price)

    def overlaps(self, period: Period) -> bool:
        """Whether what is used in `period` may be on the line."""
        start, end = self.line.starting_at, self.line.ending_before
        return start is None or end is None or (start < period.end and period.start < end)

    def take(self, quantity: Decimal, period: Period, shares: _Shares) -> Decimal:
        """Hand `quantity` of it out; return what that costs. The last share takes what is left of the amount."""
        price = self.line.unit_price
        amount = self.amount if quantity == self.quantity else EXACT.multiply(quantity, price)
        self.quantity = EXACT.subtract(self.quantity, quantity)
        self.amount = EXACT.subtract(self.amount, amount)
        shares.add(self.line, period, Piece(quantity, price, amount))
        if self.application is not None:
            off = amount.copy_negate()
            shares.add(self.application, period, Piece(quantity, price.copy_negate(), off))
        return amount


_Place = tuple[object, ...]


def _place(subject: LineSubject | LineItem) -> _Place:
    """What a line is of: a product and its group values, or the conversion of a unit (off, or on)."""
    return (
        subject.product_id,
        subject.product_type,
        subject.credit_type.id,
        _frozen(subject.pricing_group_values),
        _frozen(subject.presentation_group_values),
    )


def _frozen(values: Mapping[str, str | None] | None) -> object:
    return None if values is None else tuple(values.items())


def _is_shared(line: LineItem) -> bool:
    """Whether a line is of something that is used over time."""
    return line.type in _SHARED or (line.type is LineType.APPLIED and line.source_id is None)


_SHARED = (LineType.USAGE, LineType.CPU_CONVERSION)


def _rests(lines: Sequence[LineItem]) -> dict[_Place, list[_Rest]]:
    """The lines to hand out, by place; in each those that are covered, the soonest to end first, then the others."""
    rests: dict[_Place, list[_Rest]] = defaultdict(list)
    last: _Rest | None = None
    for line in lines:
        if line.type in _SHARED:
            last = _Rest(line, line.quantity, line.total)
            rests[_place(line)].append(last)
        elif _is_shared(line):
            assert last is not None, "an application follows the line it is for"
            last.application = line
    for found in rests.values():
        found.sort(key=lambda rest: (rest.application is None, rest.line.ending_before or EPOCH))
    return rests


def _hand_out(
    uses: Sequence[_Use], rests: Sequence[_Rest], shares: _Shares, invoice_id: UUID
) -> None:
    """Hand the lines of one place out to `uses`, which are in order of time."""
    listed: set[_Price] = {_price(use.piece) for use in uses}
    for use in uses:
        piece = use.piece
        price = _price(piece)
        open_rests = [rest for rest in rests if rest.overlaps(use.period)]
        quantity, amount = piece.quantity, piece.amount
        # What grants paid at prices of their own is on lines that no list price leads to; those come last.
        for own_price in (False, True):
            for rest in open_rests:
                # Signs agree: a fall of the counter is not covered, but a price may be paid with what it gives back.
                if rest.application is None or EXACT.multiply(quantity, rest.quantity) <= 0:
                    continue
                apart = own_price and rest.line.counts is piece.kind and rest.price not in listed
                if rest.price != price and not apart:
                    continue
                share = min(quantity, rest.quantity, key=abs)
                paid = rest.take(share, use.period, shares)
                quantity = EXACT.subtract(quantity, share)
                at_list = EXACT.multiply(share, piece.unit_price) if own_price else paid
                amount = EXACT.subtract(amount, at_list)
        takers = (
            rest.line for rest in open_rests if rest.application is None and rest.price == price
        )
        taker = next(takers, None)
        if quantity or amount:
            left = piece._replace(quantity=quantity, amount=amount)
            shares.add(taker or _line_beside(uses[0].subject, left, invoice_id), use.period, left)
        elif taker is not None and not piece.quantity:
            shares.add(taker, use.period, piece)
    for rest in rests:
        # What a grant's own price has and the list has not, as a cap it reached alone, counts where the line ends.
        if rest.application is not None and rest.quantity and uses:
            rest.take(rest.quantity, shares.last_of(rest.line), shares)


def _price(piece: Piece) -> _Price:
    return (piece.kind, piece.tier, piece.unit_price)


def _line_beside(subject: LineSubject, piece: Piece, invoice_id: UUID) -> LineItem:
    """A line the invoice does not have: of late usage, or of a price that was charged and taken back."""
    beside = subject._replace(key=f"{subject.key}/{piece.unit_price}")
    return lines_of_run(invoice_id, beside, [Settled(None, (), [piece])])[0]


def _conversions(plan: RatePlan, shares: _Shares) -> Iterator[_Use]:
    """What is converted in each tile."""
    for tile, lines in zip(shares.tiles, shares.by_tile, strict=True):
        held = list(lines.values())
        for unit in dict.fromkeys(line.credit_type for line in held):
            price = plan.conversions.get(unit.id)
            owed = due(held, unit)
            if price is not None and owed:
                off, on = conversion_subjects(plan.fiat_credit_type, unit)
                taken = owed.copy_negate()
                yield _Use(off, tile, Piece(taken, ONE, taken))
                yield _Use(on, tile, Piece(owed, price, EXACT.multiply(owed, price)))


def _row(invoice: Invoice, lines: Iterable[LineItem], order: Mapping[UUID, int]) -> Invoice:
    shown = sorted(lines, key=lambda line: order.get(line.id, len(order)))
    owed = due(shown, invoice.credit_type)
    return replace(invoice, line_items=tuple(shown), subtotal=owed, total=owed)
