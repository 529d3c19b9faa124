"""How grants come to be spendable: recurring ones make their grants, segments begin, seats and edits adjust them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from meterline.core.charges import quantity_at, quantity_history, seat_history, seats_at
from meterline.core.contract import Contract
from meterline.core.contract.recurring import RecurringGrant, SeatAllocation
from meterline.core.contract.subscription import Subscription
from meterline.core.decimals import EXACT, ZERO, total
from meterline.core.ledger.entry import EntryType
from meterline.core.ledger.grant import Grant, GrantSegment
from meterline.core.ledger.posting import seat_adjustment, segment_correction, segment_start
from meterline.core.ledger.recurrence import (
    Recurrence,
    Seat,
    child_grant,
    child_grant_id,
    recurrence_periods,
    seat_increase_amount,
)
from meterline.core.lifecycle.account import Account
from meterline.core.lifecycle.facts import STARTS, Facts, Posting
from meterline.core.period import Period


class Making(NamedTuple):
    """The grants that a recurring one makes `at` an instant: one, or one for each of its seats."""

    at: datetime
    recurring: RecurringGrant
    grants: tuple[Grant, ...]


def makings(account: Account, facts: Facts) -> Iterator[Making]:
    """Yield for each recurring grant what it makes next."""
    made = {grant.id for grant in account.grants}
    last_made = _last_made(account)
    for contract in facts.contracts.values():
        for recurring in contract.recurring_grants:
            since = last_made.get(recurring.id, recurring.starting_at)
            making = next(_makings_of(contract, recurring, made, since), None)
            if making is not None:
                yield making


def _last_made(account: Account) -> dict[UUID, datetime]:
    """By recurring grant, when the last that it made began. Periods that were over by then make nothing more."""
    found: dict[UUID, datetime] = {}
    for grant in account.grants:
        if grant.recurring_grant_id is not None and grant.segments:
            start = grant.segments[0].starting_at
            found[grant.recurring_grant_id] = max(found.get(grant.recurring_grant_id, start), start)
    return found


def _makings_of(
    contract: Contract, recurring: RecurringGrant, made: set[UUID], since: datetime
) -> Iterator[Making]:
    subscription = next(
        (one for one in contract.subscriptions if one.id == recurring.subscription_id), None
    )
    for recurrence in recurrence_periods(recurring, contract):
        start = recurrence.period.start
        if recurrence.period.end <= since:
            continue
        if subscription is None or recurring.allocation is SeatAllocation.POOLED:
            if child_grant_id(recurring, start) in made:
                continue
            quantity = quantity_at(subscription, contract, start) if subscription else None
            grant = child_grant(recurring, contract, recurrence, quantity=quantity)
            yield Making(start, recurring, (grant,))
        else:
            yield from _seat_makings(contract, recurring, recurrence, subscription, made)


def _seat_makings(
    contract: Contract,
    recurring: RecurringGrant,
    recurrence: Recurrence,
    subscription: Subscription,
    made: set[UUID],
) -> Iterator[Making]:
    """Each seat of the period's start, and each that comes within it, has a grant of its own; once a period."""
    start = recurrence.period.start
    group_key = subscription.seat_group_key or ""
    arrivals: dict[datetime, list[Seat]] = {
        start: [Seat(seat, group_key) for seat in seats_at(subscription, contract, start).ids]
    }
    seen = {seat.id for seat in arrivals[start]}
    for stretch in seat_history(subscription, contract):
        if start < stretch.starting_at < recurrence.period.end:
            came = [seat for seat in stretch.seats.ids if seat not in seen]
            seen |= set(came)
            arrivals[stretch.starting_at] = [
                Seat(seat, group_key, stretch.starting_at) for seat in came
            ]
    for at, seats in arrivals.items():
        grants = tuple(
            child_grant(recurring, contract, recurrence, seat=seat)
            for seat in seats
            if child_grant_id(recurring, start, seat.id) not in made
        )
        if grants:
            yield Making(at, recurring, grants)


