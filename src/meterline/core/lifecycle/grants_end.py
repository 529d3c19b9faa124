"""How grants end: postpaid shortfalls are trued up, renewals roll over, and the rest expires.

All of it waits until every usage invoice that could draw on the segment is final. One that is void, and was not made
again, holds it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from meterline.core.contract import Contract
from meterline.core.contract.schedule import ScheduleItem
from meterline.core.invoice import InvoiceType
from meterline.core.ledger.applicability import reaches
from meterline.core.ledger.entry import EntryType, LedgerEntry
from meterline.core.ledger.grant import Grant, GrantKind, GrantSegment
from meterline.core.ledger.posting import expiration, rollover
from meterline.core.ledger.rollover import rolled_over_grant, rollover_amount
from meterline.core.lifecycle.account import Account
from meterline.core.lifecycle.collection import is_trueup
from meterline.core.lifecycle.facts import Facts, Posting
from meterline.core.lifecycle.spans import last_final


class Shortfall(NamedTuple):
    """What a postpaid commit is short of at `at`; `contract`: the one it is invoiced on."""

    at: datetime
    grant: Grant
    segment: GrantSegment
    amount: Decimal
    contract: Contract | None
    earlier: int


class Rolling(NamedTuple):
    """What goes over to the contract that renews an older one."""

    at: datetime
    segment: GrantSegment
    entry: LedgerEntry
    grant: Grant


def shortfalls(account: Account, facts: Facts) -> Iterator[Shortfall]:
    """Yield the postpaid commits that are short of what was promised, each due when all is final."""
    for grant in account.grants:
        item = _trueup_item(facts, grant)
        if item is None or _is_held(account, facts, grant, grant.segments[0]):
            continue
        at = max(item.timestamp, _all_final(account, facts, grant, grant.segments[0]))
        shortfall = shortfall_of(facts, grant, at=at)
        if shortfall is not None:
            yield shortfall


def shortfall_of(facts: Facts, grant: Grant, *, at: datetime) -> Shortfall | None:
    """Return what a postpaid commit is short of, None for nothing."""
    segment = grant.segments[0]
    amount = facts.balance(segment.id)
    if _trueup_item(facts, grant) is None or amount <= 0:
        return None
    contract_id = grant.contract_id or grant.invoice_contract_id
    contract = facts.contracts.get(contract_id) if contract_id else None
    earlier = facts.count(segment.id, EntryType.TRUEUP)
    return Shortfall(at, grant, segment, amount, contract, earlier)


def _trueup_item(facts: Facts, grant: Grant) -> ScheduleItem | None:
    """When a postpaid commit's shortfall is billed; None: never."""
    if grant.kind is not GrantKind.POSTPAID or not _is_live(grant, facts):
        return None
    if grant.invoice is None or grant.invoice.do_not_invoice or not grant.invoice.items:
        return None
    if any(
        one.transition is not None
        and one.transition.from_contract_id == grant.contract_id
        and one.transition.removes_trueup
        for one in facts.contracts.values()
    ):
        return None
    return grant.invoice.items[0]


def rollings(account: Account, facts: Facts) -> Iterator[Rolling]:
    """Yield what renewals take over: of segments that are live when the older contract ends."""
    for new in facts.contracts.values():
        old = facts.contracts.get(new.transition.from_contract_id) if new.transition else None
        if old is None or old.ending_before is None:
            continue
        for grant in account.grants:
            if grant.contract_id != old.id or not _is_live(grant, facts):
                continue
            for segment in grant.segments:
                if not segment.starting_at < old.ending_before <= segment.ending_before:
                    continue
                amount = rollover_amount(grant, segment, facts.balance(segment.id))
                if amount <= 0 or _is_held(account, facts, grant, segment):
                    continue
                if facts.count(segment.id, EntryType.ROLLOVER):
                    continue
                at = max(new.starting_at, _all_final(account, facts, grant, segment))
                entry = rollover(grant, segment, amount, new_contract_id=new.id, at=new.starting_at)
                yield Rolling(at, segment, entry, rolled_over_grant(grant, segment, amount, new))


def expirings(account: Account, facts: Facts) -> Iterator[Posting]:
    """Yield what is left of segments at their end, their contract's end, or when their grant was archived."""
    for grant in account.grants:
        archived_at = _archived_at(account, grant)
        if archived_at is None and _trueup_item(facts, grant) is not None:
            continue
        for segment in grant.segments:
            left = facts.balance(segment.id)
            if left <= 0:
                continue
            earlier = facts.count(segment.id, EntryType.EXPIRATION)
            if archived_at is not None:
                ends = due = archived_at
            elif _is_held(account, facts, grant, segment):
                continue
            else:
                ends = _end(facts, grant, segment)
                due = _all_final(account, facts, grant, segment)
            entry = expiration(grant, segment, left, at=ends, earlier=earlier)
            yield Posting(due, segment.id, entry)


def _is_live(grant: Grant, facts: Facts) -> bool:
    """Whether neither the grant nor its contract is archived."""
    return grant.archived_at is None and (
        grant.contract_id is None or grant.contract_id in facts.contracts
    )


def _archived_at(account: Account, grant: Grant) -> datetime | None:
    """When a grant was archived, itself or with its contract; None: it was not."""
    if grant.archived_at is not None:
        return grant.archived_at
    return next((one.archived_at for one in account.contracts if one.id == grant.contract_id), None)


def _end(facts: Facts, grant: Grant, segment: GrantSegment) -> datetime:
    """The segment's end, or that of its contract; never before it began."""
    contract = facts.contracts.get(grant.contract_id) if grant.contract_id else None
    if contract is None or contract.ending_before is None:
        return segment.ending_before
    return max(segment.starting_at, min(segment.ending_before, contract.ending_before))


def _all_final(account: Account, facts: Facts, grant: Grant, segment: GrantSegment) -> datetime:
    """When the segment is over and every usage invoice that could draw on it is final."""
    end = _end(facts, grant, segment)
    finals = (
        last_final(account, contract, segment.starting_at, end)
        for contract in facts.contracts.values()
        if reaches(grant, contract)
    )
    return max((end, *(final for final in finals if final is not None)))


def _is_held(account: Account, facts: Facts, grant: Grant, segment: GrantSegment) -> bool:
    """Whether a void invoice, not made again, has to do with the segment."""
    contracts = {one.id for one in facts.contracts.values() if reaches(grant, one)}
    for invoice in account.invoices:
        if not facts.is_pending(invoice):
            continue
        if invoice.type is InvoiceType.USAGE:
            if invoice.contract_id in contracts and facts.draws_on(invoice, segment):
                return True
        elif is_trueup(invoice) and any(line.grant_id == grant.id for line in invoice.line_items):
            return True
    return False
