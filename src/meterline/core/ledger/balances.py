"""Balances: what is left of grants, as sums of ledger entries.

A stored entry counts from its timestamp on. Entries of drafts (`pending`) are timestamped at the end of their period,
which is still to come, and count at once: what a customer has used today he can't spend again. Live is what can be
spent: a caller who knows the contracts cuts a grant to its own first (`within_contract`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from meterline.core.decimals import EXACT, ZERO, total
from meterline.core.ledger.entry import LedgerEntry
from meterline.core.ledger.grant import Grant, GrantSegment


def balance(
    entries: Iterable[LedgerEntry], *, at: datetime, segment_id: UUID | None = None
) -> Decimal:
    """Return the sum of `entries` up to and including `at`, of one segment or of all given."""
    return total(
        entry.amount
        for entry in entries
        if entry.timestamp <= at and segment_id in (None, entry.segment_id)
    )


def segment_balances(
    entries: Iterable[LedgerEntry], *, at: datetime, pending: Iterable[LedgerEntry] = ()
) -> dict[UUID, Decimal]:
    """Return what is left of each segment at `at`, in one pass over the entries of any number of grants."""
    left: dict[UUID, Decimal] = {}
    for entry in entries:
        if entry.timestamp <= at and entry.segment_id is not None:
            left[entry.segment_id] = EXACT.add(left.get(entry.segment_id, ZERO), entry.amount)
    for entry in pending:
        if entry.segment_id is not None:
            left[entry.segment_id] = EXACT.add(left.get(entry.segment_id, ZERO), entry.amount)
    return left


def within_contract(grant: Grant, contract_end: datetime | None) -> Grant:
    """Return `grant` with its segments over when its contract is: nothing can spend them any more.

    `contract_end`: of the contract it belongs to; None: it is open, or the grant is the customer's.
    """
    if contract_end is None or all(one.ending_before <= contract_end for one in grant.segments):
        return grant
    return replace(
        grant,
        segments=tuple(
            replace(segment, ending_before=min(segment.ending_before, contract_end))
            for segment in grant.segments
            if segment.starting_at < contract_end
        ),
    )


def live_segments(grant: Grant, *, at: datetime) -> list[GrantSegment]:
    """Return the segments that can be spent from at `at`."""
    if grant.archived_at is not None:
        return []
    return [
        segment for segment in grant.segments if segment.starting_at <= at < segment.ending_before
    ]


def live_balance(
    grant: Grant,
    entries: Iterable[LedgerEntry],
    *,
    at: datetime,
    pending: Iterable[LedgerEntry] = (),
) -> Decimal:
    """Return what can be spent of `grant` at `at`: its segments that cover the instant, less what drafts draw.

    `entries` and `pending` may be those of other grants too.
    """
    left = segment_balances(entries, at=at, pending=pending)
    return total(left.get(segment.id, ZERO) for segment in live_segments(grant, at=at))


def net_balance(
    grants: Iterable[Grant],
    entries: Iterable[LedgerEntry],
    *,
    at: datetime,
    pending: Iterable[LedgerEntry] = (),
) -> Decimal:
    """Return the sum over the live segments of `grants`, one that is below zero counting 0.

    The caller chooses grants of one measure. Source: Metronome's net balance.
    """
    left = segment_balances(entries, at=at, pending=pending)
    return total(
        max(ZERO, left.get(segment.id, ZERO))
        for grant in grants
        for segment in live_segments(grant, at=at)
    )


def granted(grant: Grant, *, at: datetime) -> Decimal:
    """Return what the segments that cover `at` began with."""
    return total(segment.amount for segment in live_segments(grant, at=at))
