"""Draws the charges of one invoice on a pool, and turns what is left of them into lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
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

    def usage_lines(self, moved: Iterable[Move], now: datetime) -> list[LineItem]:
        """Return the lines of usage. Stretches that have not begun at `now` show none, unless they have usage."""
        if self.pool:
            found = list(moved)
            settled = self._settle([move_chargeable(move) for move in found])
            lines = self._lines(found, settled, move_subject, _same_price)
        else:
            # As most are: one run at a time, so that a thousand groups leave nothing but their lines.
            lines = [
                line
                for run in _runs_of(moved, _same_price)
                for line in lines_of_run(self.invoice_id, move_subject(run[0]), _at_list(run))
            ]
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
        rest = iter(settled)
        return [
            line
            for run in _runs_of(charged, continues)
            for line in lines_of_run(self.invoice_id, subject(run[0]), list(islice(rest, len(run))))
        ]


def _at_list(run: Sequence[Move]) -> list[Settled]:
    return [
        Settled(
            move.segment.period,
            (),
            move.segment.list_model(move.values).pieces(move.before, move.after),
        )
        for move in run
    ]


def _runs_of(
    charged: Iterable[Charge], continues: Callable[[Charge, Charge], bool]
) -> Iterator[list[Charge]]:
    """Yield the charges run by run."""
    run: list[Charge] = []
    for charge in charged:
        if run and not continues(run[-1], charge):
            yield run
            run = []
        run.append(charge)
    if run:
        yield run


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
