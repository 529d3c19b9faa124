"""Lines out of what grants left of charges: what was covered, that it was applied, and what is over.

A run is one price of one product and combination of group values: the moves of its counter under it, which were cut
where grants begin or end. Its parts are put together again by who paid, tier and price, so that the edge of a grant
splits no line that the grant does not pay for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from hashlib import sha1
from typing import Any, NamedTuple
from uuid import UUID

from meterline.core.catalogue import RateTerms
from meterline.core.decimals import EXACT, plain, total
from meterline.core.invoice.document import AppliedGrant, LineItem, LineType
from meterline.core.ledger.chargeable import Payment
from meterline.core.ledger.grant import AccessType, Grant, GrantKind
from meterline.core.money import CreditType
from meterline.core.period import Period
from meterline.core.rating.piece import Piece, PieceKind


class LineSubject(NamedTuple):
    """What the lines of a run have in common. `key` tells it from the other subjects of an invoice."""

    key: str
    type: LineType
    name: str
    credit_type: CreditType
    product_id: UUID | None = None
    product_type: str | None = None
    product_tags: tuple[str, ...] = ()
    pricing_group_values: Mapping[str, str | None] | None = None
    presentation_group_values: Mapping[str, str | None] | None = None
    list_price: RateTerms | None = None
    subscription_id: UUID | None = None
    is_prorated: bool | None = None
    source_id: UUID | None = None


class Settled(NamedTuple):
    """A charge of a run after grants: what was paid of it, and the pieces nobody paid for. `period` None: not shown."""

    period: Period | None
    payments: Sequence[Payment]
    unpaid: Sequence[Piece]


@dataclass(slots=True)
class _Part:
    """What one payer (None: nobody) paid of a run in one tier at one price; grows as pieces are added."""

    piece: Piece
    period: Period | None
    grant: Grant | None
    segment_id: UUID | None
    quantity: Decimal
    amount: Decimal

    def add(self, piece: Piece, period: Period | None) -> None:
        self.quantity = EXACT.add(self.quantity, piece.quantity)
        self.amount = EXACT.add(self.amount, piece.amount)
        if period is not None and self.period is not None and period != self.period:
            self.period = Period(
                min(period.start, self.period.start), max(period.end, self.period.end)
            )

    @property
    def level(self) -> int:
        return 0 if self.piece.tier is None else self.piece.tier.level


def lines_of_run(invoice_id: UUID, subject: LineSubject, run: Sequence[Settled]) -> list[LineItem]:
    """Return the lines of a run: for each tier what was covered, with its application, then what is over.

    Order: start, tier, then order of payment. Lines of nothing are left out where the run has others.
    """
    if len(run) == 1 and not run[0].payments:
        return [
            _line(invoice_id, subject, piece, run[0].period, count=count)
            for count, piece in enumerate(run[0].unpaid)
        ]
    parts = _parts(run)
    filled = [part for part in parts if part.quantity or part.amount]
    lines = []
    seen: dict[tuple[object, ...], int] = {}
    for part in filled or parts[:1]:
        mark = (part.segment_id, part.level, part.piece.kind)
        count = seen[mark] = seen.get(mark, -1) + 1
        lines += _lines_of_part(invoice_id, subject, part, count)
    return lines


def _parts(run: Iterable[Settled]) -> list[_Part]:
    """The parts of a run, in the order of its lines."""
    parts: dict[tuple[UUID | None, int, PieceKind, Decimal], _Part] = {}

    def add(
        piece: Piece, period: Period | None, grant: Grant | None, segment_id: UUID | None
    ) -> None:
        level = 0 if piece.tier is None else piece.tier.level
        key = (segment_id, level, piece.kind, piece.unit_price)
        part = parts.get(key)
        if part is None:
            parts[key] = _Part(piece, period, grant, segment_id, piece.quantity, piece.amount)
        else:
            part.add(piece, period)

    for period, payments, unpaid in run:
        for payment in payments:
            for piece in payment.pieces:
                add(piece, period, payment.grant, payment.segment_id)
        for piece in unpaid:
            add(piece, period, None, None)
    return sorted(
        parts.values(),
        key=lambda part: (
            part.period.start if part.period else None,
            part.level,
            part.grant is None,
        ),
    )


def _lines_of_part(
    invoice_id: UUID, subject: LineSubject, part: _Part, count: int
) -> list[LineItem]:
    piece = part.piece._replace(quantity=part.quantity, amount=part.amount)
    if part.grant is None or part.segment_id is None:
        return [_line(invoice_id, subject, piece, part.period, count=count)]
    return [
        _line(invoice_id, subject, piece, part.period, paid_by=part, count=count),
        _line(
            invoice_id,
            subject._replace(type=LineType.APPLIED),
            piece._replace(
                unit_price=piece.unit_price.copy_negate(), amount=piece.amount.copy_negate()
            ),
            part.period,
            paid_by=part,
            count=count,
        ),
    ]


def _line(
    invoice_id: UUID,
    subject: LineSubject,
    piece: Piece,
    period: Period | None,
    *,
    paid_by: _Part | None = None,
    count: int = 0,
) -> LineItem:
    level = 0 if piece.tier is None else piece.tier.level
    key = f"{subject.key}/{level}/{piece.kind}/{count}"
    grant = segment_id = applied = consumed = None
    if paid_by is not None and paid_by.grant is not None:
        grant, segment_id = paid_by.grant, paid_by.segment_id
        applied = AppliedGrant(grant.id, grant.kind, grant.access_type)
        key = f"{key}/{segment_id}/{subject.type}"
        if subject.type is LineType.APPLIED and grant.access_type is AccessType.QUANTITY:
            consumed = plain(piece.quantity)
    return LineItem(
        _derived(invoice_id, key),
        subject.type,
        subject.name,
        subject.credit_type,
        plain(piece.quantity),
        plain(piece.unit_price),
        plain(piece.amount),
        subject.product_id,
        subject.product_type,
        subject.product_tags,
        period.start if period else None,
        period.end if period else None,
        subject.pricing_group_values,
        subject.presentation_group_values,
        piece.tier,
        subject.list_price,
        grant.id if grant else None,
        segment_id,
        grant.kind if grant else None,
        applied,
        consumed,
        subject.subscription_id,
        is_prorated=subject.is_prorated,
        source_id=subject.source_id,
        counts=piece.kind,
    )


def _derived(invoice_id: UUID, key: str) -> UUID:
    """uuid5(invoice_id, key), twice as quick: the invoice's part of the hash is taken once, not once a line."""
    digest = _begun(invoice_id).copy()
    digest.update(key.encode())
    bits = int.from_bytes(digest.digest()[:16], "big")
    return UUID(int=bits & ~_VERSION_AND_VARIANT | _VERSION_5)


_VERSION_AND_VARIANT = (0xF << 76) | (0x3 << 62)
_VERSION_5 = (5 << 76) | (0x2 << 62)


@lru_cache(maxsize=64)
def _begun(invoice_id: UUID) -> Any:
    return sha1(invoice_id.bytes, usedforsecurity=False)


def due(lines: Iterable[LineItem], credit_type: CreditType) -> Decimal:
    """Return what `lines` come to in `credit_type`. What a POSTPAID commit was applied to is still owed."""
    return plain(
        total(line.total for line in lines if line.credit_type == credit_type and is_counted(line))
    )


def is_counted(line: LineItem) -> bool:
    """Whether a line is part of the total: the application of a POSTPAID commit is only shown."""
    return line.type is not LineType.APPLIED or line.grant_kind is not GrantKind.POSTPAID
