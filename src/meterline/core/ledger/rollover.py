"""Rollover: what a renewal takes over from the contract it replaces."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import uuid5

from meterline.core.contract import Contract
from meterline.core.contract.schedule import InvoiceSchedule, ScheduleItem
from meterline.core.decimals import EXACT, ONE, ZERO, plain
from meterline.core.ledger.grant import Grant, GrantKind, GrantSegment, RolledOver


def rollover_amount(grant: Grant, segment: GrantSegment, remaining: Decimal) -> Decimal:
    """Return what of `remaining` goes over: at most the rollover fraction of what the segment began with.

    Zero without a fraction, and where nothing is left.
    """
    if grant.rollover_fraction is None or remaining <= 0:
        return ZERO
    return min(remaining, plain(EXACT.multiply(grant.rollover_fraction, segment.amount)))


def rolled_over_grant(
    grant: Grant, segment: GrantSegment, amount: Decimal, new_contract: Contract
) -> Grant:
    """Return the grant that carries `amount` on: on the new contract, from its start to its end.

    Where that is open: for as long as the old segment was. It is drawn before all others and does not roll over again.
    A prepaid one is paid for; what a postpaid one leaves is still promised, and trued up at the new one's end.
    """
    start = new_contract.starting_at
    end = new_contract.ending_before
    if end is None:
        end = start + (segment.ending_before - segment.starting_at)
    grant_id = uuid5(grant.id, f"rolled-over/{segment.id}/{new_contract.id}")
    invoice = None
    if grant.kind is GrantKind.POSTPAID:
        item = ScheduleItem(uuid5(grant_id, "invoice/0"), end, amount, amount, ONE)
        invoice = InvoiceSchedule(grant.credit_type, (item,))
    assert grant.contract_id is not None, "a renewal takes over what is the old contract's own"
    return replace(
        grant,
        id=grant_id,
        segments=(GrantSegment(uuid5(grant_id, "segment/0"), amount, start, end),),
        created_at=start,
        contract_id=new_contract.id,
        invoice=invoice,
        invoice_contract_id=None,
        rollover_fraction=None,
        rolled_over_from=RolledOver(grant.id, grant.contract_id, grant.kind),
        recurring_grant_id=None,
    )