def segment_starts(account: Account, facts: Facts) -> Iterator[Posting]:
    """Yield the entries by which segments begin that have not begun. Those after their contract's end never do."""
    for grant in account.grants:
        for segment in grant.segments:
            begins = _is_live_at(grant, facts, segment.starting_at)
            if begins and not facts.count(segment.id, *STARTS):
                yield Posting(segment.starting_at, segment.id, segment_start(grant, segment))


def _is_live_at(grant: Grant, facts: Facts, instant: datetime) -> bool:
    """Whether a grant is not archived, and neither is its contract, which goes on at `instant`."""
    if grant.archived_at is not None:
        return False
    if grant.contract_id is None:
        return True
    contract = facts.contracts.get(grant.contract_id)
    return contract is not None and (
        contract.ending_before is None or instant < contract.ending_before
    )


def segment_corrections(account: Account, facts: Facts) -> Iterator[Posting]:
    """Yield what makes the ledgers of segments that were edited after they had begun agree with them again.

    One that was taken away is left with nothing. A correction counts from when the segment began, as what it corrects.
    """
    known = set()
    for grant in account.grants:
        for segment in grant.segments:
            known.add(segment.id)
            begun = [one for one in facts.entries.get(segment.id, ()) if one.type in STARTS]
            if not begun or grant.archived_at is not None:
                continue
            difference = EXACT.subtract(segment.amount, total(one.amount for one in begun))
            if difference:
                yield _correction(grant, segment, difference, len(begun))
    grants = {grant.id: grant for grant in account.grants}
    for segment_id, entries in facts.entries.items():
        first, balance = entries[0], facts.balance(segment_id)
        if segment_id not in known and balance and first.grant_id in grants:
            gone = GrantSegment(segment_id, ZERO, first.timestamp, first.timestamp)
            earlier = facts.count(segment_id, *STARTS)
            yield _correction(grants[first.grant_id], gone, balance.copy_negate(), earlier)


def _correction(grant: Grant, segment: GrantSegment, difference: Decimal, earlier: int) -> Posting:
    at = segment.starting_at
    entry = segment_correction(grant, segment, difference, at=at, cause=str(earlier))
    return Posting(at, segment.id, entry)


def seat_adjustments(account: Account, facts: Facts) -> Iterator[Posting]:
    """Yield what seats that came after a POOLED period had begun add to its grant."""
    grants = {grant.id: grant for grant in account.grants}
    last_made = _last_made(account)
    for contract in facts.contracts.values():
        subscriptions = {one.id: one for one in contract.subscriptions}
        for recurring in contract.recurring_grants:
            subscription = subscriptions.get(recurring.subscription_id or contract.id)
            if subscription is None or recurring.allocation is not SeatAllocation.POOLED:
                continue
            since = last_made.get(recurring.id, recurring.starting_at)
            for recurrence in recurrence_periods(recurring, contract):
                if recurrence.period.end <= since:
                    continue
                grant = grants.get(child_grant_id(recurring, recurrence.period.start))
                if grant is None:
                    break
                if grant.archived_at is None:
                    rises = _rises(subscription, contract, recurrence.period)
                    yield from _adjustments(recurring, recurrence, grant, rises, facts)


def _rises(
    subscription: Subscription, contract: Contract, period: Period
) -> Iterator[tuple[datetime, Decimal]]:
    """(instant, how many) of each rise of the quantity above all before it in the period."""
    highest = quantity_at(subscription, contract, period.start)
    for stretch in quantity_history(subscription, contract):
        if period.start < stretch.starting_at < period.end and stretch.quantity > highest:
            yield stretch.starting_at, EXACT.subtract(stretch.quantity, highest)
            highest = stretch.quantity


def _adjustments(
    recurring: RecurringGrant,
    recurrence: Recurrence,
    grant: Grant,
    rises: Iterator[tuple[datetime, Decimal]],
    facts: Facts,
) -> Iterator[Posting]:
    (segment,) = grant.segments
    done = {
        entry.timestamp
        for entry in facts.entries.get(segment.id, ())
        if entry.type is EntryType.SEAT_BASED_ADJUSTMENT
    }
    for at, seats in rises:
        amount = seat_increase_amount(recurring, recurrence, seats, at)
        if at not in done and amount:
            yield Posting(at, segment.id, seat_adjustment(grant, segment, amount, at=at))
