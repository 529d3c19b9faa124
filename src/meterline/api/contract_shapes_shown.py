"""Contracts as they are shown, in the two forms of the wire (v1 and v2)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec

from meterline.api.contract_shapes import TransitionType
from meterline.api.contract_shapes_context import Showing
from meterline.api.contract_shapes_grants import GrantReply, grant_reply
from meterline.api.contract_shapes_overrides import OverrideReply, override_reply
from meterline.api.contract_shapes_recurring import RecurringReply, recurring_reply
from meterline.api.contract_shapes_schedules import (
    ChargeReply,
    ServiceReply,
    charge_reply,
    service_reply,
)
from meterline.api.contract_shapes_subscriptions import SubscriptionReply, subscription_reply
from meterline.api.requests import Reply
from meterline.core.contract import UsageFilter, filter_at
from meterline.core.decimals import plain
from meterline.core.ledger.grant import GrantKind
from meterline.services.contract_views import ContractState, ContractView


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


class TransitionReply(Reply):
    from_contract_id: UUID
    to_contract_id: UUID
    type: str


class HasMoreReply(Reply, kw_only=True, omit_defaults=False):
    """Whether commits and credits were left out: none ever are."""

    commits: bool = False
    credits: bool = False


class ContractTerms(Reply):
    """What v1 and v2 show alike."""

    created_at: datetime
    created_by: str
    starting_at: datetime
    usage_statement_schedule: StatementReply
    commits: list[GrantReply]
    credits: list[GrantReply]
    overrides: list[OverrideReply]
    scheduled_charges: list[ChargeReply]
    transitions: list[TransitionReply]
    discounts: list[ChargeReply]
    professional_services: list[ServiceReply]
    recurring_commits: list[RecurringReply]
    recurring_credits: list[RecurringReply]
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
    subscriptions: list[SubscriptionReply]
    custom_fields: dict[str, str]
    scheduled_charges_on_usage_invoices: str | None = None
    uniqueness_key: str | None = None
    archived_at: datetime | None = None


class ContractV2(ContractTerms, kw_only=True):
    id: UUID
    customer_id: UUID
    usage_filter: list[UsageFilterReply]
    subscriptions: list[SubscriptionReply]
    custom_fields: dict[str, str]
    has_more: HasMoreReply
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


def contract_v1(view: ContractView, now: datetime) -> ContractV1:
    """A contract in v1's form, which also shows how it was made."""
    assert view.initial is not None, "it was asked for"
    row, showing = view.row, Showing(view.products, now)
    return ContractV1(
        id=row["contract_id"],
        customer_id=row["customer_id"],
        initial=_without_amendments(view, view.initial, showing),
        current=_without_amendments(view, view.state, showing),
        amendments=[],
        subscriptions=_subscriptions(view.state, showing),
        custom_fields=row["custom_fields"],
        scheduled_charges_on_usage_invoices=view.state.terms.get(
            "scheduled_charges_on_usage_invoices"
        ),
        uniqueness_key=row["uniqueness_key"],
        archived_at=row["archived_at"],
    )


def contract_v2(view: ContractView, now: datetime) -> ContractV2:
    """A contract in v2's form."""
    row, showing = view.row, Showing(view.products, now)
    filters = sorted(_filters(view.state), key=lambda one: one.starting_at)
    ended = [
        msgspec.structs.replace(one, ending_before=after.starting_at)
        for one, after in pairwise(filters)
    ]
    return ContractV2(
        **_terms(view, view.state, showing),
        id=row["contract_id"],
        customer_id=row["customer_id"],
        usage_filter=[*ended, *filters[-1:]],
        subscriptions=_subscriptions(view.state, showing),
        custom_fields=row["custom_fields"],
        has_more=HasMoreReply(),
        multiplier_override_prioritization=view.state.terms.get(
            "multiplier_override_prioritization"
        ),
        uniqueness_key=row["uniqueness_key"],
        archived_at=row["archived_at"],
    )


def _without_amendments(
    view: ContractView, state: ContractState, showing: Showing
) -> ContractWithoutAmendments:
    history, filters = None, _filters(state)
    if filters:
        in_force = filter_at(state.contract.usage_filters, showing.now)
        history = UsageFilterHistory(
            initial=filters[0],
            updates=filters[1:],
            current=None if in_force is None else _usage_filter(in_force),
        )
    return ContractWithoutAmendments(**_terms(view, state, showing), usage_filter=history)


def _terms(view: ContractView, state: ContractState, showing: Showing) -> dict[str, Any]:
    row, contract, terms = view.row, state.contract, state.terms
    grants = [(one.grant.kind, grant_reply(one, showing)) for one in state.grants]
    recurring = [
        (one.kind, recurring_reply(one, state.shown(one.id), contract, showing))
        for one in contract.recurring_grants
    ]
    charges = [
        (one.is_discount, charge_reply(one, state.shown(one.id), showing))
        for one in contract.scheduled_charges
    ]
    value = terms.get("total_contract_value")
    days = contract.net_payment_terms_days
    credit = GrantKind.CREDIT
    return {
        "created_at": row["created_at"],
        "created_by": row["created_by"],
        "starting_at": contract.starting_at,
        "ending_before": contract.ending_before,
        "name": contract.name,
        "rate_card_id": contract.rate_card_id,
        "usage_statement_schedule": StatementReply(
            billing_anchor_date=contract.schedule.anchor, frequency=contract.schedule.frequency
        ),
        "commits": [one for kind, one in grants if kind is not credit],
        "credits": [one for kind, one in grants if kind is credit],
        "overrides": [
            override_reply(one, state.shown(one.id), row["created_at"], showing)
            for one in contract.overrides
        ],
        "scheduled_charges": [one for is_discount, one in charges if not is_discount],
        "discounts": [one for is_discount, one in charges if is_discount],
        "professional_services": [
            service_reply(one, state.shown(one.id)) for one in contract.professional_services
        ],
        "recurring_commits": [one for kind, one in recurring if kind is not credit],
        "recurring_credits": [one for kind, one in recurring if kind is credit],
        "transitions": _transitions(view),
        "net_payment_terms_days": None if days is None else Decimal(days),
        "total_contract_value": None if value is None else plain(Decimal(value)),
        **{
            name: terms.get(name)
            for name in (
                "netsuite_sales_order_id",
                "salesforce_opportunity_id",
                "scheduled_charges_on_usage_invoices",
            )
        },
    }


def _subscriptions(state: ContractState, showing: Showing) -> list[SubscriptionReply]:
    return [
        subscription_reply(one, state.shown(one.id), state.contract, showing)
        for one in state.contract.subscriptions
    ]


def _transitions(view: ContractView) -> list[TransitionReply]:
    own, pairs = view.row["contract_id"], []
    if view.state.contract.transition is not None:
        pairs.append((view.state.contract.transition.from_contract_id, own))
    if view.successor is not None:
        pairs.append((own, view.successor))
    return [
        TransitionReply(from_contract_id=older, to_contract_id=newer, type=TransitionType.RENEWAL)
        for older, newer in pairs
    ]


def _filters(state: ContractState) -> list[UsageFilterReply]:
    return [_usage_filter(one) for one in state.contract.usage_filters]


def _usage_filter(one: UsageFilter) -> UsageFilterReply:
    return UsageFilterReply(
        group_key=one.group_key,
        group_values=sorted(one.group_values),
        starting_at=one.starting_at,
    )
