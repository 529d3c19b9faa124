"""How one grant pays for one stretch of a charge: how much of it, at which price, and what remains.

The amount paid is exactly the lesser of what is due and what is left. Where that does not cover a piece, the quantity
covered is rounded DOWN to `COVERED_PLACES`, and the rest of the quantity is the difference, so that quantities and
amounts both add up. # invariant: paid and remaining pieces add up to what was due, in amount (at list price) and in
quantity. Source: docs/decisions/0009-drawdown.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from meterline.core.decimals import DECIMAL_PLACES_MAX, EXACT, ZERO, plain, total
from meterline.core.ledger.chargeable import Chargeable, Payment
from meterline.core.ledger.grant import AccessType
from meterline.core.ledger.pool import Purse
from meterline.core.rating.piece import Piece, PieceKind, PriceModel

COVERED_PLACES = DECIMAL_PLACES_MAX


@dataclass(slots=True)
class Stretch:
    """What is still due of a charge: the counter from `reached` to `end`, at list price in `pieces`.

    A charge that pieces tile comes in one stretch a piece, so that its tiers are paid for each in their place; any
    other in one. `reached` None: part of it is paid for and the counter cannot be said to stand anywhere (a package is
    half paid, say). `payments` grow as grants pay.
    """

    chargeable: Chargeable
    reached: Decimal | None
    end: Decimal
    pieces: list[Piece]
    payments: list[Payment] = field(default_factory=list)

    @property
    def unit_price(self) -> Decimal:
        """The highest price it has at list."""
        return max(piece.unit_price for piece in self.pieces)


def stretches(chargeable: Chargeable) -> list[Stretch]:
    """Return a charge as what is due of it, in the order of its pieces."""
    before, after = chargeable.before, chargeable.after
    pieces = chargeable.list_model.pieces(before, after)
    if len(pieces) == 1 or not _tile(pieces, before, after):
        return [Stretch(chargeable, before, after, list(pieces))]
    found = []
    reached = before
    for piece in pieces:
        end = EXACT.add(reached, piece.quantity)
        found.append(Stretch(chargeable, reached, end, [piece]))
        reached = end
    return found


def pay(stretch: Stretch, purse: Purse, available: Decimal) -> Decimal:
    """Pay what `available` (above zero) of a purse can pay; return what was drawn, in the grant's measure."""
    chargeable, grant = stretch.chargeable, purse.grant
    listed = chargeable.list_model
    model = listed if chargeable.commit_model is None else chargeable.commit_model(grant)
    in_units = grant.access_type is AccessType.QUANTITY
    if model == listed:
        paid, drawn = _pay_at_list_price(stretch, available, in_units=in_units)
    else:
        paid, drawn = _pay_at(model, stretch, available, in_units=in_units)
    if paid:
        stretch.payments.append(Payment(grant, purse.segment.id, tuple(paid), drawn))
    return drawn


def _pay_at_list_price(
    stretch: Stretch, available: Decimal, *, in_units: bool
) -> tuple[list[Piece], Decimal]:
    """Pieces that cost nothing are left as they are: there is nothing to pay."""
    # A model may take something back in the same move (VOLUME, a maximum): no more is paid than it comes to.
    due = total(piece.amount for piece in stretch.pieces)
    paid: list[Piece] = []
    rest: list[Piece] = []
    drawn = ZERO
    for piece in stretch.pieces:
        within = _affordable(
            piece, EXACT.subtract(available, drawn), due if due > 0 else ZERO, in_units=in_units
        )
        if within is None:
            rest.append(piece)
            continue
        paid.append(within)
        drawn = EXACT.add(drawn, within.quantity if in_units else within.amount)
        due = EXACT.subtract(due, within.amount)
        if within is not piece:
            rest.append(
                piece._replace(
                    quantity=EXACT.subtract(piece.quantity, within.quantity),
                    amount=EXACT.subtract(piece.amount, within.amount),
                )
            )
    if paid:
        stretch.pieces = rest
        single = len(paid) == 1 and len(rest) <= 1 and paid[0].kind is PieceKind.UNITS
        if stretch.reached is not None and rest:
            covered = EXACT.add(stretch.reached, paid[0].quantity)
            tiles = single and EXACT.add(covered, rest[0].quantity) == stretch.end
            stretch.reached = covered if tiles else None
    return paid, drawn


