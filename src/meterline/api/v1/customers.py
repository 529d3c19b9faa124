"""/v1/customers: who is billed, and what events call them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get
from msgspec import UNSET, UnsetType

from meterline.api.requests import (
    Body,
    CustomFields,
    IdReply,
    Limit,
    NextPage,
    Reply,
    comma_list,
    id_reply,
    page_request,
    path_id,
)
from meterline.api.v1.metrics import MetricsReply, metric_detail
from meterline.api.wire import Name, post
from meterline.core.errors import Invalid
from meterline.services import customers, metrics
from meterline.services.workspace import Workspace
from meterline.store.database import Row

FILTER_IDS_MAX = 100

# What a customer may be created with elsewhere and is not billed here yet.
_NOT_YET = (
    "billing_config",
    "customer_billing_provider_configurations",
    "customer_revenue_system_configurations",
)


class CreateCustomer(Body):
    name: Name
    ingest_aliases: list[str] | None = None
    external_id: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    custom_fields: CustomFields | None = None
    billing_config: msgspec.Raw | UnsetType = UNSET
    customer_billing_provider_configurations: msgspec.Raw | UnsetType = UNSET
    customer_revenue_system_configurations: msgspec.Raw | UnsetType = UNSET


class SetIngestAliases(Body):
    ingest_aliases: list[str]


class SetName(Body):
    name: Name


class UpdateConfig(Body):
    leave_stripe_invoices_in_draft: bool | UnsetType | None = UNSET
    salesforce_account_id: str | UnsetType | None = UNSET


class ArchiveCustomer(Body):
    id: UUID


class CustomerBase(Reply):
    id: UUID
    external_id: str
    ingest_aliases: list[str]
    name: str
    custom_fields: dict[str, str]


class CustomerConfig(Reply):
    salesforce_account_id: str | None = None


class CustomerDetail(CustomerBase, kw_only=True):
    created_at: datetime
    updated_at: datetime
    customer_config: CustomerConfig
    archived_at: datetime | None = None


class CustomerReply(Reply):
    data: CustomerBase


class CustomerDetailReply(Reply):
    data: CustomerDetail


class CustomersReply(Reply):
    data: list[CustomerDetail]
    next_page: str | None


@post("/v1/customers")
async def create_customer(workspace: Workspace, data: CreateCustomer) -> CustomerReply:
    """Add a customer."""
    for name in _NOT_YET:
        given = getattr(data, name)
        if given is not UNSET and bytes(given).strip() not in (b"null", b"[]"):
            raise Invalid(name, "is not supported yet")
    aliases = list(data.ingest_aliases or [])
    if data.external_id is not None and data.external_id not in aliases:
        aliases.insert(0, data.external_id)
    row = await customers.create(
        workspace, name=data.name, ingest_aliases=aliases, custom_fields=data.custom_fields or {}
    )
    return CustomerReply(data=_base(row))


@get("/v1/customers/{customer_id:str}")
async def get_customer(workspace: Workspace, customer_id: str) -> CustomerDetailReply:
    """One customer."""
    row = await customers.get(workspace, path_id("customer", customer_id))
    return CustomerDetailReply(data=_detail(row))


@get("/v1/customers")
async def list_customers(  # noqa: PLR0913, PLR0917  (query parameters)
    workspace: Workspace,
    limit: Limit = None,
    next_page: NextPage = None,
    ingest_alias: str | None = None,
    customer_ids: list[str] | None = None,
    salesforce_account_ids: list[str] | None = None,
    only_archived: bool = False,
) -> CustomersReply:
    """Customers, active ones unless `only_archived`."""
    ids = comma_list(customer_ids)
    accounts = comma_list(salesforce_account_ids)
    for field, given in (("customer_ids", ids), ("salesforce_account_ids", accounts)):
        if given is not None and len(given) > FILTER_IDS_MAX:
            raise Invalid(field, f"must hold at most {FILTER_IDS_MAX} ids")
    wanted = customers.CustomerFilter(
        ids=None if ids is None else [_query_id("customer_ids", one) for one in ids],
        ingest_alias=ingest_alias,
        salesforce_account_ids=accounts,
        archived=only_archived,
    )
    request = page_request("customers", next_page, limit, wanted)
    page = await customers.page(workspace, wanted, request)
    return CustomersReply(data=[_detail(row) for row in page.rows], next_page=page.next_page)


@post("/v1/customers/archive")
async def archive_customer(workspace: Workspace, data: ArchiveCustomer) -> IdReply:
    """Archive a customer; its aliases stay taken."""
    await customers.archive(workspace, data.id)
    return id_reply(data.id)


@post("/v1/customers/{customer_id:str}/setIngestAliases")
async def set_ingest_aliases(
    workspace: Workspace, customer_id: str, data: SetIngestAliases
) -> None:
    """Replace the aliases; events that carried one before are the customer's from now on."""
    identity = path_id("customer", customer_id)
    await customers.set_ingest_aliases(workspace, identity, data.ingest_aliases)


@post("/v1/customers/{customer_id:str}/setName")
async def set_name(workspace: Workspace, customer_id: str, data: SetName) -> CustomerReply:
    """Rename a customer."""
    row = await customers.set_name(workspace, path_id("customer", customer_id), data.name)
    return CustomerReply(data=_base(row))


@post("/v1/customers/{customer_id:str}/updateConfig")
async def update_config(workspace: Workspace, customer_id: str, data: UpdateConfig) -> None:
    """Change settings; null takes one away."""
    given = {name: getattr(data, name) for name in data.__struct_fields__}
    changes = {name: value for name, value in given.items() if value is not UNSET}
    await customers.update_config(workspace, path_id("customer", customer_id), changes)


@get("/v1/customers/{customer_id:str}/billable-metrics")
async def list_customer_metrics(
    workspace: Workspace,
    customer_id: str,
    limit: Limit = None,
    next_page: NextPage = None,
    include_archived: bool = False,
    on_current_plan: bool = False,
) -> MetricsReply:
    """The metrics that count the customer's events: all of the environment's."""
    if on_current_plan:
        raise Invalid("on_current_plan", "plans are not supported; contracts replace them")
    await customers.get(workspace, path_id("customer", customer_id))
    request = page_request("customer-metrics", next_page, limit, include_archived)
    page = await metrics.page(workspace, request, include_archived=include_archived)
    return MetricsReply(data=[metric_detail(row) for row in page.rows], next_page=page.next_page)


def _query_id(field: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Invalid(field, f"{text[:80]!r} is not an id") from error


def _base(row: Row) -> CustomerBase:
    aliases = row["ingest_aliases"]
    return CustomerBase(
        id=row["customer_id"],
        external_id=aliases[0] if aliases else str(row["customer_id"]),
        ingest_aliases=aliases,
        name=row["name"],
        custom_fields=row["custom_fields"],
    )


def _detail(row: Row) -> CustomerDetail:
    account = row["config"].get("salesforce_account_id")
    return CustomerDetail(
        **msgspec.structs.asdict(_base(row)),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        customer_config=CustomerConfig(salesforce_account_id=account),
        archived_at=row["archived_at"],
    )


routes = [
    create_customer,
    get_customer,
    list_customers,
    archive_customer,
    set_ingest_aliases,
    set_name,
    update_config,
    list_customer_metrics,
]
