"""Drafts: the invoices to come as they stand, and the ledger entries that would come with them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from meterline.core.invoice import Invoice, usage_invoice
from meterline.core.ledger.entry import LedgerEntry
from meterline.core.ledger.pool import Pool
from meterline.core.lifecycle.account import Account
from meterline.core.lifecycle.collection import date_invoices
from meterline.core.lifecycle.facts import Facts
from meterline.core.lifecycle.issuing import drafted
from meterline.core.lifecycle.statement import open_statements
from meterline.core.usage import UsageBook


class Drafts(NamedTuple):
    """`invoices`: DRAFT, usage ones in final order, then scheduled ones by date. `entries`: their deductions."""

    invoices: tuple[Invoice, ...]
    entries: tuple[LedgerEntry, ...]


def drafts(account: Account, usage: Mapping[UUID, UsageBook], now: datetime) -> Drafts:
    """Return what stands at `now`. Everything due at `now` must have been done.

    `usage`: of each of `open_statements(account, now)`, by invoice id, cut by its plan's cuts. Statements draw on
    grants in final order, so that a draft becoming final changes no other. Scheduled ones are those of all dates to
    come that have a charge of their own; what a subscription charges then is on them, further ahead it is not shown.
    """
    invoices: list[Invoice] = []
    entries: list[LedgerEntry] = []
    for statement in open_statements(account, now):
        pool = Pool.of(account.grants, account.entries, statement.contract, pending=entries)
        found = usage_invoice(statement.terms, usage[statement.invoice_id], pool, now=now)
        invoices.append(found.invoice)
        entries += found.entries
    facts = Facts.of(account)
    for group in date_invoices(
        account, facts, now, dated_until=datetime.max.replace(tzinfo=now.tzinfo)
    ):
        invoices.append(drafted(account, facts, group))
    return Drafts(tuple(invoices), tuple(entries))
