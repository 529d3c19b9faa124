"""/v1/customFields: declared keys, and values on customers, contracts, products, rate cards and billable metrics."""

from __future__ import annotations

from uuid import UUID

from meterline.api.requests import (
    Body,
    CustomFieldKey,
    CustomFields,
    Limit,
    NextPage,
    Reply,
    page_request,
)
from meterline.api.wire import post
from meterline.core.errors import Invalid
from meterline.services import custom_fields
from meterline.services.custom_fields import Entity
from meterline.services.workspace import Workspace


class OfEntity(Body):
    entity: str


class AddKey(OfEntity):
    key: CustomFieldKey
    enforce_uniqueness: bool


class RemoveKey(OfEntity):
    key: CustomFieldKey


class ListKeys(Body):
    entities: list[str] | None = None


class SetValues(OfEntity):
    entity_id: UUID
    custom_fields: CustomFields


class DeleteValues(OfEntity):
    entity_id: UUID
    keys: list[CustomFieldKey]


class KeyReply(Reply):
    entity: str
    key: str
    enforce_uniqueness: bool


class KeysReply(Reply):
    data: list[KeyReply]
    next_page: str | None


@post("/v1/customFields/addKey")
async def add_key(workspace: Workspace, data: AddKey) -> None:
    """Declare a key for an entity."""
    await custom_fields.add_key(
        workspace,
        _entity("entity", data.entity),
        data.key,
        enforce_uniqueness=data.enforce_uniqueness,
    )


@post("/v1/customFields/removeKey")
async def remove_key(workspace: Workspace, data: RemoveKey) -> None:
    """Take a key back; its values go with it."""
    await custom_fields.remove_key(workspace, _entity("entity", data.entity), data.key)


@post("/v1/customFields/listKeys", scope="read")
async def list_keys(
    workspace: Workspace,
    data: ListKeys,
    limit: Limit = None,
    next_page: NextPage = None,
) -> KeysReply:
    """The keys of some entities, or of all."""
    entities = None
    if data.entities is not None:
        entities = [_entity(f"entities[{at}]", one) for at, one in enumerate(data.entities)]
    request = page_request("custom-field-keys", next_page, limit, entities)
    page = await custom_fields.page_of_keys(workspace, entities, request)
    rows = [
        KeyReply(entity=row["entity"], key=row["key"], enforce_uniqueness=row["enforce_uniqueness"])
        for row in page.rows
    ]
    return KeysReply(data=rows, next_page=page.next_page)


@post("/v1/customFields/setValues")
async def set_values(workspace: Workspace, data: SetValues) -> None:
    """Set values of one entity; its other values stay."""
    entity = _entity("entity", data.entity)
    await custom_fields.set_values(workspace, entity, data.entity_id, data.custom_fields)


@post("/v1/customFields/deleteValues")
async def delete_values(workspace: Workspace, data: DeleteValues) -> None:
    """Take values away from one entity."""
    entity = _entity("entity", data.entity)
    await custom_fields.delete_values(workspace, entity, data.entity_id, data.keys)


def _entity(field: str, text: str) -> Entity:
    """The entity of a name, which is lower case also in replies."""
    try:
        return Entity(text.lower())
    except ValueError as error:
        raise Invalid(field, f"must be one of {', '.join(Entity)}") from error


routes = [add_key, remove_key, list_keys, set_values, delete_values]
