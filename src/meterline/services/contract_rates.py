"""What a contract pays: the rates of its card."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from meterline.services import rates
from meterline.services.errors import NotFound
from meterline.services.paging import Page, PageRequest
from meterline.services.workspace import Workspace
from meterline.store import contracts as store


async def page(
    workspace: Workspace,
    contract_id: UUID,
    customer_id: UUID,
    *,
    at: datetime | None,
    selectors: Sequence[rates.RateSelector],
    request: PageRequest,
) -> tuple[Page[rates.RateRow], UUID | None]:
    """The entitled rates of a contract's card, at `at` or through its life; and the card's id."""
    async with workspace.transaction() as connection:
        row = await store.select(connection, contract_id, customer_id)
        if row is None:
            raise NotFound("contract", contract_id)
        contract = store.contract_of(row)
        if contract.rate_card_id is None:
            return Page([], None), None
        span = rates.Span(at or contract.starting_at, at or contract.ending_before)
        rows = await rates.rows_of_card(connection, contract.rate_card_id, selectors, span)
    entitled = [row for row in rows if row.rate.entitled]
    return rates.cut(entitled, request), contract.rate_card_id
