"""Usage in a custom unit, as far as grants in that unit did not pay for it, in the currency of the invoice.

Two lines a unit: its total off, and its worth on; which grants in the currency may still pay for, in the time they
cover. Source: docs/decisions/0006-custom-pricing-units.md.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain, pairwise
from uuid import UUID

from meterline.core.decimals import EXACT, ONE, ZERO, total
from meterline.core.invoice.document import LineItem, LineType
from meterline.core.invoice.drawing import Drawing
from meterline.core.invoice.lines import LineSubject, Settled, due, lines_of_run
from meterline.core.ledger.chargeable import Chargeable, ChargeClass, Drawn
from meterline.core.ledger.grant import GrantKind
from meterline.core.money import CreditType
from meterline.core.period import Period
from meterline.core.rating.flat import Flat
from meterline.core.rating.piece import Piece
from meterline.core.rating.plan import RatePlan


def conversion_lines(plan: RatePlan, lines: Sequence[LineItem], drawing: Drawing) -> list[LineItem]:
    """Return the lines that turn what `lines` come to in custom units into the plan's currency."""
    found = []
    for unit in dict.fromkeys(line.credit_type for line in lines):
        price = plan.conversions.get(unit.id)
        if price is None:
            continue
        owed = due(lines, unit)
        if owed:
            _, on = conversion_subjects(plan.fiat_credit_type, unit)
            found.append(off_line(drawing.invoice_id, plan.fiat_credit_type, unit, owed))
            found += drawing.run_lines(_worth(plan, unit, owed, drawing), on)
    return found


def undrawn_conversion_lines(
    invoice_id: UUID,
    lines: Sequence[LineItem],
    fiat: CreditType,
    conversions: Mapping[UUID, Decimal],
) -> list[LineItem]:
    """Return the same for an invoice that grants do not pay for."""
    found = []
    for unit in dict.fromkeys(line.credit_type for line in lines):
        price, owed = conversions.get(unit.id), due(lines, unit)
        if price is not None and owed:
            _, on = conversion_subjects(fiat, unit)
            worth = Piece(owed, price, EXACT.multiply(owed, price))
            found.append(off_line(invoice_id, fiat, unit, owed))
            found += lines_of_run(invoice_id, on, [Settled(None, (), [worth])])
    return found


def off_line(invoice_id: UUID, fiat: CreditType, unit: CreditType, owed: Decimal) -> LineItem:
    """Return the line that takes `owed` of `unit` off."""
    off, _ = conversion_subjects(fiat, unit)
    taken = Piece(owed.copy_negate(), ONE, owed.copy_negate())
    return lines_of_run(invoice_id, off, [Settled(None, (), [taken])])[0]


def conversion_subjects(fiat: CreditType, unit: CreditType) -> tuple[LineSubject, LineSubject]:
    """Return what the line that takes `unit` off is of, and the one that puts its worth on."""
    name = f"{unit.name} to {fiat.name}"
    off = LineSubject(f"conversion/{unit.id}/off", LineType.CPU_CONVERSION, name, unit)
    return off, off._replace(key=f"conversion/{unit.id}/on", credit_type=fiat)


def _worth(plan: RatePlan, unit: CreditType, owed: Decimal, drawing: Drawing) -> list[Chargeable]:
    """What `owed` of `unit` is worth, cut where the grants that may pay for it begin or end."""
    starts = _starts(plan.period, drawing)
    amounts = [owed] if len(starts) == 1 else _owed_by_stretch(unit, drawing.drawn, starts)
    counters = [ZERO]
    for amount in amounts:
        counters.append(EXACT.add(counters[-1], amount))
    return [
        Chargeable(
            ChargeClass.CONVERSION,
            None,
            conversion_subjects(plan.fiat_credit_type, unit)[1].name,
            plan.fiat_credit_type,
            Period(start, end),
            before,
            after,
            Flat(plan.conversions[unit.id]),
        )
        for (start, end), (before, after) in zip(
            pairwise([*starts, plan.period.end]), pairwise(counters), strict=True
        )
        if before != after
    ]


def _starts(period: Period, drawing: Drawing) -> list[datetime]:
    edges: Iterable[datetime] = chain.from_iterable(
        (purse.segment.starting_at, purse.segment.ending_before) for purse in drawing.pool.purses
    )
    return sorted({period.start, *(edge for edge in edges if edge in period)})


def _owed_by_stretch(
    unit: CreditType, drawn: Iterable[Drawn], starts: Sequence[datetime]
) -> list[Decimal]:
    """What is owed in `unit` for each stretch; what lies outside the period counts in the first or last."""
    amounts = [ZERO] * len(starts)
    for one in drawn:
        if one.chargeable.credit_type == unit:
            place = max(0, bisect_right(starts, one.chargeable.period.start) - 1)
            shown_only = (
                payment.amount
                for payment in one.payments
                if payment.grant.kind is GrantKind.POSTPAID
            )
            rest = total(chain((piece.amount for piece in one.unpaid), shown_only))
            amounts[place] = EXACT.add(amounts[place], rest)
    return amounts
