"""Custom fields of whatever an invoice names: its customer, contract, products and grants."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

from meterline.core.invoice import Invoice
from meterline.services.workspace import Workspace
from meterline.store import invoices as store

CustomFieldsOf = Callable[[UUID], dict[str, str]]
"""The custom fields of the thing of an id; none: an empty dict."""


async def custom_fields_of(workspace: Workspace, invoices: Iterable[Invoice]) -> CustomFieldsOf:
    """Read the custom fields of everything that these invoices name."""
    named: set[UUID] = set()
    for invoice in invoices:
        named.add(invoice.customer_id)
        if invoice.contract_id is not None:
            named.add(invoice.contract_id)
        for line in invoice.line_items:
            named.update(one for one in (line.product_id, line.grant_id) if one is not None)
    async with workspace.transaction() as connection:
        found = await store.custom_fields_of(connection, list(named))
    return lambda identity: found.get(identity, {})
