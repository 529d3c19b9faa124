"""Invoices and their lines as replies show them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from meterline.api.rate_shapes import TermsReply, terms_fields
from meterline.api.requests import Reply
from meterline.api.v1.rate_cards import CreditTypeRef, credit_type_ref
from meterline.core.catalogue import RateTerms
from meterline.core.invoice import Invoice, LineItem, LineType
from meterline.core.ledger.grant import GrantKind
from meterline.core.money import CreditType
from meterline.core.rating import TierPosition
from meterline.services.bearers import CustomFieldsOf

Fields = dict[str, str]


class TierReply(Reply):
    level: int
    starting_at: str
    size: str | None = None


class ListPriceReply(TermsReply, kw_only=True):
    credit_type: CreditTypeRef


class AppliedReply(Reply):
    id: UUID
    type: str
    access_type: str


class PostpaidCommitRef(Reply):
    id: UUID


class LineItemReply(Reply):
    id: UUID
    name: str
    type: str
    total: Decimal
    credit_type: CreditTypeRef
    quantity: Decimal
    unit_price: Decimal
    product_id: UUID | None = None
    product_type: str | None = None
    product_tags: list[str] | None = None
    product_custom_fields: Fields | None = None
    starting_at: datetime | None = None
    ending_before: datetime | None = None
    pricing_group_values: dict[str, str] | None = None
    presentation_group_values: dict[str, str | None] | None = None
    tier: TierReply | None = None
    list_price: ListPriceReply | None = None
    commit_id: UUID | None = None
    commit_segment_id: UUID | None = None
    commit_type: str | None = None
    commit_custom_fields: Fields | None = None
    applied_commit_or_credit: AppliedReply | None = None
    postpaid_commit: PostpaidCommitRef | None = None
    quantity_consumed: Decimal | None = None
    subscription_id: UUID | None = None
    scheduled_charge_id: UUID | None = None
    discount_id: UUID | None = None
    professional_service_id: UUID | None = None
    is_prorated: bool | None = None


class InvoiceDetail(Reply):
    id: UUID
    customer_id: UUID
    type: str
    status: str
    credit_type: CreditTypeRef
    line_items: list[LineItemReply]
    subtotal: Decimal
    total: Decimal
    start_timestamp: datetime
    end_timestamp: datetime
    invoice_adjustments: list[dict[str, Any]]
    billable_status: str
    customer_custom_fields: Fields
    contract_id: UUID | None = None
    contract_custom_fields: Fields | None = None
    issued_at: datetime | None = None
    net_payment_terms_days: int | None = None
    regenerated_from_invoice_id: UUID | None = None
    voided_at: datetime | None = None


class BreakdownDetail(InvoiceDetail, kw_only=True):
    breakdown_start_timestamp: datetime
    breakdown_end_timestamp: datetime


def invoice_fields(
    invoice: Invoice, custom_fields: CustomFieldsOf, skip_zero: bool = False
) -> dict[str, Any]:
    """The fields of `InvoiceDetail`; `skip_zero` leaves out lines of quantity 0."""
    contract_id = invoice.contract_id
    return {
        "id": invoice.id,
        "customer_id": invoice.customer_id,
        "customer_custom_fields": custom_fields(invoice.customer_id),
        "contract_id": contract_id,
        "contract_custom_fields": None if contract_id is None else custom_fields(contract_id),
        "type": invoice.type,
        "status": invoice.status,
        "credit_type": credit_type_ref(invoice.credit_type),
        "line_items": [
            line_item_reply(line, custom_fields)
            for line in invoice.line_items
            if line.quantity or not skip_zero
        ],
        "subtotal": invoice.subtotal,
        "total": invoice.total,
        "start_timestamp": invoice.start_timestamp,
        "end_timestamp": invoice.end_timestamp,
        "invoice_adjustments": [],
        "billable_status": "billable",
        "issued_at": invoice.issued_at,
        "net_payment_terms_days": invoice.net_payment_terms_days,
        "regenerated_from_invoice_id": invoice.regenerated_from,
        "voided_at": invoice.voided_at,
    }


def line_item_reply(line: LineItem, custom_fields: CustomFieldsOf) -> LineItemReply:
    """A line; `commit_id` and its like are of the commit or credit that paid it, or that it buys."""
    return LineItemReply(
        id=line.id,
        name=line.name,
        type=line.type,
        total=line.total,
        credit_type=credit_type_ref(line.credit_type),
        quantity=line.quantity,
        unit_price=line.unit_price,
        product_id=line.product_id,
        product_type=line.product_type,
        product_tags=None if line.product_id is None else list(line.product_tags),
        product_custom_fields=None if line.product_id is None else custom_fields(line.product_id),
        starting_at=line.starting_at,
        ending_before=line.ending_before,
        pricing_group_values=_present(line.pricing_group_values),
        presentation_group_values=None
        if line.presentation_group_values is None
        else dict(line.presentation_group_values),
        tier=None if line.tier is None else tier_reply(line.tier),
        list_price=None
        if line.list_price is None
        else _list_price(line.list_price, line.credit_type),
        subscription_id=line.subscription_id,
        scheduled_charge_id=line.scheduled_charge_id,
        discount_id=line.discount_id,
        professional_service_id=line.professional_service_id,
        is_prorated=line.is_prorated,
        quantity_consumed=line.quantity_consumed,
        **_commit_fields(line, custom_fields),
    )


def tier_reply(tier: TierPosition) -> TierReply:
    """A tier as the SDK reads it: bounds as text."""
    return TierReply(
        level=tier.level,
        starting_at=format(tier.starting_at, "f"),
        size=None if tier.size is None else format(tier.size, "f"),
    )


def _commit_fields(line: LineItem, custom_fields: CustomFieldsOf) -> dict[str, Any]:
    if line.grant_id is None:
        return {}
    postpaid, applied = line.grant_kind is GrantKind.POSTPAID, line.applied
    return {
        "commit_id": line.grant_id,
        "commit_segment_id": line.segment_id,
        "commit_type": "PostpaidCommit" if postpaid else "PrepaidCommit",
        "commit_custom_fields": custom_fields(line.grant_id),
        "applied_commit_or_credit": None
        if applied is None
        else AppliedReply(id=applied.id, type=applied.type, access_type=applied.access_type),
        "postpaid_commit": PostpaidCommitRef(id=line.grant_id)
        if postpaid and line.type is LineType.COMMIT_PURCHASE
        else None,
    }


@lru_cache(maxsize=1_000)  # thousands of lines have a few prices
def _list_price(terms: RateTerms, credit_type: CreditType) -> ListPriceReply:
    return ListPriceReply(credit_type=credit_type_ref(credit_type), **terms_fields(terms))


def _present(values: Mapping[str, str | None] | None) -> dict[str, str] | None:
    if values is None:
        return None
    return {name: value for name, value in values.items() if value is not None}
