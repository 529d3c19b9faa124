"""Steps: what falls due in a customer's books, and in which order.

A step is performed as of its own due time, so it does not matter when it is got round to. Terms decide what is due, the
stored facts what has been done. Before terms are changed everything due by then must have been done (settled), or the
change would act on what was due before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any
from uuid import UUID

from meterline.core.ledger.entry import LedgerEntry
from meterline.core.lifecycle import grants_begin, grants_end
from meterline.core.lifecycle.account import Account, Change
from meterline.core.lifecycle.collection import DateInvoice, date_invoice_id, date_invoices
from meterline.core.lifecycle.facts import Facts, Posting
from meterline.core.lifecycle.finalization import finalized, spans_due
from meterline.core.lifecycle.grants_end import Shortfall
from meterline.core.lifecycle.issuing import issued, trued_up
from meterline.core.lifecycle.spans import Span
from meterline.core.lifecycle.statement import Statement, compiled
from meterline.core.usage import UsageBook


class StepKind(IntEnum):
    """What falls due; at one instant in this order."""

    MAKE_GRANT = 1
    START_SEGMENT = 2
    ADJUST_SEATS = 3
    CORRECT_SEGMENT = 4
    ISSUE_SCHEDULED = 5
    FINALIZE_USAGE = 6
    TRUE_UP = 7
    ROLL_OVER = 8
    EXPIRE = 9


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that falls due at `at`. `subject`: the id of what it is about, by which it is told from others.

    `statement`: whose usage `perform` needs; None: none.
    """

    at: datetime
    kind: StepKind
    subject: UUID
    statement: Statement | None = None


@dataclass(frozen=True, slots=True)
class _Due:
    """A step to be, with what it is about: a Making, Posts, a Span, DateInvoice, Shortfall or Rolling."""

    at: datetime
    kind: StepKind
    subject: UUID
    cause: Any

    @property
    def order(self) -> tuple[Any, ...]:
        """By time, kind, and within the final usage invoices of one instant by the order of statements."""
        of_kind = self.cause.order if isinstance(self.cause, Span) else ()
        return (self.at, self.kind, of_kind, self.subject)


def next_step(account: Account, until: datetime) -> Step | None:
    """Return the first step that is not done and due at or before `until`."""
    facts = Facts.of(account)
    first = min(
        (due for due in _dues(account, facts, until) if due.at <= until),
        key=lambda due: due.order,
        default=None,
    )
    if first is None:
        return None
    statement = None
    if isinstance(first.cause, Span):
        statement = compiled(account, facts, first.cause)
    return Step(first.at, first.kind, first.subject, statement)


SUBSCRIPTIONS_AHEAD = timedelta(days=400)
"""How far ahead the next charge of a subscription is looked for: more than a year, the longest cycle."""


def next_due(account: Account, after: datetime) -> datetime | None:
    """Return when the next step falls due, once everything due at `after` is done; None: never, as terms stand."""
    facts = Facts.of(account)
    others = (due.at for due in _dues(account, facts, after) if due.at > after)
    first = min(others, default=None)
    horizon = min(first or _never(after), after + SUBSCRIPTIONS_AHEAD)
    dated = (
        group.issued_at
        for group in date_invoices(account, facts, horizon, dated_until=first or _never(after))
        if group.issued_at > after
    )
    return min((one for one in (first, *dated) if one is not None), default=None)


def _never(after: datetime) -> datetime:
    return datetime.max.replace(tzinfo=after.tzinfo)


def perform(account: Account, step: Step, usage: UsageBook | None = None) -> Change:
    """Return what `step`, the account's next one, adds. Never empty; done once it is `applied`.

    `usage`: of `step.statement`, cut by its plan's cuts.
    """
    if step.statement is not None:
        assert usage is not None, "a statement is rated from its usage"
        return finalized(account, step.statement, usage, step.at)
    facts = Facts.of(account)
    cause = next(
        due.cause
        for due in _dues(account, facts, step.at)
        if (due.at, due.kind, due.subject) == (step.at, step.kind, step.subject)
    )
    match cause:
        case grants_begin.Making():
            return Change(grants=cause.grants)
        case DateInvoice():
            return issued(account, facts, cause)
        case Shortfall():
            return trued_up(account, cause)
        case grants_end.Rolling():
            return Change(grants=(cause.grant,), entries=(cause.entry,))
        case _Posts():
            return Change(entries=cause.entries)
    raise AssertionError(f"a step of no kind: {step}")


def _dues(account: Account, facts: Facts, until: datetime) -> Iterator[_Due]:
    """Yield what is not done: all that is due by `until`, and of what is due later at least the first of each kind."""
    for making in grants_begin.makings(account, facts):
        yield _Due(making.at, StepKind.MAKE_GRANT, making.recurring.id, making)
    for kind, postings in (
        (StepKind.START_SEGMENT, grants_begin.segment_starts),
        (StepKind.ADJUST_SEATS, grants_begin.seat_adjustments),
        (StepKind.CORRECT_SEGMENT, grants_begin.segment_corrections),
    ):
        yield from _together(kind, postings(account, facts))
    for group in date_invoices(account, facts, until):
        subject = date_invoice_id(facts, account.customer_id, group)
        yield _Due(group.issued_at, StepKind.ISSUE_SCHEDULED, subject, group)
    for span in spans_due(account, facts):
        yield _Due(span.final_at, StepKind.FINALIZE_USAGE, span.invoice_id, span)
    for shortfall in grants_end.shortfalls(account, facts):
        yield _Due(shortfall.at, StepKind.TRUE_UP, shortfall.grant.id, shortfall)
    for rolling in grants_end.rollings(account, facts):
        yield _Due(rolling.at, StepKind.ROLL_OVER, rolling.segment.id, rolling)
    yield from _together(StepKind.EXPIRE, grants_end.expirings(account, facts))


@dataclass(frozen=True, slots=True)
class _Posts:
    """Entries that are posted together."""

    entries: tuple[LedgerEntry, ...]


def _together(kind: StepKind, postings: Iterable[Posting]) -> Iterator[_Due]:
    """One step for all of a kind and an instant: a thousand seats begin and expire together."""
    by_time: dict[datetime, list[Posting]] = defaultdict(list)
    for posting in postings:
        by_time[posting.at].append(posting)
    for at, found in by_time.items():
        posts = _Posts(tuple(posting.entry for posting in found))
        yield _Due(at, kind, found[0].segment_id, posts)
