"""/v1/alerts and /v1/customer-alerts: thresholds, and where customers stand by them when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec

from meterline.api.requests import (
    Body,
    CustomFieldKey,
    IdReply,
    NextPage,
    Reply,
    id_reply,
    member,
    page_request,
)
from meterline.api.wire import Name, post
from meterline.core.alert import (
    Alert,
    AlertStatus,
    AlertType,
    BalanceSpecifier,
    CustomerStatus,
    CustomFieldFilter,
    FilteredEntity,
    GroupValue,
    Narrowing,
    SeatFilter,
)
from meterline.core.errors import Invalid
from meterline.core.invoice import InvoiceType
from meterline.core.ledger.grant import AccessType
from meterline.services import alerts
from meterline.services.alerts import CustomerAlert, NewAlert
from meterline.services.workspace import Workspace

UniquenessKey = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
GroupKey = Annotated[str, msgspec.Meta(min_length=1)]
_Choice = TypeVar("_Choice", bound=StrEnum)

# Replaced when the alert is made: a body has neither.
_NO_ID, _NO_TIME = UUID(int=0), datetime(1970, 1, 1, tzinfo=UTC)


class FilterBody(Body):
    entity: str
    key: CustomFieldKey
    value: str


class SpecifierFilterBody(Body):
    entity: str
    key: CustomFieldKey
    value: str | None = None


class ExcludeBody(Body):
    custom_field_filters: list[FilterBody] = msgspec.field(default_factory=list)


class SpecifierBody(Body):
    custom_field_filters: list[SpecifierFilterBody] = msgspec.field(default_factory=list)
    exclude: list[ExcludeBody] = msgspec.field(default_factory=list)


class GroupValueBody(Body):
    key: GroupKey
    value: str | None = None


class SeatFilterBody(Body):
    seat_group_key: GroupKey
    seat_group_value: str | None = None


class CreateAlert(Body):
    alert_type: str
    name: Name
    threshold: Decimal
    customer_id: UUID | None = None
    credit_type_id: UUID | None = None
    billable_metric_id: UUID | None = None
    custom_field_filters: list[FilterBody] | None = None
    group_values: list[GroupValueBody] | None = None
    alert_specifiers: list[SpecifierBody] | None = None
    invoice_types_filter: list[str] | None = None
    seat_filter: SeatFilterBody | None = None
    access_type: str | None = None
    evaluate_on_create: bool = True
    uniqueness_key: UniquenessKey | None = None
    plan_id: UUID | None = None
    credit_grant_type_filters: list[str] | None = None


class ArchiveAlert(Body):
    id: UUID
    release_uniqueness_key: bool = False


class OfCustomer(Body):
    alert_id: UUID
    customer_id: UUID


class GetAlert(OfCustomer):
    group_values: list[GroupValueBody] | None = None
    seat_filter: SeatFilterBody | None = None
    alert_specifiers: list[SpecifierBody] | None = None


class ListAlerts(Body):
    customer_id: UUID
    alert_statuses: list[str] | None = None


class CreditTypeReply(Reply):
    id: UUID
    name: str


class FilterReply(Reply):
    entity: FilteredEntity
    key: str
    value: str | None = None


class ExcludeReply(Reply):
    custom_field_filters: list[FilterReply]


class SpecifierReply(Reply):
    custom_field_filters: list[FilterReply]
    exclude: list[ExcludeReply]


class GroupValueReply(Reply):
    key: str
    value: str | None = None


class SeatFilterReply(Reply):
    seat_group_key: str
    seat_group_value: str | None = None


class AlertReply(Reply):
    id: UUID
    name: str
    type: AlertType
    status: AlertStatus
    threshold: Decimal
    updated_at: datetime
    credit_type: CreditTypeReply | None = None
    uniqueness_key: str | None = None
    access_type: AccessType | None = None
    custom_field_filters: list[FilterReply] | None = None
    group_values: list[GroupValueReply] | None = None
    alert_specifiers: list[SpecifierReply] | None = None
    invoice_types_filter: list[InvoiceType] | None = None
    seat_filter: SeatFilterReply | None = None


class CustomerAlertReply(Reply):
    customer_status: CustomerStatus | None
    alert: AlertReply
    triggered_by: str | None = None


class AlertDataReply(Reply):
    data: CustomerAlertReply


class AlertsReply(Reply):
    data: list[CustomerAlertReply]
    next_page: str | None


@post("/v1/alerts/create")
async def create(workspace: Workspace, data: CreateAlert) -> IdReply:
    """Set a threshold on one customer, or on every customer."""
    return id_reply(await alerts.create(workspace, NewAlert(_terms(data), data.credit_type_id)))


@post("/v1/alerts/archive")
async def archive(workspace: Workspace, data: ArchiveAlert) -> IdReply:
    """Stop evaluating an alert; with `release_uniqueness_key` its key can be used again."""
    await alerts.archive(workspace, data.id, release_key=data.release_uniqueness_key)
    return id_reply(data.id)


@post("/v1/customer-alerts/get", scope="read")
async def get(workspace: Workspace, data: GetAlert) -> AlertDataReply:
    """Where a customer stands by an alert now, in all or in one group."""
    found = await alerts.get(workspace, data.alert_id, data.customer_id, _narrowing(data))
    return AlertDataReply(data=_reply(found))


@post("/v1/customer-alerts/list", scope="read")
async def list_alerts(
    workspace: Workspace, data: ListAlerts, next_page: NextPage = None
) -> AlertsReply:
    """Where a customer stands by all alerts on him; only enabled ones unless statuses are given."""
    if data.alert_statuses is None:
        statuses = [AlertStatus.ENABLED]
    elif not data.alert_statuses:
        raise Invalid("alert_statuses", "must not be empty")
    else:
        statuses = [
            _lower("alert_statuses", AlertStatus, text) for text in sorted(set(data.alert_statuses))
        ]
    request = page_request("customer-alerts", next_page, None, data.customer_id, statuses)
    page = await alerts.page(workspace, data.customer_id, statuses, request)
    return AlertsReply(data=[_reply(found) for found in page.rows], next_page=page.next_page)


@post("/v1/customer-alerts/reset")
async def reset(workspace: Workspace, data: OfCustomer) -> None:
    """Have an alert evaluated anew for a customer."""
    await alerts.reset(workspace, data.alert_id, data.customer_id)


def _terms(data: CreateAlert) -> Alert:
    if data.plan_id is not None:
        raise Invalid("plan_id", "plans are not supported")
    if data.credit_grant_type_filters:
        raise Invalid("credit_grant_type_filters", "credit grants of plans are not supported")
    return Alert(
        id=_NO_ID,
        type=_lower("alert_type", AlertType, data.alert_type),
        name=data.name,
        threshold=data.threshold,
        created_at=_NO_TIME,
        customer_id=data.customer_id,
        billable_metric_id=data.billable_metric_id,
        custom_field_filters=_filters("custom_field_filters", data.custom_field_filters or ()),
        group_values=_group_values(data.group_values),
        specifiers=_specifiers(data.alert_specifiers),
        invoice_types=tuple(
            member(f"invoice_types_filter[{index}]", InvoiceType, text)
            for index, text in enumerate(data.invoice_types_filter or ())
        ),
        seat=_seat(data.seat_filter),
        access_type=None
        if data.access_type is None
        else member("access_type", AccessType, data.access_type),
        uniqueness_key=data.uniqueness_key,
    )


def _narrowing(data: GetAlert) -> Narrowing:
    group_values = _group_values(data.group_values)
    if any(one.value is None for one in group_values):
        raise Invalid("group_values", "must have a value for each key")
    seat = _seat(data.seat_filter)
    if seat is not None and seat.value is None:
        raise Invalid("seat_filter.seat_group_value", "is required")
    return Narrowing(group_values, seat, _specifiers(data.alert_specifiers))


def _group_values(given: Sequence[GroupValueBody] | None) -> tuple[GroupValue, ...]:
    return tuple(GroupValue(one.key, one.value) for one in given or ())


def _seat(given: SeatFilterBody | None) -> SeatFilter | None:
    return None if given is None else SeatFilter(given.seat_group_key, given.seat_group_value)


def _specifiers(given: Sequence[SpecifierBody] | None) -> tuple[BalanceSpecifier, ...]:
    return tuple(
        BalanceSpecifier(
            _filters(f"alert_specifiers[{index}].custom_field_filters", one.custom_field_filters),
            tuple(
                _filters(
                    f"alert_specifiers[{index}].exclude[{place}].custom_field_filters",
                    group.custom_field_filters,
                )
                for place, group in enumerate(one.exclude)
            ),
        )
        for index, one in enumerate(given or ())
    )


def _filters(
    field: str, given: Sequence[FilterBody | SpecifierFilterBody]
) -> tuple[CustomFieldFilter, ...]:
    return tuple(
        CustomFieldFilter(
            _lower(f"{field}[{index}].entity", FilteredEntity, one.entity), one.key, one.value
        )
        for index, one in enumerate(given)
    )


def _lower(field: str, kind: type[_Choice], text: str) -> _Choice:
    """The member of an enum whose names are not upper case, in any case of letters."""
    for one in kind:
        if one.lower() == text.lower():
            return one
    raise Invalid(field, f"must be one of {', '.join(kind)}")


def _reply(found: CustomerAlert) -> CustomerAlertReply:
    alert, evaluation = found
    unit = alert.credit_type
    return CustomerAlertReply(
        customer_status=evaluation.status,
        triggered_by=evaluation.triggered_by,
        alert=AlertReply(
            id=alert.id,
            name=alert.name,
            type=alert.type,
            status=alert.status,
            threshold=alert.threshold,
            updated_at=alert.updated_at,
            credit_type=None if unit is None else CreditTypeReply(id=unit.id, name=unit.name),
            uniqueness_key=alert.uniqueness_key,
            access_type=alert.access_type,
            custom_field_filters=_filter_replies(alert.custom_field_filters) or None,
            group_values=[
                GroupValueReply(key=one.key, value=one.value) for one in alert.group_values
            ]
            or None,
            alert_specifiers=[_specifier_reply(one) for one in alert.specifiers] or None,
            invoice_types_filter=list(alert.invoice_types) or None,
            seat_filter=None
            if alert.seat is None
            else SeatFilterReply(
                seat_group_key=alert.seat.group_key, seat_group_value=alert.seat.value
            ),
        ),
    )


def _specifier_reply(one: BalanceSpecifier) -> SpecifierReply:
    return SpecifierReply(
        custom_field_filters=_filter_replies(one.filters),
        exclude=[
            ExcludeReply(custom_field_filters=_filter_replies(group)) for group in one.exclude
        ],
    )


def _filter_replies(filters: Sequence[CustomFieldFilter]) -> list[FilterReply]:
    return [FilterReply(entity=one.entity, key=one.key, value=one.value) for one in filters]


routes = [create, archive, get, list_alerts, reset]
