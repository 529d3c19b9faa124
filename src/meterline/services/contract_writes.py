"""What every change of a contract does before and after it.

Whoever changes a contract holds the customer's books from before anything of his is read until the end, so that two
changes at once come one after the other, each seeing the other's outcome.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from meterline.core.contract import UsageFilter, usage_filter_issues
from meterline.core.errors import Invalid, require
from meterline.core.ledger.grant import Grant
from meterline.services import books, customers, products
from meterline.services.contract_parts import NewPart, PlannedGrant
from meterline.services.errors import NotFound
from meterline.services.workspace import Workspace
from meterline.store import contracts as store
from meterline.store import grants as grant_store
from meterline.store import touches
from meterline.store.database import Connection, Row


async def hold(workspace: Workspace, connection: Connection, customer_id: UUID) -> None:
    """Hold a customer's books and do what was due, so that it falls under the terms as they were. Raises NotFound."""
    await customers.require(connection, customer_id)
    await books.lock(connection, customer_id)
    await books.settle(connection, workspace.environment_id, [customer_id], workspace.now)


async def finish(workspace: Workspace, connection: Connection, customer_id: UUID) -> None:
    """After a change of terms: have the customer rated again, and do what the change made due at once."""
    await touches.customers(connection, [customer_id])
    await books.settle(connection, workspace.environment_id, [customer_id], workspace.now)


async def add_grants(
    workspace: Workspace,
    connection: Connection,
    grants: Iterable[tuple[NewPart[PlannedGrant], Grant]],
) -> None:
    """Store new commits and credits of a contract."""
    for part, grant in grants:
        extras = grant_store.GrantExtras(
            workspace.actor, shown=part.shown, custom_fields=part.custom_fields
        )
        added = await grant_store.insert(connection, grant, extras)
        assert added, "its id is new"


async def require_group_key(
    connection: Connection, rate_card_id: UUID | None, usage_filter: UsageFilter
) -> None:
    """Raise Invalid where nothing the card sells is counted by the filter's property."""
    if rate_card_id is not None:
        counted = await products.metrics_sold(connection, rate_card_id)
        require(usage_filter_issues(usage_filter, counted))


async def locked(
    connection: Connection, contract_id: UUID, customer_id: UUID, *, archived_too: bool = False
) -> Row:
    """The row of a customer's contract, held. Raises NotFound; Invalid where it is archived."""
    row = await store.lock(connection, contract_id, customer_id)
    if row is None:
        raise NotFound("contract", contract_id)
    if row["archived_at"] is not None and not archived_too:
        raise Invalid("contract_id", "the contract is archived")
    return row
