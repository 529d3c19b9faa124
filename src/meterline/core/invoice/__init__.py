"""Invoices: what is owed for a billing period or a date, line by line."""

from meterline.core.invoice.document import (
    AppliedGrant,
    Invoice,
    InvoiceStatus,
    InvoiceType,
    LineItem,
    LineType,
)
from meterline.core.invoice.usage_invoice import UsageTerms, draft_invoice, usage_invoice

__all__ = [
    "AppliedGrant",
    "Invoice",
    "InvoiceStatus",
    "InvoiceType",
    "LineItem",
    "LineType",
    "UsageTerms",
    "draft_invoice",
    "usage_invoice",
]
