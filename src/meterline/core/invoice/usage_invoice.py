"""The usage invoice of a billing period: usage, subscriptions and composites, paid by grants as far as they go.

Made from equal terms, usage and balances it is equal, id and all. Grants pay class by class (usage, subscriptions,
composites), then for the currency that usage in a custom unit is converted to. Composites count list prices, so they
need no look at what grants paid. Without grants the lines are just the charges of the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

from meterline.core.catalogue import Product
from meterline.core.charges import (
    CompositePlan,
    DatedCharge,
    Spend,
    SubscriptionCharge,
    composite_charges,
)
from meterline.core.contract import Contract
from meterline.core.decimals import total
from meterline.core.ids import usage_invoice_id
from meterline.core.invoice.conversion import conversion_lines
from meterline.core.invoice.document import Invoice, InvoiceStatus, InvoiceType
from meterline.core.invoice.drawing import Drawing
from meterline.core.invoice.lines import due
from meterline.core.invoice.scheduled_invoice import dated_line
from meterline.core.invoice.subjects import subscription_chargeable, subscription_subject
from meterline.core.ledger.drawing import deduction_entries
from meterline.core.ledger.entry import LedgerEntry
from meterline.core.ledger.pool import EMPTY, Pool
from meterline.core.rating.charges import Move, moves
from meterline.core.rating.plan import RatePlan
from meterline.core.usage import UsageBook


@dataclass(frozen=True, slots=True)
class UsageTerms:
    """What a usage invoice is made from, beside usage and balances.

    `plan`: compiled for the contract's prices and filters and the period, cut where grants that reach it begin or end.
    `composites`: of the same period, cut likewise. `subscriptions` and `dated`: the charges the invoice carries.
    `products`: those they name.
    """

    contract: Contract
    plan: RatePlan
    composites: CompositePlan | None = None
    subscriptions: Sequence[SubscriptionCharge] = ()
    dated: Sequence[DatedCharge] = ()
    products: Mapping[UUID, Product] = field(default_factory=dict)


class Drafted(NamedTuple):
    """A draft, the deductions that would come with it, and the pool it leaves."""

    invoice: Invoice
    entries: tuple[LedgerEntry, ...]
    pool: Pool


def draft_invoice(
    contract: Contract, plan: RatePlan, usage: UsageBook, *, now: datetime
) -> Invoice:
    """Return the usage invoice of `plan`'s period as it stands at `now`, of usage alone and without grants.

    `plan`: compiled for this contract's rate card, usage filters and billing period. `usage`: the contract's
    customer's, cut as `plan.metrics` says.
    """
    return usage_invoice(UsageTerms(contract, plan), usage, EMPTY, now=now).invoice


def usage_invoice(
    terms: UsageTerms,
    usage: UsageBook,
    pool: Pool,
    *,
    now: datetime,
    invoice_id: UUID | None = None,
) -> Drafted:
    """Return the DRAFT of the plan's period at `now`, drawn on `pool`.

    Stretches that have not begun at `now` show no line unless they have usage. `invoice_id`: of an invoice made anew;
    None: the one of contract and period.
    """
    contract, plan, products = terms.contract, terms.plan, terms.products
    drawing = Drawing(invoice_id or usage_invoice_id(contract.id, plan.period.start), pool)
    lines = drawing.usage_lines(moves(plan, usage), now)
    lines += drawing.lines(
        terms.subscriptions,
        partial(subscription_chargeable, products),
        partial(subscription_subject, products),
    )
    if terms.composites is not None and terms.composites.composites:
        charged = composite_charges(terms.composites, spend_of(moves(plan, usage), terms))
        lines += drawing.composite_lines(charged)
    lines += conversion_lines(plan, lines, drawing)
    lines += [dated_line(drawing.invoice_id, charge, products) for charge in terms.dated]
    owed = due(lines, plan.fiat_credit_type)
    invoice = Invoice(
        id=drawing.invoice_id,
        customer_id=contract.customer_id,
        contract_id=contract.id,
        type=InvoiceType.USAGE,
        status=InvoiceStatus.DRAFT,
        credit_type=plan.fiat_credit_type,
        line_items=tuple(lines),
        subtotal=owed,
        total=owed,
        start_timestamp=plan.period.start,
        end_timestamp=plan.period.end,
        net_payment_terms_days=contract.net_payment_terms_days,
    )
    entries = deduction_entries(
        drawing.drawn, invoice_id=invoice.id, contract_id=contract.id, at=plan.period.end
    )
    return Drafted(invoice, tuple(entries), drawing.pool)


def spend_of(moved: Iterable[Move], terms: UsageTerms) -> list[Spend]:
    """Return what composites may count: usage and subscriptions, at what they cost before grants."""
    spend = [
        Spend(
            move.product.id,
            move.product.tags,
            move.segment.rate.credit_type,
            move.segment.period.start,
            total(
                piece.amount
                for piece in move.segment.list_model(move.values).pieces(move.before, move.after)
            ),
        )
        for move in moved
    ]
    for charge in terms.subscriptions:
        version = terms.products[charge.subscription.product_id].at(charge.service_period.start)
        spend.append(
            Spend(
                charge.subscription.product_id,
                version.tags,
                charge.credit_type,
                charge.service_period.start,
                charge.amount,
            )
        )
    return spend
