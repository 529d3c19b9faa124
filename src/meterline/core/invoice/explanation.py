"""Why a line says what it says: its rate, the override that acted, the tier walk, the drawdowns, the usage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from meterline.core.catalogue import RateTerms
from meterline.core.contract.override import Override
from meterline.core.decimals import EXACT, ZERO, plain, total
from meterline.core.invoice.document import Invoice, InvoiceStatus, LineItem, LineType
from meterline.core.invoice.subjects import move_subject
from meterline.core.ledger.entry import EntryType, LedgerEntry
from meterline.core.ledger.grant import AccessType, Grant, GrantKind
from meterline.core.period import EPOCH, Period
from meterline.core.rating.charges import Move, moves
from meterline.core.rating.piece import PieceKind
from meterline.core.rating.plan import RatePlan, Stint
from meterline.core.rating.tier_walk import TierPosition
from meterline.core.usage import GroupValues, Part, UsageBook, merge_all, segment_quantities


class RateInForce(NamedTuple):
    """The price a line's usage had: `terms` after the override, `list_terms` before."""

    starting_at: datetime
    ending_before: datetime | None
    terms: RateTerms
    list_terms: RateTerms
    billing_frequency: str | None = None


class TierStep(NamedTuple):
    """A part of the walk: the counter goes from `counter_before` to `counter_after` at `unit_price` each."""

    counter_before: Decimal
    counter_after: Decimal
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    tier: TierPosition | None


class Drawdown(NamedTuple):
    """What one grant's segment paid: amounts in the grant's credit type, or units for QUANTITY access."""

    grant_id: UUID
    segment_id: UUID
    kind: GrantKind
    amount: Decimal
    balance_before: Decimal
    balance_after: Decimal


class UsageSource(NamedTuple):
    """A stretch of metered usage that went into the line. `quantity`: the metric's, before conversion and rounding."""

    metric_id: UUID
    group_properties: tuple[str, ...]
    group_values: GroupValues
    period: Period
    quantity: Decimal


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
    paid = tuple(_drawdowns(invoice, line, books))
    run = [] if books.plan is None or books.usage is None else _run(line, books.plan, books.usage)
    if not run:
        return Explanation(line, walk=(_own_step(line),), drawdowns=paid, notes=_notes(line))
    grant = next((one for one in books.grants if one.id == line.grant_id), None)
    first = run[0].segment
    acting, listed = first.acting(run[0].values, grant), first.acting(run[0].values)
    sources = _sources(run, books.usage or {})
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
        tuple(_walk(run)),
        paid,
        tuple(sources),
        _notes(line) if _is_current(invoice, line, run) else (*_notes(line), CHANGED),
    )


CHANGED = "usage or prices have changed since the invoice was final"


def _run(line: LineItem, plan: RatePlan, usage: UsageBook) -> list[Move]:
    """The moves of the line's counter in its time."""
    if line.product_type != "UsageProductListItem" or line.starting_at is None:
        return []
    end = line.ending_before or line.starting_at
    place = (line.product_id, line.pricing_group_values, line.presentation_group_values)
    found = []
    for move in moves(plan, usage):
        if move.product.id != line.product_id:
            continue
        of_move = move_subject(move)
        if (
            of_move.product_id,
            of_move.pricing_group_values,
            of_move.presentation_group_values,
        ) == place and line.starting_at <= move.segment.period.start < end:
            found.append(move)
    return found


def _walk(run: Iterable[Move]) -> Iterator[TierStep]:
    """The pieces of the run at list price. Only units move the counter; fees and limits stand where it has got to."""
    for move in run:
        counter = move.before
        for piece in move.segment.list_model(move.values).pieces(move.before, move.after):
            before = counter
            if piece.kind is PieceKind.UNITS:
                counter = EXACT.add(counter, piece.quantity)
            yield TierStep(
                plain(before),
                plain(counter),
                plain(piece.quantity),
                plain(piece.unit_price),
                plain(piece.amount),
                piece.tier,
            )


def _own_step(line: LineItem) -> TierStep:
    """A line that no counter of usage made explains itself."""
    before = line.tier.starting_at if line.tier else ZERO
    after = EXACT.add(before, line.quantity)
    return TierStep(before, after, line.quantity, line.unit_price, line.total, line.tier)


def _is_current(invoice: Invoice, line: LineItem, run: Sequence[Move]) -> bool:
    """Whether the lines of the run still have all that its counter moved by."""
    if invoice.status is InvoiceStatus.DRAFT or line.counts is not PieceKind.UNITS:
        return True
    start, end = run[0].segment.period.start, run[-1].segment.period.end
    billed = total(
        other.quantity
        for other in invoice.line_items
        if other.type is LineType.USAGE
        and other.counts is PieceKind.UNITS
        and _place(other) == _place(line)
        and other.starting_at is not None
        and start <= other.starting_at < end
    )
    walked = total(
        piece.quantity
        for move in run
        for piece in move.segment.list_model(move.values).pieces(move.before, move.after)
        if piece.kind is PieceKind.UNITS
    )
    return billed == walked


