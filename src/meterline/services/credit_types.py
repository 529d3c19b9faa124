"""Credit types: the currencies every environment has, and its own pricing units.

Lists show the currencies first, US cents before all, then the units by age.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from meterline.core.errors import Invalid
from meterline.core.money import FIAT, USD_CENTS, CreditType
from meterline.services.errors import Conflict, NotFound
from meterline.services.paging import Page, PageRequest
from meterline.services.workspace import Workspace
from meterline.store import credit_types as store
from meterline.store.database import Connection

CURRENCIES = {currency.id: currency for currency in (USD_CENTS, *FIAT)}


async def create(workspace: Workspace, name: str) -> UUID:
    """Add a pricing unit. Raises Conflict when the name is in use."""
    credit_type_id = workspace.new_id()
    taken = name in {currency.name for currency in CURRENCIES.values()}
    if not taken:
        async with workspace.transaction() as connection:
            taken = not await store.insert(connection, credit_type_id, name, workspace.now)
    if taken:
        raise Conflict(f"name: a credit type named {name!r} already exists")
    return credit_type_id


async def archive(workspace: Workspace, credit_type_id: UUID) -> None:
    """Hide a unit from lists; what is priced in it stays so. Raises NotFound, Invalid for a currency."""
    if credit_type_id in CURRENCIES:
        raise Invalid("id", "a currency cannot be archived")
    async with workspace.transaction() as connection:
        if not await store.archive(connection, credit_type_id, workspace.now):
            raise NotFound("credit type", credit_type_id)


async def page(workspace: Workspace, request: PageRequest) -> Page[CreditType]:
    """A page of every credit type that is not archived."""
    position, created_at, last_id = request.after_row(3)
    currencies = list(CURRENCIES.values())[int(position) if position is not None else 0 :]
    async with workspace.transaction() as connection:
        rows = await store.select_page(
            connection, (created_at or None, last_id or None), request.fetch
        )
    keyed = [
        (currency, (str(index), "", ""))
        for index, currency in enumerate(currencies, len(CURRENCIES) - len(currencies) + 1)
    ]
    keyed += [
        (
            CreditType(row["credit_type_id"], row["name"], False),
            (str(len(CURRENCIES)), row["created_at"].isoformat(), str(row["credit_type_id"])),
        )
        for row in rows
    ]
    shown = request.page_of(keyed[: request.fetch], lambda item: item[1])
    return Page([credit_type for credit_type, _ in shown.rows], shown.next_page)


async def load(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, CreditType]:
    """The credit types of these ids, archived ones too; unknown ids are left out."""
    wanted = set(ids)
    found = {one: CURRENCIES[one] for one in wanted & CURRENCIES.keys()}
    custom = list(wanted - CURRENCIES.keys())
    if custom:
        for row in await store.select(connection, custom):
            found[row["credit_type_id"]] = CreditType(row["credit_type_id"], row["name"], False)
    return found
