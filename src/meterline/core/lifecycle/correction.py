"""Corrections of final invoices: void gives back what the invoice drew, regenerate makes its successor."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from meterline.core.lifecycle.account import Account, Change
from meterline.core.usage import UsageBook


def void(account: Account, invoice_id: UUID, now: datetime) -> Change:
    """Return the invoice as VOID, and the entries that give back what it drew.

    Raises Invalid("id", ...) unless it is a FINALIZED invoice of the account.
    """
    raise NotImplementedError


def regenerate(
    account: Account, invoice_id: UUID, usage: UsageBook | None, now: datetime
) -> Change:
    """Return a new FINALIZED invoice for a VOID one, from present terms, prices, usage and balances.

    `usage`: of `statement_of(account, invoice_id)`, None for a SCHEDULED invoice. Expirations that the void invoice's
    period had a part in are taken back first; what is left expires again with the next steps.
    Raises Invalid("id", ...) unless the invoice is VOID and has no successor yet.
    """
    raise NotImplementedError
