"""Drafts: the invoices to come as they stand, and the ledger entries that would come with them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from meterline.core.invoice import Invoice
from meterline.core.ledger.entry import LedgerEntry
from meterline.core.lifecycle.account import Account
from meterline.core.usage import UsageBook


class Drafts(NamedTuple):
    """`invoices`: DRAFT, usage ones in final order, then scheduled ones by date. `entries`: their deductions."""

    invoices: tuple[Invoice, ...]
    entries: tuple[LedgerEntry, ...]


def drafts(account: Account, usage: Mapping[UUID, UsageBook], now: datetime) -> Drafts:
    """Return what stands at `now`. Everything due at `now` must have been done.

    `usage`: of each of `open_statements(account, now)`, by invoice id, cut by its plan's cuts.
    """
    raise NotImplementedError
