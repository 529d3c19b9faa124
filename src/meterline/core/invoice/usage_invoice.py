"""Invoices and their lines, and how the draft of a billing period is made from usage.

A draft is a function of contract, prices and usage: made twice it is equal, id and all. Amounts are
exact and not rounded. Lines stay in their rate's credit type; usage in a custom unit that the card
converts is followed by two conversion lines, which take the unit's total off and put its worth in
the invoice's own currency on. `total` counts lines in that currency only.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid5

from meterline.core.contract import Contract
from meterline.core.decimals import EXACT, ONE, plain, total
from meterline.core.ids import usage_invoice_id
from meterline.core.invoice.document import Invoice, InvoiceStatus, InvoiceType, LineItem, LineType
from meterline.core.money import CreditType
from meterline.core.rating.charges import Charge, charges
from meterline.core.rating.plan import RatePlan
from meterline.core.usage import UsageBook


def draft_invoice(
    contract: Contract, plan: RatePlan, usage: UsageBook, *, now: datetime
) -> Invoice:
    """Return the usage invoice of `plan`'s period as it stands at `now`.

    `plan`: compiled for this contract's rate card, usage filters and billing period. `usage`: the
    contract's customer's, cut as `plan.metrics` says. Stretches that have not begun at `now` show
    no line unless they have usage.
    """
    return invoice_of(contract, plan, charges(plan, usage), now=now)


def invoice_of(
    contract: Contract, plan: RatePlan, charged: Iterable[Charge], *, now: datetime
) -> Invoice:
    """Return the invoice that has just these charges of `plan`, all or some, in their order."""
    invoice_id = usage_invoice_id(contract.id, plan.period.start)
    lines = [
        _usage_line(invoice_id, charge)
        for charge in charged
        if charge.piece.quantity or charge.segment.period.start <= now
    ]
    lines += _conversion_lines(invoice_id, plan, lines)
    due = plain(total(line.total for line in lines if line.credit_type == plan.fiat_credit_type))
    return Invoice(
        id=invoice_id,
        customer_id=contract.customer_id,
        contract_id=contract.id,
        type=InvoiceType.USAGE,
        status=InvoiceStatus.DRAFT,
        credit_type=plan.fiat_credit_type,
        line_items=tuple(lines),
        subtotal=due,
        total=due,
        start_timestamp=plan.period.start,
        end_timestamp=plan.period.end,
        net_payment_terms_days=contract.net_payment_terms_days,
    )


def _usage_line(invoice_id: UUID, charge: Charge) -> LineItem:
    product, grouping, segment, values, piece = charge
    pricing, presentation = grouping.pricing_key, grouping.presentation_key
    level = 0 if piece.tier is None else piece.tier.level
    return LineItem(
        uuid5(invoice_id, f"{product.id}/{values}/{segment.period.start.isoformat()}/{level}"),
        LineType.USAGE,
        product.name,
        segment.rate.credit_type,
        plain(piece.quantity),
        plain(piece.unit_price),
        plain(piece.amount),
        product.id,
        "UsageProductListItem",
        product.tags,
        segment.period.start,
        segment.period.end,
        dict(zip(pricing, values, strict=False)) if pricing else None,
        dict(zip(presentation, values[len(pricing) :], strict=True)) if presentation else None,
        piece.tier,
    )


def _conversion_lines(invoice_id: UUID, plan: RatePlan, lines: list[LineItem]) -> list[LineItem]:
    """For each custom unit with a price in the card's currency and a total: that total off, and its
    worth on.
    """
    found = []
    for credit_type in dict.fromkeys(line.credit_type for line in lines):
        price = plan.conversions.get(credit_type.id)
        if price is None:
            continue
        owed = total(line.total for line in lines if line.credit_type == credit_type)
        if owed:
            name = f"{credit_type.name} to {plan.fiat_credit_type.name}"
            found += [
                _conversion_line(invoice_id, name, credit_type, owed.copy_negate(), ONE),
                _conversion_line(invoice_id, name, plan.fiat_credit_type, owed, price),
            ]
    return found


def _conversion_line(
    invoice_id: UUID, name: str, credit_type: CreditType, quantity: Decimal, unit_price: Decimal
) -> LineItem:
    return LineItem(
        uuid5(invoice_id, f"conversion/{name}/{credit_type.id}"),
        LineType.CPU_CONVERSION,
        name,
        credit_type,
        plain(quantity),
        plain(unit_price),
        plain(EXACT.multiply(quantity, unit_price)),
    )
