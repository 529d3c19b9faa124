"""Invoices: what is owed for a billing period or a date, line by line."""

from meterline.core.invoice.document import (
    AppliedGrant,
    Invoice,
    InvoiceStatus,
    InvoiceType,
    LineItem,
    LineType,
)
from meterline.core.invoice.usage_invoice import draft_invoice, invoice_of

__all__ = [
    "AppliedGrant",
    "Invoice",
    "InvoiceStatus",
    "InvoiceType",
    "LineItem",
    "LineType",
    "draft_invoice",
    "invoice_of",
]