def _place(line: LineItem) -> tuple[object, ...]:
    return (line.product_id, line.pricing_group_values, line.presentation_group_values)


def _sources(run: Sequence[Move], usage: UsageBook) -> list[UsageSource]:
    """The usage of the run's group values, by the spans it was read in."""
    found: dict[tuple[UUID, datetime], UsageSource] = {}
    for move in run:
        for stint in move.grouping.stints:
            first, last = move.segment.first, move.segment.last
            cuts = stint.metric.cuts
            if last >= len(cuts) or cuts[first] != move.segment.period.start:
                continue
            names = (*move.grouping.pricing_key, *move.grouping.presentation_key)
            quantities = _quantities(stint, move.values, usage)
            for index in range(first, last):
                if quantities[index]:
                    period = Period(cuts[index], cuts[index + 1])
                    found[stint.metric_id, period.start] = UsageSource(
                        stint.metric_id, names, move.values, period, plain(quantities[index])
                    )
    return list(found.values())


def _quantities(stint: Stint, values: GroupValues, usage: UsageBook) -> tuple[Decimal, ...]:
    """What each span between the metric's cuts adds to its quantity, for these group values."""
    parts: list[Part | None] = [None] * (len(stint.metric.cuts) - 1)
    for group_values, index, part in usage.get(stint.metric_id, ()):
        if tuple(group_values[position] for position in stint.positions) != values:
            continue
        admission = stint.metric.admissions[index] if stint.metric.admissions else None
        if admission is None or admission.admits(group_values):
            parts[index] = merge_all(stint.metric.aggregation, (parts[index], part))
    return segment_quantities(stint.metric.aggregation, parts)


def _drawdowns(invoice: Invoice, line: LineItem, books: Books) -> Iterator[Drawdown]:
    """What grants paid of the line; of one that is over, what they paid of the rest before they were used up."""
    applications = [one for one in invoice.line_items if one.type is LineType.APPLIED]
    left: dict[UUID, Decimal] = {}
    for one in sorted(applications, key=_consuming_order):
        if one.applied is None or one.segment_id is None:
            continue
        if one.segment_id not in left:
            left[one.segment_id] = _balance_before(invoice.id, one.segment_id, books.entries)
        in_units = one.applied.access_type is AccessType.QUANTITY
        amount = one.quantity if in_units else one.total.copy_negate()
        before = left[one.segment_id]
        left[one.segment_id] = EXACT.subtract(before, amount)
        if _is_of(one, line):
            yield Drawdown(
                one.applied.id,
                one.segment_id,
                one.applied.type,
                plain(amount),
                plain(before),
                plain(left[one.segment_id]),
            )


def _is_of(application: LineItem, line: LineItem) -> bool:
    """Whether an application is the line's, or of the same charge as a line that is over."""
    if line.segment_id is not None and line.segment_id != application.segment_id:
        return False
    if line.grant_id is not None and line.type is LineType.COMMIT_PURCHASE:
        return False
    same = _place(application) == _place(line) and application.source_id == line.source_id
    if line.segment_id is not None:
        return same and (application.tier, application.starting_at, application.counts) == (
            line.tier,
            line.starting_at,
            line.counts,
        )
    return same and _overlaps(application, line)


def _overlaps(left: LineItem, right: LineItem) -> bool:
    if left.starting_at is None or right.starting_at is None:
        return left.starting_at == right.starting_at
    left_end = left.ending_before or left.starting_at
    right_end = right.ending_before or right.starting_at
    return left.starting_at < right_end and right.starting_at < left_end


_CLASSES = {
    "UsageProductListItem": 0,
    "SubscriptionProductListItem": 1,
    "CompositeProductListItem": 2,
}


def _consuming_order(line: LineItem) -> tuple[object, ...]:
    """As grants pay: by class, start, unit price (highest first), name."""
    return (
        _CLASSES.get(line.product_type or "", len(_CLASSES)),
        line.starting_at or EPOCH,
        line.unit_price,  # negative, as it takes off
        line.name,
    )


def _balance_before(invoice_id: UUID, segment_id: UUID, entries: Iterable[LedgerEntry]) -> Decimal:
    """What was left of a segment when the invoice came to draw on it."""
    balance = ZERO
    for entry in entries:
        if entry.segment_id != segment_id:
            continue
        if entry.invoice_id == invoice_id and entry.type is EntryType.AUTOMATED_INVOICE_DEDUCTION:
            break
        balance = EXACT.add(balance, entry.amount)
    return balance


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
    if line.is_prorated:
        notes.append("the price is for a part of a billing cycle")
    return tuple(notes)
