"""Which invoice collects what: charges with a date join a usage invoice, or are invoiced at their date.

A charge whose usage invoice is stored already, because it was added late, is invoiced at its date. What a stored
invoice bills is billed. Source: docs/decisions/0011-charges-beside-usage.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID, uuid5

from meterline.core.catalogue import Rate
from meterline.core.charges import (
    DatedCharge,
    DatedKind,
    SubscriptionCharge,
    commit_purchases,
    dated_charges,
    subscription_charges,
    unbilled,
)
from meterline.core.contract import Contract
from meterline.core.decimals import EXACT, ZERO
from meterline.core.invoice import Invoice, InvoiceType
from meterline.core.ledger.grant import GrantKind
from meterline.core.lifecycle.account import Account
from meterline.core.lifecycle.facts import Facts, bills
from meterline.core.lifecycle.spans import Span, price_at, price_list_of
from meterline.core.money import CreditType
from meterline.core.period import EPOCH, Period


class Collected(NamedTuple):
    """Charges that one usage invoice carries."""

    subscriptions: tuple[SubscriptionCharge, ...]
    dated: tuple[DatedCharge, ...]


def charges_on_statement(
    account: Account, facts: Facts, span: Span, stored: Invoice | None
) -> Collected:
    """Return what the usage invoice of `span` carries beside usage. `stored`: the one whose charges are its again."""
    contract, period = span.contract, span.period
    billed = facts.billed if stored is None else _without(facts.billed, stored)
    whole = contract.period_at(period.start) or period
    subscribed = _subscribed(account, contract, min(whole.start, period.start), period.end)
    return Collected(
        tuple(
            charge
            for charge in unbilled(subscribed, billed)
            if charge.statement is not None and charge.statement.end == period.end
        ),
        tuple(
            charge
            for charge in _dated(account, contract, period.end, period.end)
            if charge.id not in billed and _statement(account, contract, charge) is not None
        ),
    )


@dataclass(slots=True)
class DateInvoice:
    """What is invoiced at a date: `due`, on the invoice of `contract` (None: the customer's own)."""

    contract: Contract | None
    due: datetime
    credit_type: CreditType
    issued_at: datetime
    subscriptions: list[SubscriptionCharge] = field(default_factory=list)
    dated: list[DatedCharge] = field(default_factory=list)


def date_invoices(
    account: Account, facts: Facts, last_due: datetime, *, dated_until: datetime | None = None
) -> list[DateInvoice]:
    """Return what is to be invoiced at dates up to `last_due` and is on no stored invoice, by date.

    `dated_until`: how far to look for charges that have a date of their own; subscriptions may have no end.
    """
    found: dict[tuple[UUID | None, datetime, UUID], DateInvoice] = {}

    def invoice(
        contract: Contract | None, charge: SubscriptionCharge | DatedCharge, added: datetime | None
    ) -> DateInvoice:
        unit = _invoiced_in(account, contract, charge.credit_type)
        key = (contract.id if contract else None, charge.due, unit.id)
        issued_at = max(charge.due, added or charge.due)
        group = found.setdefault(key, DateInvoice(contract, charge.due, unit, issued_at))
        group.issued_at = max(group.issued_at, issued_at)
        return group

    created = {grant.id: grant.created_at for grant in account.grants}
    until = dated_until or last_due
    for contract in (*facts.contracts.values(), None):
        for dated in _dated(account, contract, EPOCH, until):
            if dated.id in facts.billed:
                continue
            joins = None if contract is None else _statement(account, contract, dated)
            if contract is None or joins is None or _is_closed(facts, contract, joins):
                added = created.get(dated.source_id, contract.created_at if contract else None)
                invoice(contract, dated, added).dated.append(dated)
        if contract is None:
            continue
        subscribed = _subscribed(account, contract, contract.starting_at, last_due)
        for charge in unbilled(subscribed, facts.billed):
            if charge.statement is None or _is_closed(facts, contract, charge.statement):
                added = charge.subscription.created_at or contract.created_at
                invoice(contract, charge, added).subscriptions.append(charge)
    return sorted(found.values(), key=lambda group: (group.due, group.credit_type.id.int))


def date_invoice_id(facts: Facts, customer_id: UUID, group: DateInvoice) -> UUID:
    """Return the id of a date's invoice: the same as long as none of its key is stored, then the next one."""
    contract_id = group.contract.id if group.contract else None
    earlier = sum(
        1
        for one in facts.invoices.values()
        if one.type is InvoiceType.SCHEDULED
        and (one.contract_id, one.start_timestamp, one.credit_type)
        == (contract_id, group.due, group.credit_type)
        and one.regenerated_from is None
        and not is_trueup(one)
    )
    name = f"scheduled-invoice/{group.due.isoformat()}/{group.credit_type.id}/{earlier}"
    return uuid5(contract_id or customer_id, name)


def is_trueup(invoice: Invoice) -> bool:
    """Whether an invoice bills the shortfall of a postpaid commit."""
    return invoice.type is InvoiceType.SCHEDULED and any(
        line.grant_kind is GrantKind.POSTPAID for line in invoice.line_items
    )


def charges_of(account: Account, facts: Facts, stored: Invoice) -> DateInvoice | None:
    """Return what a stored SCHEDULED invoice bills, as terms stand now; None where nothing of it is left."""
    wanted = {line.source_id for line in stored.line_items}
    facts_without = _without(facts.billed, stored)
    due = stored.start_timestamp
    contract = facts.contracts.get(stored.contract_id) if stored.contract_id else None
    if stored.contract_id is not None and contract is None:
        return None
    group = DateInvoice(contract, due, stored.credit_type, due)
    group.dated += [charge for charge in _dated(account, contract, due, due) if charge.id in wanted]
    if contract is not None:
        subscribed = _subscribed(account, contract, due, due)
        group.subscriptions += [
            charge for charge in unbilled(subscribed, facts_without) if charge.id in wanted
        ]
    return group if group.dated or group.subscriptions else None


def _without(billed: Mapping[UUID, Decimal], stored: Invoice) -> dict[UUID, Decimal]:
    """What invoices other than `stored` bill."""
    rest = dict(billed)
    for line in stored.line_items:
        if line.source_id is not None and bills(line):
            left = EXACT.subtract(rest.get(line.source_id, ZERO), line.quantity)
            if left:
                rest[line.source_id] = left
            else:
                rest.pop(line.source_id, None)
    return rest


def _subscribed(
    account: Account, contract: Contract, first_due: datetime, last_due: datetime
) -> list[SubscriptionCharge]:
    if not contract.subscriptions or contract.rate_card_id is None or first_due > last_due:
        return []
    price_list = price_list_of(account, contract)
    found: dict[tuple[UUID, str, datetime], Rate | None] = {}

    def at(product_id: UUID, frequency: str, instant: datetime) -> Rate | None:
        key = (product_id, frequency, instant)
        if key not in found:
            found[key] = price_at(contract, price_list, product_id, frequency, instant)
        return found[key]

    return subscription_charges(contract, at, first_due, last_due)


def _dated(
    account: Account, contract: Contract | None, first_due: datetime, last_due: datetime
) -> list[DatedCharge]:
    """The charges with a date of their own that are invoiced on `contract` (None: on the customer's own)."""
    found: list[DatedCharge] = []
    if contract is not None:
        renewed_at = renewal_of(account, contract)
        found += [
            charge
            for charge in dated_charges(contract, first_due, last_due)
            if renewed_at is None
            or charge.due < renewed_at
            or charge.kind is DatedKind.PROFESSIONAL_SERVICE
        ]
    contract_id = contract.id if contract else None
    for grant in account.grants:
        if (grant.contract_id or grant.invoice_contract_id) == contract_id:
            found += commit_purchases(grant, contract, first_due, last_due)
    return found


def conversions_of(account: Account, contract: Contract | None) -> dict[UUID, Decimal]:
    """Return what custom units are worth in the currency of the contract's card."""
    if contract is None or contract.rate_card_id is None:
        return {}
    return {
        one.custom_credit_type_id: one.fiat_per_custom_credit
        for one in price_list_of(account, contract).card.credit_type_conversions
    }


def _invoiced_in(account: Account, contract: Contract | None, unit: CreditType) -> CreditType:
    """The currency of an invoice with charges in `unit`: that of the card, if it can be converted."""
    if contract is None or unit.id not in conversions_of(account, contract):
        return unit
    return price_list_of(account, contract).card.fiat_credit_type


def renewal_of(account: Account, contract: Contract) -> datetime | None:
    """Return when another contract takes over from this one, None if none does."""
    starts = (
        one.starting_at
        for one in account.contracts
        if one.transition is not None
        and one.transition.from_contract_id == contract.id
        and one.archived_at is None
    )
    return min(starts, default=None)


def _statement(account: Account, contract: Contract, charge: DatedCharge) -> Period | None:
    """The usage statement that a dated charge joins: one in the same currency."""
    if charge.statement is None:
        return None
    fiat = price_list_of(account, contract).card.fiat_credit_type
    return charge.statement if charge.credit_type == fiat else None


def _is_closed(facts: Facts, contract: Contract, statement: Period) -> bool:
    closed_until = facts.closed_until.get(contract.id)
    return closed_until is not None and statement.end <= closed_until
