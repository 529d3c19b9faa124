"""/v1/contract-pricing/products: what is sold."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from meterline.api.requests import (
    Body,
    CustomFields,
    IdReply,
    Instant,
    Limit,
    NextPage,
    Reply,
    id_reply,
    instant,
    member,
    page_request,
)
from meterline.api.wire import Name, post
from meterline.core.catalogue import Operation, ProductType, RoundingMethod
from meterline.core.decimals import plain
from meterline.core.errors import Invalid
from meterline.services import products
from meterline.services.workspace import Workspace
from meterline.store.database import Row

PATH = "/v1/contract-pricing/products"


class ArchiveFilter(StrEnum):
    ARCHIVED = "ARCHIVED"
    NOT_ARCHIVED = "NOT_ARCHIVED"
    ALL = "ALL"


class Granularity(StrEnum):
    HOUR = "HOUR"
    SERVICE_PERIOD = "SERVICE_PERIOD"


class ConversionBody(Body):
    conversion_factor: Decimal
    operation: str
    name: str | None = None


class RoundingBody(Body):
    rounding_method: str
    decimal_places: Decimal


class ProductFields(Body):
    """What may change with time. Unset is left as it is; null takes the value away."""

    name: Name | UnsetType = UNSET
    billable_metric_id: UUID | UnsetType = UNSET
    composite_product_ids: list[UUID] | UnsetType = UNSET
    composite_tags: list[str] | UnsetType = UNSET
    exclude_free_usage: bool | UnsetType = UNSET
    include_composite_spend: bool | UnsetType = UNSET
    is_refundable: bool | UnsetType = UNSET
    netsuite_internal_item_id: str | UnsetType = UNSET
    netsuite_overage_item_id: str | UnsetType = UNSET
    presentation_group_key: list[str] | UnsetType = UNSET
    pricing_group_key: list[str] | UnsetType = UNSET
    quantity_conversion: ConversionBody | UnsetType | None = UNSET
    quantity_rounding: RoundingBody | UnsetType | None = UNSET
    sql_breakdown_granularity: str | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET


class CreateProduct(ProductFields, kw_only=True):
    name: Name
    type: str
    custom_fields: CustomFields | None = None


class UpdateProduct(ProductFields, kw_only=True):
    product_id: UUID
    starting_at: Instant


class GetProduct(Body):
    id: UUID


class ArchiveProduct(Body):
    product_id: UUID


class ListProducts(Body):
    archive_filter: str = "NOT_ARCHIVED"


class ConversionReply(Reply):
    conversion_factor: Decimal
    operation: str
    name: str | None = None


class RoundingReply(Reply):
    rounding_method: str
    decimal_places: int


class ProductUpdateReply(Reply):
    created_at: datetime
    created_by: str
    name: str | None = None
    starting_at: datetime | None = None
    billable_metric_id: UUID | None = None
    composite_product_ids: list[UUID] | None = None
    composite_tags: list[str] | None = None
    exclude_free_usage: bool | None = None
    include_composite_spend: bool | None = None
    is_refundable: bool | None = None
    netsuite_internal_item_id: str | None = None
    netsuite_overage_item_id: str | None = None
    presentation_group_key: list[str] | None = None
    pricing_group_key: list[str] | None = None
    quantity_conversion: ConversionReply | None = None
    quantity_rounding: RoundingReply | None = None
    tags: list[str] | None = None


class ProductState(ProductUpdateReply, kw_only=True):
    name: str


class ProductDetail(Reply):
    id: UUID
    type: str
    initial: ProductState
    current: ProductState
    updates: list[ProductUpdateReply]
    custom_fields: dict[str, str]
    archived_at: datetime | None = None


class ProductReply(Reply):
    data: ProductDetail


class ProductsReply(Reply):
    data: list[ProductDetail]
    next_page: str | None


@post(f"{PATH}/create")
async def create_product(workspace: Workspace, data: CreateProduct) -> IdReply:
    """Add a product."""
    name = "PRO_SERVICE" if data.type.upper() == "PROFESSIONAL_SERVICE" else data.type
    product_id = await products.create(
        workspace,
        product_type=member("type", ProductType, name),
        fields=_stored(data),
        custom_fields=data.custom_fields or {},
    )
    return id_reply(product_id)


@post(f"{PATH}/get", scope="read")
async def get_product(workspace: Workspace, data: GetProduct) -> ProductReply:
    """One product with its history."""
    row = await products.get(workspace, data.id)
    return ProductReply(data=_detail(row, workspace.now))


@post(f"{PATH}/update")
async def update_product(workspace: Workspace, data: UpdateProduct) -> IdReply:
    """Change a product from an hour on, which may be past."""
    await products.update(
        workspace,
        data.product_id,
        starting_at=instant("starting_at", data.starting_at),
        fields=_stored(data),
    )
    return id_reply(data.product_id)


@post(f"{PATH}/list", scope="read")
async def list_products(
    workspace: Workspace,
    data: ListProducts | None = None,
    limit: Limit = None,
    next_page: NextPage = None,
) -> ProductsReply:
    """Products, archived ones only on demand."""
    text = "NOT_ARCHIVED" if data is None else data.archive_filter
    wanted = member("archive_filter", ArchiveFilter, text)
    archived = None if wanted is ArchiveFilter.ALL else wanted is ArchiveFilter.ARCHIVED
    request = page_request("products", next_page, limit, archived)
    page = await products.page(workspace, request, archived=archived)
    rows = [_detail(row, workspace.now) for row in page.rows]
    return ProductsReply(data=rows, next_page=page.next_page)


@post(f"{PATH}/archive")
async def archive_product(workspace: Workspace, data: ArchiveProduct) -> IdReply:
    """Hide a product from lists and new rates."""
    await products.archive(workspace, data.product_id)
    return id_reply(data.product_id)


def _stored(data: ProductFields) -> dict[str, Any]:
    """The version fields that were sent, as they are stored: decimals and ids as text."""
    fields: dict[str, Any] = {}
    for name in ProductFields.__struct_fields__:
        value = getattr(data, name)
        if value is not UNSET:
            fields[name] = value
    _check_enums(fields)
    stored: dict[str, Any] = msgspec.to_builtins(fields)
    return stored


def _check_enums(fields: dict[str, Any]) -> None:
    if conversion := fields.get("quantity_conversion"):
        field = "quantity_conversion.operation"
        operation = member(field, Operation, conversion.operation)
        fields["quantity_conversion"] = msgspec.structs.replace(conversion, operation=operation)
    if rounding := fields.get("quantity_rounding"):
        method = member(
            "quantity_rounding.rounding_method", RoundingMethod, rounding.rounding_method
        )
        places = rounding.decimal_places
        if not places.is_finite() or not 0 <= places <= 100 or places != int(places):
            raise Invalid("quantity_rounding.decimal_places", "must be a whole number from 0")
        fields["quantity_rounding"] = {"rounding_method": method, "decimal_places": int(places)}
    if granularity := fields.get("sql_breakdown_granularity"):
        fields["sql_breakdown_granularity"] = member(
            "sql_breakdown_granularity", Granularity, granularity
        )


def _detail(row: Row, now: datetime) -> ProductDetail:
    first, *later = row["versions"]
    current = dict(first["fields"])
    shown = first
    for version in sorted(later, key=lambda one: one["starting_at"]):
        if version["starting_at"] <= now:
            current.update(version["fields"])
            shown = version
    return ProductDetail(
        id=row["product_id"],
        type=row["type"],
        initial=_state(ProductState, first, first["fields"]),
        current=_state(ProductState, shown, current),
        updates=[_state(ProductUpdateReply, one, one["fields"]) for one in later],
        custom_fields=row["custom_fields"],
        archived_at=row["archived_at"],
    )


def _state(kind: type[Any], version: dict[str, Any], fields: dict[str, Any]) -> Any:
    known = {name: value for name, value in fields.items() if name in kind.__struct_fields__}
    if conversion := known.get("quantity_conversion"):
        factor = plain(Decimal(conversion["conversion_factor"]))
        known["quantity_conversion"] = {**conversion, "conversion_factor": factor}
    stamps = {name: version[name] for name in ("created_at", "created_by", "starting_at")}
    return msgspec.convert({**known, **stamps}, kind)


routes = [create_product, get_product, update_product, list_products, archive_product]
