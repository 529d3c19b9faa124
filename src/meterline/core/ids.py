"""Ids derived from what they stand for (UUID version 5), so that recomputing anything yields the
same id.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid5

# uuid5(NAMESPACE_DNS, "meterline"), spelled out because every derived id hangs on it for ever.
NAMESPACE = UUID("08da1ffb-382f-5b1b-9864-eb67f4753676")


def derived_id(kind: str, name: str) -> UUID:
    """Return the id of the thing of `kind` known by `name` in every installation."""
    return uuid5(NAMESPACE, f"{kind}/{name}")


def usage_invoice_id(contract_id: UUID, period_start: datetime) -> UUID:
    """Return the id of the usage invoice of a contract's billing period, draft and final alike."""
    return uuid5(contract_id, f"usage-invoice/{period_start.isoformat()}")
