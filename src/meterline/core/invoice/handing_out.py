"""Hands the lines of an invoice out to the time in which what they are of was used.

What a grant covered of a line goes to the earliest use of its time, and the rest is over. Lines of one place (a product
and its group values) compete for the same use: those that are covered come first, of them the soonest to end.
# invariant: all that is handed out of a line adds up to the line.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from meterline.core.decimals import EXACT, plain
from meterline.core.invoice.document import LineItem, LineType
from meterline.core.invoice.lines import LineSubject, Settled, lines_of_run
from meterline.core.period import EPOCH, Period
from meterline.core.rating.piece import Piece, PieceKind
from meterline.core.rating.tier_walk import TierPosition

Place = tuple[object, ...]
Price = tuple[PieceKind, TierPosition | None, Decimal]


class Use(NamedTuple):
    """A piece, at list price, of what was used in `period`, which lies in one tile."""

    subject: LineSubject
    period: Period
    piece: Piece

    @property
    def price(self) -> Price:
        """Where it stands in the scale of prices."""
        return (self.piece.kind, self.piece.tier, self.piece.unit_price)


def by_place(uses: Iterable[Use]) -> dict[Place, list[Use]]:
    """Return `uses` by what they are of, in their order."""
    found: dict[Place, list[Use]] = defaultdict(list)
    for use in uses:
        found[_place(use.subject)].append(use)
    return found


class Shares:
    """The lines of each of the `tiles` of a period, as they grow."""

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
            quantity_consumed=None if line.quantity_consumed is None else plain(quantity),
        )

    def add_whole(self, line: LineItem) -> None:
        """Add a line to the tile it starts in: the first if it starts before all, the last if after."""
        start = line.starting_at or self.starts[0]
        index = min(max(0, bisect_right(self.starts, start) - 1), len(self.tiles) - 1)
        self.by_tile[index][line.id] = line

    def last_of(self, line: LineItem) -> Period:
        """Return the last tile that a line has a part of."""
        end = line.ending_before
        return self.tiles[-1] if end is None else self.tiles[bisect_left(self.starts, end) - 1]


@dataclass(slots=True)
class Rest:
    """A line, and what of it is not handed out yet. `application`: the line that takes it off again."""

    line: LineItem
    quantity: Decimal
    amount: Decimal
    application: LineItem | None = None

    @property
    def price(self) -> Price:
        """Where the line stands in the scale of prices."""
        return (self.line.counts, self.line.tier, self.line.unit_price)

    def overlaps(self, period: Period) -> bool:
        """Whether what is used in `period` may be on the line."""
        start, end = self.line.starting_at, self.line.ending_before
        return start is None or end is None or (start < period.end and period.start < end)

    def take(self, quantity: Decimal, period: Period, shares: Shares) -> Decimal:
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


_SHARED = (LineType.USAGE, LineType.CPU_CONVERSION)


def is_shared(line: LineItem) -> bool:
    """Whether a line is of something that is used over time, or takes off what a grant covered of such a one."""
    return line.type in _SHARED or (line.type is LineType.APPLIED and line.source_id is None)


def rests_of(lines: Sequence[LineItem]) -> dict[Place, list[Rest]]:
    """Return the lines to hand out, by place, in the order in which they compete."""
    rests: dict[Place, list[Rest]] = defaultdict(list)
    last: Rest | None = None
    for line in lines:
        if line.type in _SHARED:
            last = Rest(line, line.quantity, line.total)
            rests[_place(line)].append(last)
        elif is_shared(line):
            assert last is not None, "an application follows the line it is for"
            last.application = line
    for found in rests.values():
        found.sort(key=lambda rest: (rest.application is None, rest.line.ending_before or EPOCH))
    return rests


def hand_out(uses: Sequence[Use], rests: Sequence[Rest], shares: Shares, invoice_id: UUID) -> None:
    """Hand the lines of one place out to `uses`, which are in order of time.

    Use that no line of the invoice is left for makes a line beside it: it came late, or at a price that was charged
    and taken back.
    """
    listed = {use.price for use in uses}
    for use in uses:
        open_rests = [rest for rest in rests if rest.overlaps(use.period)]
        left = _cover(use, open_rests, listed, shares)
        taker = next(
            (
                rest.line
                for rest in open_rests
                if rest.application is None and rest.price == use.price
            ),
            None,
        )
        if left.quantity or left.amount:
            beside = taker or _line_beside(uses[0].subject, left, invoice_id)
            shares.add(beside, use.period, left)
        elif taker is not None and not use.piece.quantity:
            shares.add(taker, use.period, left)
    for rest in rests:
        # What a grant's own price has and the list has not, as a cap it reached alone, counts where the line ends.
        if rest.application is not None and rest.quantity:
            rest.take(rest.quantity, shares.last_of(rest.line), shares)


def _cover(use: Use, rests: Sequence[Rest], listed: set[Price], shares: Shares) -> Piece:
    """Hand out what grants covered; return what is left of the piece.

    What they paid at prices of their own is on lines that no list price leads to; those come last.
    """
    quantity, amount = use.piece.quantity, use.piece.amount
    for own_price in (False, True):
        for rest in rests:
            # Signs agree: a fall of the counter is not covered, but a price may be paid with what it gives back.
            if rest.application is None or EXACT.multiply(quantity, rest.quantity) <= 0:
                continue
            apart = own_price and rest.line.counts is use.piece.kind and rest.price not in listed
            if rest.price != use.price and not apart:
                continue
            share = min(quantity, rest.quantity, key=abs)
            paid = rest.take(share, use.period, shares)
            at_list = EXACT.multiply(share, use.piece.unit_price) if own_price else paid
            quantity = EXACT.subtract(quantity, share)
            amount = EXACT.subtract(amount, at_list)
    return use.piece._replace(quantity=quantity, amount=amount)


def _line_beside(subject: LineSubject, piece: Piece, invoice_id: UUID) -> LineItem:
    beside = subject._replace(key=f"{subject.key}/{piece.unit_price}")
    return lines_of_run(invoice_id, beside, [Settled(None, (), [piece])])[0]


def _place(subject: LineSubject | LineItem) -> Place:
    """What a line is of: a product and its group values, or the conversion of a unit (off, or on)."""
    return (
        subject.product_id,
        subject.product_type,
        subject.credit_type.id,
        _frozen(subject.pricing_group_values),
        _frozen(subject.presentation_group_values),
    )


def _frozen(values: Mapping[str, str | None] | None) -> object:
    """In any order: a stored line may have its keys in another than the plan."""
    return None if values is None else frozenset(values.items())
