"""The invoice of a date: purchases of commits, scheduled charges, discounts, services, subscriptions, true-ups.

One a contract (or customer), date and credit type; what is added to a date that was invoiced already comes on a further
one. Grants do not pay for what is on it: it is due at its date, before the usage invoices that grants are kept for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid5

from meterline.core.charges import DatedCharge, SubscriptionCharge
from meterline.core.charges.dated import DatedKind
from meterline.core.decimals import ONE, plain
from meterline.core.invoice.conversion import undrawn_conversion_lines
from meterline.core.invoice.document import (
    Invoice,
    InvoiceStatus,
    InvoiceType,
    LineItem,
    LineType,
)
from meterline.core.invoice.lines import Settled, due, lines_of_run
from meterline.core.invoice.subjects import Products, subscription_subject
from meterline.core.ledger.grant import Grant, GrantKind
from meterline.core.money import CreditType

FIXED = "FixedProductListItem"


@dataclass(frozen=True, slots=True)
class ScheduledTerms:
    """What the invoice of a date is made from. `contract_id` None: an invoice of the customer's own.

    `trueup`: a postpaid commit's shortfall, which has an invoice of its own. `conversions`: what a custom unit is
    worth in `credit_type`.
    """

    invoice_id: UUID
    customer_id: UUID
    contract_id: UUID | None
    credit_type: CreditType
    at: datetime
    products: Products
    dated: Sequence[DatedCharge] = ()
    subscriptions: Sequence[SubscriptionCharge] = ()
    trueup: tuple[Grant, UUID, Decimal] | None = None
    conversions: Mapping[UUID, Decimal] = field(default_factory=dict, kw_only=True)
    net_payment_terms_days: int | None = field(default=None, kw_only=True)


def scheduled_invoice(terms: ScheduledTerms) -> Invoice:
    """Return the DRAFT of a date's invoice: charges and discounts, then subscriptions, then the true-up."""
    lines = [dated_line(terms.invoice_id, charge, terms.products) for charge in terms.dated]
    for charge in terms.subscriptions:
        lines += lines_of_run(
            terms.invoice_id,
            subscription_subject(terms.products, charge),
            [Settled(charge.service_period, (), charge.pieces)],
        )
    if terms.trueup is not None:
        lines.append(_trueup_line(terms, *terms.trueup))
    lines += undrawn_conversion_lines(terms.invoice_id, lines, terms.credit_type, terms.conversions)
    owed = due(lines, terms.credit_type)
    return Invoice(
        id=terms.invoice_id,
        customer_id=terms.customer_id,
        contract_id=terms.contract_id,
        type=InvoiceType.SCHEDULED,
        status=InvoiceStatus.DRAFT,
        credit_type=terms.credit_type,
        line_items=tuple(lines),
        subtotal=owed,
        total=owed,
        start_timestamp=terms.at,
        end_timestamp=terms.at,
        net_payment_terms_days=terms.net_payment_terms_days,
    )


def dated_line(invoice_id: UUID, charge: DatedCharge, products: Products) -> LineItem:
    """Return the line of a schedule item."""
    version = products[charge.product_id].at(charge.due)
    is_purchase = charge.kind is DatedKind.COMMIT_PURCHASE
    return LineItem(
        uuid5(invoice_id, f"dated/{charge.id}"),
        LineType.COMMIT_PURCHASE if is_purchase else LineType.SCHEDULED,
        charge.name or version.name,
        charge.credit_type,
        plain(charge.quantity),
        plain(charge.unit_price),
        plain(charge.amount),
        charge.product_id,
        FIXED,
        version.tags,
        charge.due,
        grant_id=charge.source_id if is_purchase else None,
        grant_kind=GrantKind.PREPAID if is_purchase else None,
        scheduled_charge_id=_source(charge, DatedKind.SCHEDULED_CHARGE),
        discount_id=_source(charge, DatedKind.DISCOUNT),
        professional_service_id=_source(charge, DatedKind.PROFESSIONAL_SERVICE),
        source_id=charge.id,
    )


def _source(charge: DatedCharge, kind: DatedKind) -> UUID | None:
    return charge.source_id if charge.kind is kind else None


def _trueup_line(
    terms: ScheduledTerms, grant: Grant, source_id: UUID, shortfall: Decimal
) -> LineItem:
    version = terms.products[grant.product_id].at(terms.at)
    return LineItem(
        uuid5(terms.invoice_id, f"trueup/{grant.id}"),
        LineType.COMMIT_PURCHASE,
        grant.name or version.name,
        terms.credit_type,
        ONE,
        plain(shortfall),
        plain(shortfall),
        grant.product_id,
        FIXED,
        version.tags,
        terms.at,
        grant_id=grant.id,
        grant_kind=GrantKind.POSTPAID,
        source_id=source_id,
    )
