"""Rollover: what a renewal takes over from the contract it replaces."""

from __future__ import annotations

from decimal import Decimal

from meterline.core.contract import Contract
from meterline.core.ledger.grant import Grant, GrantSegment


def rollover_amount(grant: Grant, segment: GrantSegment, remaining: Decimal) -> Decimal:
    """Return what of `remaining` goes over: at most the rollover fraction of what the segment began with."""
    raise NotImplementedError


def rolled_over_grant(
    grant: Grant, segment: GrantSegment, amount: Decimal, new_contract: Contract
) -> Grant:
    """Return the grant that carries `amount` on: on the new contract, from its start to its end.

    Where that is open: for as long as the old segment was.
    """
    raise NotImplementedError
