"""Invoices of dates: drafted from what is due at them, and final at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid5

from meterline.core.invoice import Invoice, InvoiceStatus
from meterline.core.invoice.scheduled_invoice import ScheduledTerms, scheduled_invoice
from meterline.core.ledger.posting import trueup
from meterline.core.lifecycle.account import Account, Change
from meterline.core.lifecycle.collection import (
    DateInvoice,
    conversions_of,
    date_invoice_id,
)
from meterline.core.lifecycle.facts import Facts
from meterline.core.lifecycle.grants_end import Shortfall


def drafted(
    account: Account, facts: Facts, group: DateInvoice, *, invoice_id: UUID | None = None
) -> Invoice:
    """Return the draft of a date's invoice. `invoice_id`: of one made anew."""
    contract = group.contract
    return scheduled_invoice(
        ScheduledTerms(
            invoice_id or date_invoice_id(facts, account.customer_id, group),
            account.customer_id,
            contract.id if contract else None,
            group.credit_type,
            group.due,
            account.products,
            group.dated,
            group.subscriptions,
            conversions=conversions_of(account, contract),
            net_payment_terms_days=contract.net_payment_terms_days if contract else None,
        )
    )


def issued(account: Account, facts: Facts, group: DateInvoice) -> Change:
    """Return the invoice of a date, final."""
    return Change(invoices=(final(drafted(account, facts, group), group.issued_at),))


def trued_up(
    account: Account, shortfall: Shortfall, *, regenerated_from: Invoice | None = None
) -> Change:
    """Return the invoice of a postpaid commit's shortfall, and the entry that leaves nothing of it.

    `regenerated_from`: the void invoice it stands in for.
    """
    grant, segment, contract = shortfall.grant, shortfall.segment, shortfall.contract
    assert grant.invoice is not None, "only what has a date of its own is trued up"
    if regenerated_from is None:
        invoice_id = uuid5(segment.id, f"trueup-invoice/{shortfall.earlier}")
    else:
        invoice_id = regenerated_id(regenerated_from.id)
    terms = ScheduledTerms(
        invoice_id,
        account.customer_id,
        contract.id if contract else None,
        grant.invoice.credit_type,
        shortfall.at,
        account.products,
        trueup=(grant, segment.id, shortfall.amount),
        net_payment_terms_days=contract.net_payment_terms_days if contract else None,
    )
    entry = trueup(
        grant,
        segment,
        shortfall.amount,
        invoice_id=invoice_id,
        contract_id=terms.contract_id,
        at=shortfall.at,
    )
    if shortfall.earlier:
        entry = replace(entry, id=uuid5(entry.id, str(shortfall.earlier)))
    return Change(entries=(entry,), invoices=(final(scheduled_invoice(terms), shortfall.at),))


def final(invoice: Invoice, at: datetime) -> Invoice:
    """Return a draft as issued `at`."""
    return replace(invoice, status=InvoiceStatus.FINALIZED, issued_at=at)


def regenerated_id(invoice_id: UUID) -> UUID:
    """Return the id of the invoice that stands in for a void one."""
    return uuid5(invoice_id, "regenerated")
