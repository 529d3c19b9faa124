"""Contracts on the wire: what may be sent, and the two forms in which they are shown (v1 and v2)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from meterline.api.requests import Body, CustomFields, Instant, Reply
from meterline.core.contract import filter_at
from meterline.store.contracts import contract_of
from meterline.store.database import Row

Anything = msgspec.Raw | UnsetType


class UsageFilterBody(Body):
    group_key: str
    group_values: list[str]
    starting_at: Instant | None = None


class StatementBody(Body):
    frequency: str
    day: str = "FIRST_OF_MONTH"
    billing_anchor_date: Instant | None = None
    invoice_generation_starting_at: Anything = UNSET


class CreateContract(Body):
    customer_id: UUID
    starting_at: Instant
    ending_before: Instant | None = None
    name: str | None = None
    rate_card_id: UUID | None = None
    rate_card_alias: str | None = None
    uniqueness_key: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    usage_statement_schedule: StatementBody | None = None
    usage_filter: UsageFilterBody | None = None
    custom_fields: CustomFields | None = None
    net_payment_terms_days: Decimal | None = None
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None
    total_contract_value: Decimal | None = None
    multiplier_override_prioritization: str | None = None
    scheduled_charges_on_usage_invoices: str | None = None
    # Not rated yet, so refused; null and [] say nothing and are let pass.
    billing_provider_configuration: Anything = UNSET
    commits: Anything = UNSET
    credits: Anything = UNSET
    discounts: Anything = UNSET
    hierarchy_configuration: Anything = UNSET
    overrides: Anything = UNSET
    package_alias: Anything = UNSET
    package_id: Anything = UNSET
    prepaid_balance_threshold_configuration: Anything = UNSET
    professional_services: Anything = UNSET
    recurring_commits: Anything = UNSET
    recurring_credits: Anything = UNSET
    reseller_royalties: Anything = UNSET
    revenue_system_configuration: Anything = UNSET
    scheduled_charges: Anything = UNSET
    spend_threshold_configuration: Anything = UNSET
    spend_trackers: Anything = UNSET
    subscriptions: Anything = UNSET
    transition: Anything = UNSET


class ContractId(Body):
    customer_id: UUID
    contract_id: UUID


class UpdateEndDate(ContractId):
    ending_before: Instant | None = None


class SetUsageFilter(ContractId):
    group_key: str
    group_values: list[str]
    starting_at: Instant


class ArchiveContract(ContractId):
    void_invoices: bool


class GetContract(ContractId):
    as_of_date: Instant | None = None


class ListContracts(Body):
    customer_id: UUID
    covering_date: Instant | None = None
    starting_at: Instant | None = None
    include_archived: bool = False
    cursor: str | None = None
    limit: Decimal | None = None


class StatementReply(Reply):
    billing_anchor_date: datetime
    frequency: str


class UsageFilterReply(Reply):
    group_key: str
    group_values: list[str]
    starting_at: datetime
    ending_before: datetime | None = None


class UsageFilterHistory(Reply):
    """v1's form: the first filter, the later ones, and the one in force."""

    initial: UsageFilterReply
    updates: list[UsageFilterReply]
    current: UsageFilterReply | None = None


class ContractTerms(Reply):
    """What v1 and v2 show alike. The empty lists are parts that contracts cannot have yet."""

    created_at: datetime
    created_by: str
    starting_at: datetime
    usage_statement_schedule: StatementReply
    commits: list[Any]
    credits: list[Any]
    overrides: list[Any]
    scheduled_charges: list[Any]
    transitions: list[Any]
    discounts: list[Any]
    recurring_commits: list[Any]
    recurring_credits: list[Any]
    ending_before: datetime | None = None
    name: str | None = None
    rate_card_id: UUID | None = None
    net_payment_terms_days: Decimal | None = None
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None
    total_contract_value: Decimal | None = None
    scheduled_charges_on_usage_invoices: str | None = None


class ContractWithoutAmendments(ContractTerms, kw_only=True):
    usage_filter: UsageFilterHistory | None = None


