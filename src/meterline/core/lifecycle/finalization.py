"""Usage invoices become final, and drafts show them before: the same function, asked at two times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from meterline.core.invoice import InvoiceStatus, usage_invoice
from meterline.core.ledger.pool import Pool
from meterline.core.lifecycle.account import Account, Change
from meterline.core.lifecycle.facts import Facts
from meterline.core.lifecycle.spans import Span, open_spans
from meterline.core.lifecycle.statement import Statement
from meterline.core.usage import UsageBook


def spans_due(account: Account, facts: Facts) -> Iterator[Span]:
    """Yield the next statement of each contract to become final."""
    for contract in facts.contracts.values():
        span = next(open_spans(account, facts, contract), None)
        if span is not None:
            yield span


def finalized(account: Account, statement: Statement, usage: UsageBook, at: datetime) -> Change:
    """Return the FINALIZED invoice of `statement`, issued `at`, with what it draws."""
    pool = Pool.of(account.grants, account.entries, statement.contract)
    drafted = usage_invoice(
        statement.terms,
        usage,
        pool,
        now=statement.period.end,
        invoice_id=statement.invoice_id,
    )
    invoice = replace(drafted.invoice, status=InvoiceStatus.FINALIZED, issued_at=at)
    return Change(entries=drafted.entries, invoices=(invoice,))
