"""Customers and the names events call them by.

Aliases are unique in an environment, also among archived customers and against customers' ids: an event must never
belong to two. Replacing the list re-attributes past usage, because usage is filed under what the event said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from meterline.core.customer import INGEST_ALIAS_LENGTH_MAX
from meterline.core.errors import Invalid
from meterline.services.custom_fields import Entity, claim
from meterline.services.errors import Conflict, NotFound
from meterline.services.paging import Page, PageRequest, age_key
from meterline.services.workspace import Workspace
from meterline.store import customers as store
from meterline.store import touches
from meterline.store.database import Connection, Row

NAME_LENGTH_MAX = 160  # longer names are cut
ALIASES_MAX = 2000


@dataclass(frozen=True, slots=True)
class CustomerFilter:
    """Which customers a list shows; None does not restrict."""

    ids: list[UUID] | None = None
    ingest_alias: str | None = None
    salesforce_account_ids: list[str] | None = None
    archived: bool = False


async def create(
    workspace: Workspace, *, name: str, ingest_aliases: Sequence[str], custom_fields: dict[str, str]
) -> Row:
    """Add a customer. Raises Invalid, or Conflict when an alias or a unique value is in use."""
    customer_id = workspace.new_id()
    aliases = _checked_aliases(ingest_aliases)
    async with workspace.transaction() as connection:
        await claim(connection, Entity.CUSTOMER, customer_id, custom_fields)
        await store.insert(
            connection,
            customer_id,
            name=name[:NAME_LENGTH_MAX],
            custom_fields=custom_fields,
            now=workspace.now,
        )
        await _take_aliases(connection, customer_id, aliases)
        if aliases:
            await touches.customers(connection, [customer_id])
        return await _existing(connection, customer_id)


async def get(workspace: Workspace, customer_id: UUID) -> Row:
    """A customer with its aliases, archived or not. Raises NotFound."""
    async with workspace.transaction() as connection:
        return await _existing(connection, customer_id)


async def page(workspace: Workspace, wanted: CustomerFilter, request: PageRequest) -> Page[Row]:
    """Customers by age."""
    filters = {
        "archived": wanted.archived,
        "ids": wanted.ids,
        "alias": wanted.ingest_alias,
        "salesforce_ids": wanted.salesforce_account_ids,
    }
    async with workspace.transaction() as connection:
        rows = await store.select_page(
            connection, filters=filters, after=request.after_row(2), fetch=request.fetch
        )
    return request.page_of(rows, age_key("customer_id"))


async def set_ingest_aliases(
    workspace: Workspace, customer_id: UUID, ingest_aliases: Sequence[str]
) -> None:
    """Replace a customer's aliases. Raises Invalid, NotFound, Conflict."""
    aliases = _checked_aliases(ingest_aliases)
    async with workspace.transaction() as connection:
        if not await store.lock(connection, customer_id):
            raise NotFound("customer", customer_id)
        await _take_aliases(connection, customer_id, aliases)
        await touches.customers(connection, [customer_id])


async def set_name(workspace: Workspace, customer_id: UUID, name: str) -> Row:
    """Rename a customer. Raises NotFound."""
    async with workspace.transaction() as connection:
        cut = name[:NAME_LENGTH_MAX]
        if not await store.update_name(connection, customer_id, cut, workspace.now):
            raise NotFound("customer", customer_id)
        return await _existing(connection, customer_id)


async def update_config(workspace: Workspace, customer_id: UUID, changes: dict[str, Any]) -> None:
    """Merge settings into a customer's; None removes one. Raises NotFound."""
    async with workspace.transaction() as connection:
        if not await store.update_config(connection, customer_id, changes, workspace.now):
            raise NotFound("customer", customer_id)


async def archive(workspace: Workspace, customer_id: UUID) -> None:
    """Archive a customer; its aliases stay taken. Raises NotFound."""
    async with workspace.transaction() as connection:
        if not await store.archive(connection, customer_id, workspace.now):
            raise NotFound("customer", customer_id)


async def require(connection: Connection, customer_id: UUID) -> Row:
    """The customer, which must exist. Raises NotFound."""
    return await _existing(connection, customer_id)


async def load_customer_keys(
    connection: Connection, customer_ids: Iterable[UUID]
) -> dict[UUID, list[str]]:
    """The ingest keys of each customer: its id, then its aliases. Unknown ids are left out."""
    wanted = list(customer_ids)
    keys = {one: [str(one)] for one in await store.existing_ids(connection, wanted)}
    for row in await store.aliases_of(connection, wanted):
        if row["alias"] != str(row["customer_id"]):
            keys[row["customer_id"]].append(row["alias"])
    return keys


async def customers_of_keys(connection: Connection, keys: Iterable[str]) -> dict[str, UUID]:
    """The customer each ingest key names; keys that name none are left out."""
    wanted = list(keys)
    ids = {key: UUID(key) for key in wanted if _is_uuid_text(key)}
    known = await store.existing_ids(connection, list(ids.values()))
    owners = await store.alias_owners(connection, wanted)
    return owners | {key: one for key, one in ids.items() if one in known}


async def _existing(connection: Connection, customer_id: UUID) -> Row:
    row = await store.select(connection, customer_id)
    if row is None:
        raise NotFound("customer", customer_id)
    return row


async def _take_aliases(connection: Connection, customer_id: UUID, aliases: Sequence[str]) -> None:
    others = {one: UUID(one) for one in aliases if _is_uuid_text(one)}
    clashes = await store.existing_ids(connection, [*others.values()]) - {customer_id}
    taken, _ = await store.replace_aliases(connection, customer_id, aliases)
    refused = [alias for alias in aliases if alias not in taken or others.get(alias) in clashes]
    if refused:
        raise Conflict(f"ingest_aliases: {refused[0]!r} is in use by another customer")


def _checked_aliases(aliases: Sequence[str]) -> list[str]:
    """The aliases, each once. Raises Invalid."""
    if len(aliases) > ALIASES_MAX:
        raise Invalid("ingest_aliases", f"must hold at most {ALIASES_MAX} aliases")
    for index, alias in enumerate(aliases):
        if not 1 <= len(alias) <= INGEST_ALIAS_LENGTH_MAX:
            raise Invalid(
                f"ingest_aliases[{index}]", f"must have 1 to {INGEST_ALIAS_LENGTH_MAX} characters"
            )
    return list(dict.fromkeys(aliases))


def _is_uuid_text(key: str) -> bool:
    """Whether `key` is a UUID in the one spelling that ids have."""
    try:
        return str(UUID(key)) == key
    except ValueError:
        return False