class ContractV1(Reply, kw_only=True):
    id: UUID
    customer_id: UUID
    initial: ContractWithoutAmendments
    current: ContractWithoutAmendments
    amendments: list[Any]
    subscriptions: list[Any]
    custom_fields: dict[str, str]
    uniqueness_key: str | None = None
    archived_at: datetime | None = None


class ContractV2(ContractTerms, kw_only=True):
    id: UUID
    customer_id: UUID
    usage_filter: list[UsageFilterReply]
    subscriptions: list[Any]
    custom_fields: dict[str, str]
    multiplier_override_prioritization: str | None = None
    uniqueness_key: str | None = None
    archived_at: datetime | None = None


class ContractV1Reply(Reply):
    data: ContractV1


class ContractV2Reply(Reply):
    data: ContractV2


class ContractsV1Reply(Reply):
    data: list[ContractV1]
    cursor: str | None


class ContractsV2Reply(Reply):
    data: list[ContractV2]
    cursor: str | None


class CreatedContract(Reply):
    id: UUID
    contract: ContractV2


class CreatedContractReply(Reply):
    data: CreatedContract


def contract_v1(row: Row, now: datetime) -> ContractV1:
    """A contract in v1's form."""
    filters = row["terms"].get("usage_filters", [])
    history = None
    if filters:
        shown = [_usage_filter(one) for one in filters]
        in_force = filter_at(contract_of(row).usage_filters, now)
        history = UsageFilterHistory(
            initial=shown[0],
            updates=shown[1:],
            current=None
            if in_force is None
            else UsageFilterReply(
                group_key=in_force.group_key,
                group_values=sorted(in_force.group_values),
                starting_at=in_force.starting_at,
            ),
        )
    terms = ContractWithoutAmendments(**_terms(row), usage_filter=history)
    return ContractV1(
        id=row["contract_id"],
        customer_id=row["customer_id"],
        initial=terms,
        current=terms,
        amendments=[],
        subscriptions=[],
        custom_fields=row["custom_fields"],
        uniqueness_key=row["uniqueness_key"],
        archived_at=row["archived_at"],
    )


def contract_v2(row: Row) -> ContractV2:
    """A contract in v2's form."""
    filters = [_usage_filter(one) for one in row["terms"].get("usage_filters", [])]
    filters.sort(key=lambda one: one.starting_at)
    ended = [
        msgspec.structs.replace(one, ending_before=after.starting_at)
        for one, after in pairwise(filters)
    ]
    return ContractV2(
        **_terms(row),
        id=row["contract_id"],
        customer_id=row["customer_id"],
        usage_filter=[*ended, *filters[-1:]],
        subscriptions=[],
        custom_fields=row["custom_fields"],
        multiplier_override_prioritization=row["terms"].get("multiplier_override_prioritization"),
        uniqueness_key=row["uniqueness_key"],
        archived_at=row["archived_at"],
    )


def _usage_filter(fields: dict[str, Any]) -> UsageFilterReply:
    return msgspec.convert(fields, UsageFilterReply)


def _terms(row: Row) -> dict[str, Any]:
    terms = row["terms"]
    empty = ("commits", "credits", "overrides", "scheduled_charges", "transitions", "discounts")
    numbers = ("net_payment_terms_days", "total_contract_value")
    texts = (
        "netsuite_sales_order_id",
        "salesforce_opportunity_id",
        "scheduled_charges_on_usage_invoices",
    )
    return {
        **{name: row[name] for name in ("created_at", "created_by", "starting_at")},
        **{name: row[name] for name in ("ending_before", "name", "rate_card_id")},
        **{name: [] for name in (*empty, "recurring_commits", "recurring_credits")},
        **{name: terms.get(name) for name in texts},
        **{name: Decimal(terms[name]) for name in numbers if terms.get(name) is not None},
        "usage_statement_schedule": msgspec.convert(
            terms["usage_statement_schedule"], StatementReply
        ),
    }