def _affordable(piece: Piece, available: Decimal, due: Decimal, *, in_units: bool) -> Piece | None:
    """Return `piece`, or the part of it that can be paid; None for nothing."""
    if piece.amount <= 0 or available <= 0 or due <= 0:
        return None
    money = min(piece.amount, due)
    if in_units:
        if piece.kind is not PieceKind.UNITS or piece.quantity <= 0:
            return None
        if piece.quantity <= available and money == piece.amount:
            return piece
        if available < piece.quantity:
            money = min(money, EXACT.multiply(available, piece.unit_price))
            if money < due:
                return piece._replace(quantity=available, amount=money)
    else:
        money = min(money, available)
        if money == piece.amount:
            return piece
    return piece._replace(quantity=_covered(money, piece.unit_price), amount=money)


def _pay_at(
    model: PriceModel, stretch: Stretch, available: Decimal, *, in_units: bool
) -> tuple[list[Piece], Decimal]:
    """Pay from where the counter stands, at a price of the grant's own; the rest is at list price again."""
    start, end = stretch.reached, stretch.end
    if start is None or end <= start:
        return [], ZERO
    pieces = model.pieces(start, end)
    if not _tile(pieces, start, end) or _takes_units_back(stretch.pieces):
        return _pay_all_or_nothing(stretch, pieces, available, in_units=in_units)
    paid: list[Piece] = []
    drawn, reached = ZERO, start
    for piece in pieces:
        left = EXACT.subtract(available, drawn)
        if left <= 0:
            break
        within = _within(piece, left, in_units=in_units)
        paid.append(within)
        drawn = EXACT.add(drawn, within.quantity if in_units else within.amount)
        reached = EXACT.add(reached, within.quantity)
    stretch.pieces = _rest(stretch, start, reached) if reached < end else []
    stretch.reached = reached
    return paid, drawn


def _rest(stretch: Stretch, start: Decimal, reached: Decimal) -> list[Piece]:
    """What is due at list price of a stretch that is paid for from `start` up to `reached`.

    Units that are priced one by one keep their price: asked again from where the counter stands now, a VOLUME price
    would take back units at the price of a lower tier that nobody was charged.
    """
    end = stretch.end
    if len(stretch.pieces) > 1 or not _tile(stretch.pieces, start, end):
        return stretch.chargeable.list_model.pieces(reached, end)
    (piece,) = stretch.pieces
    quantity = EXACT.subtract(end, reached)
    return [piece._replace(quantity=quantity, amount=EXACT.multiply(quantity, piece.unit_price))]


def _takes_units_back(pieces: Sequence[Piece]) -> bool:
    """Whether a price gives back units of earlier moves, as VOLUME does at another tier."""
    return any(piece.kind is PieceKind.UNITS and piece.quantity < 0 for piece in pieces)


def _within(piece: Piece, left: Decimal, *, in_units: bool) -> Piece:
    if in_units:
        if piece.quantity <= left:
            return piece
        return piece._replace(quantity=left, amount=EXACT.multiply(left, piece.unit_price))
    if piece.amount <= left:
        return piece
    return piece._replace(quantity=_covered(left, piece.unit_price), amount=left)


def _pay_all_or_nothing(
    stretch: Stretch, pieces: Sequence[Piece], available: Decimal, *, in_units: bool
) -> tuple[list[Piece], Decimal]:
    """A price that cannot be cut (packages, fees) is paid whole: part of it stands for no stretch of the counter."""
    cost = total(piece.quantity if in_units else piece.amount for piece in pieces)
    if not ZERO <= cost <= available:
        return [], ZERO
    stretch.reached, stretch.pieces = stretch.end, []
    return list(pieces), cost


def _tile(pieces: Sequence[Piece], before: Decimal, after: Decimal) -> bool:
    """Whether the pieces are units laid end to end from `before` up to `after`."""
    return (
        all(piece.kind is PieceKind.UNITS and piece.quantity >= 0 for piece in pieces)
        and EXACT.add(before, total(piece.quantity for piece in pieces)) == after
    )


def _covered(amount: Decimal, unit_price: Decimal) -> Decimal:
    """The quantity that `amount` pays for, rounded DOWN."""
    scaled = EXACT.divide_int(EXACT.scaleb(amount, COVERED_PLACES), unit_price)
    return plain(EXACT.scaleb(scaled, -COVERED_PLACES))
