"""Balances of commits and credits.

None can be given yet: what would make one is refused. So every list is empty and every balance is zero, which is what
a customer without commits and credits has.
"""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from meterline.core.errors import Invalid
from meterline.core.money import USD_CENTS
from meterline.services import credit_types, customers
from meterline.services.paging import Page, PageRequest
from meterline.services.workspace import Workspace
from meterline.store.database import Row


async def page(workspace: Workspace, customer_id: UUID, request: PageRequest) -> Page[Row]:
    """A customer's commits and credits. Raises Invalid for a cursor, NotFound for the customer."""
    if request.after is not None:
        raise Invalid("next_page", "is not a cursor of this list")
    async with workspace.transaction() as connection:
        await customers.require(connection, customer_id)
    return Page([], None)


async def net(
    workspace: Workspace, customer_id: UUID, credit_type_id: UUID | None
) -> tuple[Decimal, UUID]:
    """The balance a customer can spend, and its credit type (None: US cents).

    Raises NotFound for the customer, Invalid for an unknown credit type.
    """
    wanted = credit_type_id or USD_CENTS.id
    async with workspace.transaction() as connection:
        await customers.require(connection, customer_id)
        if not await credit_types.load(connection, [wanted]):
            raise Invalid("credit_type_id", "names no credit type")
    return Decimal(0), wanted


async def net_quantity(workspace: Workspace, customer_id: UUID) -> Decimal:
    """The units a customer can use. Raises NotFound."""
    async with workspace.transaction() as connection:
        await customers.require(connection, customer_id)
    return Decimal(0)
