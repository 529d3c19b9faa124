"""Draws the charges of one invoice on a pool, and turns what is left of them into lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from meterline.core.charges import CompositeCharge
from meterline.core.invoice.document import LineItem
from meterline.core.invoice.lines import LineSubject, Settled, lines_of_run
from meterline.core.invoice.subjects import (
    composite_chargeable,
    composite_subject,
    move_chargeable,
    move_subject,
)
from meterline.core.ledger.chargeable import Chargeable, Drawn
from meterline.core.ledger.drawing import draw
from meterline.core.ledger.pool import Pool
from meterline.core.rating.charges import Move

Charge = TypeVar("Charge")


@dataclass(slots=True)
class Drawing:
    """Charges come class by class, in the order grants pay for them: `pool` falls, and `drawn` has all so far."""

    invoice_id: UUID
    pool: Pool
    drawn: list[Drawn] = field(default_factory=list)

    def usage_lines(self, moved: Sequence[Move], now: datetime) -> list[LineItem]:
        """Return the lines of usage. Stretches that have not begun at `now` show none, unless they have usage."""
        if self.pool:
            settled = self._settle([move_chargeable(move) for move in moved])
        else:
            settled = [
                Settled(
                    move.segment.period,
                    (),
                    move.segment.list_model(move.values).pieces(move.before, move.after),
                )
                for move in moved
            ]
        lines = self._lines(moved, settled, move_subject, _same_price)
        return [
            line
            for line in lines
            if line.quantity or line.starting_at is None or line.starting_at <= now
        ]

    def composite_lines(self, charged: Sequence[CompositeCharge]) -> list[LineItem]:
        """Return the lines of composites."""
        settled = self._settle([composite_chargeable(charge) for charge in charged])
        return self._lines(charged, settled, composite_subject, _same_fraction)

    def lines(
        self,
        charged: Sequence[Charge],
        chargeable: Callable[[Charge], Chargeable],
        subject: Callable[[Charge], LineSubject],
    ) -> list[LineItem]:
        """Return the lines of charges that have nothing to do with one another."""
        settled = self._settle([chargeable(charge) for charge in charged])
        return self._lines(charged, settled, subject, lambda _, __: False)

    def run_lines(self, run: Sequence[Chargeable], subject: LineSubject) -> list[LineItem]:
        """Return the lines of one run."""
        return lines_of_run(self.invoice_id, subject, self._settle(run))

    def _settle(self, chargeables: Sequence[Chargeable]) -> list[Settled]:
        drawn, self.pool = draw(chargeables, self.pool)
        self.drawn += drawn
        return [Settled(one.chargeable.period, one.payments, one.unpaid) for one in drawn]

    def _lines(
        self,
        charged: Sequence[Charge],
        settled: Sequence[Settled],
        subject: Callable[[Charge], LineSubject],
        continues: Callable[[Charge, Charge], bool],
    ) -> list[LineItem]:
        return [
            line
            for first, last in _runs(charged, continues)
            for line in lines_of_run(self.invoice_id, subject(charged[first]), settled[first:last])
        ]


def _runs(
    charged: Sequence[Charge], continues: Callable[[Charge, Charge], bool]
) -> Iterator[tuple[int, int]]:
    """Yield where each run begins and ends (exclusive)."""
    first = 0
    for index in range(1, len(charged) + 1):
        if index == len(charged) or not continues(charged[index - 1], charged[index]):
            if charged:
                yield first, index
            first = index


def _same_price(before: Move, after: Move) -> bool:
    """Whether a move goes on under the price of the one before, so that only a cut divides them."""
    old, new = before.segment, after.segment
    return (
        old.model is new.model
        and old.rate is new.rate
        and old.override is new.override
        and before.grouping is after.grouping
        and before.values == after.values
    )


def _same_fraction(before: CompositeCharge, after: CompositeCharge) -> bool:
    return before.composite is after.composite and before.rate.terms == after.rate.terms
