"""Corrections of final invoices: void gives back what the invoice drew, regenerate makes its successor.

An entry counts from its timestamp on, and a correction from when what it corrects does: so a balance at a past instant
is what it would have been, had the invoice been right at once. What was posted when is told by the order of posting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid5

from meterline.core.errors import Invalid
from meterline.core.invoice import Invoice, InvoiceStatus, InvoiceType
from meterline.core.ledger.applicability import reaches
from meterline.core.ledger.entry import EntryType, LedgerEntry
from meterline.core.ledger.posting import credited, expiration_reversal
from meterline.core.lifecycle.account import Account, Change, applied
from meterline.core.lifecycle.collection import charges_of, is_trueup
from meterline.core.lifecycle.facts import Facts
from meterline.core.lifecycle.finalization import finalized
from meterline.core.lifecycle.grants_end import shortfall_of
from meterline.core.lifecycle.issuing import drafted, final, regenerated_id, trued_up
from meterline.core.lifecycle.statement import Statement, statement_of
from meterline.core.usage import UsageBook


def void(account: Account, invoice_id: UUID, now: datetime) -> Change:
    """Return the invoice as VOID, and the entries that give back what it drew.

    Raises Invalid("id", ...) unless it is a FINALIZED invoice of the account.
    """
    invoice = _stored(account, invoice_id)
    if invoice.status is not InvoiceStatus.FINALIZED:
        raise Invalid("id", f"must be a FINALIZED invoice, this one is {invoice.status}")
    entries = []
    for entry in account.entries:
        if entry.invoice_id != invoice_id:
            continue
        if entry.type is EntryType.AUTOMATED_INVOICE_DEDUCTION:
            entries.append(credited(entry, at=entry.timestamp))
        elif entry.type is EntryType.TRUEUP:
            amount = entry.amount.copy_negate()
            entries.append(replace(entry, id=uuid5(entry.id, "void"), amount=amount))
    voided = replace(invoice, status=InvoiceStatus.VOID, voided_at=now)
    return Change(entries=tuple(entries), invoices=(voided,))


def regenerate(
    account: Account, invoice_id: UUID, usage: UsageBook | None, now: datetime
) -> Change:
    """Return a new FINALIZED invoice for a VOID one, from present terms, prices, usage and balances.

    `usage`: of `statement_of(account, invoice_id)`, None for a SCHEDULED invoice. Expirations that the void invoice's
    period had a part in are taken back first; what is left expires again with the next steps.
    Raises Invalid("id", ...) unless the invoice is VOID and has no successor yet, and something of it is left to bill.
    """
    facts = Facts.of(account)
    invoice = _stored(account, invoice_id)
    if not facts.is_pending(invoice):
        raise Invalid("id", "must be a VOID invoice that was not regenerated yet")
    if invoice.type is InvoiceType.USAGE:
        statement = statement_of(account, invoice_id)
        if statement is None or statement.contract.archived_at is not None:
            raise Invalid("id", "must be an invoice of a contract that is not archived")
        assert usage is not None, "a statement is rated from its usage"
        reversals = tuple(_reversals(account, facts, statement, invoice))
        change = _usage_anew(account, statement, usage, reversals, now)
    elif is_trueup(invoice):
        change = _trueup_anew(account, facts, invoice, now)
    else:
        group = charges_of(account, facts, invoice)
        if group is None:
            raise Invalid("id", "must have charges that are not archived or removed")
        anew = drafted(account, facts, group, invoice_id=regenerated_id(invoice_id))
        change = Change(invoices=(final(anew, now),))
    (made,) = change.invoices
    return replace(change, invoices=(replace(made, regenerated_from=invoice_id),))


def _stored(account: Account, invoice_id: UUID) -> Invoice:
    for invoice in account.invoices:
        if invoice.id == invoice_id:
            return invoice
    raise Invalid("id", "must be an invoice that was finalized")


def _usage_anew(
    account: Account,
    statement: Statement,
    usage: UsageBook,
    reversals: tuple[LedgerEntry, ...],
    now: datetime,
) -> Change:
    invoice_id = regenerated_id(statement.invoice_id)
    reopened = applied(account, Change(entries=reversals))
    change = finalized(reopened, replace(statement, invoice_id=invoice_id), usage, now)
    return replace(change, entries=(*reversals, *change.entries))


def _reversals(
    account: Account, facts: Facts, statement: Statement, invoice: Invoice
) -> Iterator[LedgerEntry]:
    """Take back the expirations of the segments that the void invoice's statement can draw on."""
    cause = regenerated_id(invoice.id)
    for grant in account.grants:
        if not reaches(grant, statement.contract):
            continue
        for segment in grant.segments:
            if facts.draws_on(invoice, segment):
                for expired in _standing(facts.entries.get(segment.id, ())):
                    yield expiration_reversal(expired, cause=cause, at=expired.timestamp)


def _standing(entries: Iterable[LedgerEntry]) -> list[LedgerEntry]:
    """The expirations of a segment that were not taken back: those since the last that was."""
    standing: list[LedgerEntry] = []
    for entry in entries:
        if entry.type is EntryType.EXPIRATION:
            standing = [*standing, entry] if entry.amount < 0 else []
    return standing


def _trueup_anew(account: Account, facts: Facts, invoice: Invoice, now: datetime) -> Change:
    """The shortfall as it is now, which may be none."""
    grants = {line.grant_id for line in invoice.line_items}
    grant = next((one for one in account.grants if one.id in grants), None)
    shortfall = grant and shortfall_of(facts, grant, at=now)
    if not shortfall:
        raise Invalid("id", "must be the true-up of a commit that is still short")
    return trued_up(account, shortfall, regenerated_from=invoice)
