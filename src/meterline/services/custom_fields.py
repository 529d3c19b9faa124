"""Custom fields: texts of the caller's on what is stored, under keys declared for each kind of entity.

A key may allow each value once; archived entities keep theirs, as customers keep their aliases. Values given when an
entity is made need no declared key, and such a value counts once a key of that name is declared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from uuid import UUID

from meterline.core.errors import Invalid
from meterline.services.errors import Conflict, NotFound
from meterline.services.paging import Page, PageRequest
from meterline.services.workspace import Workspace
from meterline.store import custom_fields as store
from meterline.store.database import Connection, Row


class Entity(StrEnum):
    """What keys can be declared for. Not all of it is stored yet."""

    ALERT = "alert"
    BILLABLE_METRIC = "billable_metric"
    CHARGE = "charge"
    COMMIT = "commit"
    CONTRACT_CREDIT = "contract_credit"
    CONTRACT_PRODUCT = "contract_product"
    CONTRACT = "contract"
    CREDIT_GRANT = "credit_grant"
    CUSTOMER_PLAN = "customer_plan"
    CUSTOMER = "customer"
    DISCOUNT = "discount"
    INVOICE = "invoice"
    PLAN = "plan"
    PROFESSIONAL_SERVICE = "professional_service"
    PRODUCT = "product"
    RATE_CARD = "rate_card"
    SCHEDULED_CHARGE = "scheduled_charge"
    SUBSCRIPTION = "subscription"
    PACKAGE_COMMIT = "package_commit"
    PACKAGE_CREDIT = "package_credit"
    PACKAGE_SUBSCRIPTION = "package_subscription"
    PACKAGE_SCHEDULED_CHARGE = "package_scheduled_charge"

    @property
    def bearer(self) -> str:
        """What bears the fields: products of contracts are the only products there are."""
        return (Entity.PRODUCT if self is Entity.CONTRACT_PRODUCT else self).value


async def add_key(
    workspace: Workspace, entity: Entity, key: str, *, enforce_uniqueness: bool
) -> None:
    """Declare a key. Raises Conflict when it is, or when it is to be unique and values repeat."""
    async with workspace.transaction() as connection:
        await store.lock(connection)
        added = await store.insert_key(
            connection,
            entity.bearer,
            key,
            entity=entity.value,
            unique=enforce_uniqueness,
            now=workspace.now,
        )
        if not added:
            raise Conflict(f"key: {key!r} is a key of {entity} already")
        if enforce_uniqueness and store.is_stored(entity.bearer):
            unique = await store.take_given_values(connection, entity.bearer, key)
            if not unique:
                raise Conflict(f"enforce_uniqueness: a value of {key!r} is given more than once")


async def remove_key(workspace: Workspace, entity: Entity, key: str) -> None:
    """Take a key back, and its values with it. Raises NotFound."""
    async with workspace.transaction() as connection:
        await store.lock(connection)
        if not await store.delete_key(connection, entity.bearer, key):
            raise NotFound(f"custom field key of {entity}", key)
        if store.is_stored(entity.bearer):
            await store.drop_key_from_all(connection, entity.bearer, key)


async def page_of_keys(
    workspace: Workspace, entities: Sequence[Entity] | None, request: PageRequest
) -> Page[Row]:
    """The declared keys by age; `entities` None shows those of all."""
    bearers = None if entities is None else [entity.bearer for entity in entities]
    async with workspace.transaction() as connection:
        rows = await store.select_page(
            connection, bearers=bearers, after=request.after_row(3), fetch=request.fetch
        )
    return request.page_of(
        rows, lambda row: (row["created_at"].isoformat(), row["bearer"], row["key"])
    )


async def set_values(
    workspace: Workspace, entity: Entity, entity_id: UUID, values: Mapping[str, str]
) -> None:
    """Set all of `values` or none; others stay. Raises Invalid, NotFound, Conflict."""
    bearer = _bearer(entity, entity_id)
    async with workspace.transaction() as connection:
        await store.share(connection)
        declared = await store.declared_keys(connection, bearer, list(values))
        for key in values:
            if key not in declared:
                raise Invalid(f"custom_fields.{key}", f"is not a declared key of {entity}")
        await _take(connection, bearer, entity_id, values)
        if not await store.merge_values(connection, bearer, entity_id, values, workspace.now):
            raise NotFound(entity.value, entity_id)


async def delete_values(
    workspace: Workspace, entity: Entity, entity_id: UUID, keys: Sequence[str]
) -> None:
    """Take values away; keys without one are passed over. Raises Invalid, NotFound."""
    bearer = _bearer(entity, entity_id)
    async with workspace.transaction() as connection:
        await store.share(connection)
        unique = await store.lock_unique_keys(connection, bearer, keys)
        await store.release_unique_values(connection, bearer, entity_id, unique)
        if not await store.drop_values(connection, bearer, entity_id, keys, workspace.now):
            raise NotFound(entity.value, entity_id)


async def claim(
    connection: Connection, entity: Entity, entity_id: UUID, values: Mapping[str, str]
) -> None:
    """Take the unique values of an entity about to be made. Raises Conflict.

    To be called before anything that locks rows, the entity's own included.
    """
    if values:
        await store.share(connection)
        await _take(connection, entity.bearer, entity_id, values)


async def _take(
    connection: Connection, bearer: str, entity_id: UUID, values: Mapping[str, str]
) -> None:
    unique = await store.lock_unique_keys(connection, bearer, list(values))
    wanted = {key: values[key] for key in unique}
    if not wanted:
        return
    taken = await store.replace_unique_values(connection, bearer, entity_id, wanted)
    for key, value in wanted.items():
        if key not in taken:
            raise Conflict(f"custom_fields.{key}: {value!r} is in use, and values are unique")


def _bearer(entity: Entity, entity_id: UUID) -> str:
    """Where the entity's fields are kept. What is not stored has none of any id."""
    if entity is Entity.INVOICE:
        raise Invalid("entity", "custom fields of invoices are not supported yet")
    if not store.is_stored(entity.bearer):
        raise NotFound(entity.value, entity_id)
    return entity.bearer
