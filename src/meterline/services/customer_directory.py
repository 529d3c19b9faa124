"""Finding customers by what an operator remembers of them."""

from __future__ import annotations

from meterline.services.paging import Page, PageRequest
from meterline.services.workspace import Workspace
from meterline.store import customer_directory as store
from meterline.store.database import Row


async def page(workspace: Workspace, text: str, request: PageRequest) -> Page[Row]:
    """Customers that are not archived, by name, whose name, alias or id contains `text`.

    Rows: customer_id, name, created_at, ingest_aliases. Raises Invalid for a bad cursor.
    """
    async with workspace.transaction() as connection:
        after_name, after_id = request.after_row(2)
        rows = await store.search(
            connection, text, after=(after_name, after_id), fetch=request.fetch
        )
    return request.page_of(rows, lambda row: (row["sort_name"], str(row["customer_id"])))
