"""Contracts on the wire: what may be sent. How they are shown is in `contract_shapes_shown`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from msgspec import UNSET

from meterline.api.contract_shapes_context import Anything, Making, says_nothing, whole
from meterline.api.contract_shapes_grants import (
    CommitBody,
    CreditBody,
    UniquenessKey,
    commit_of,
    credit_of,
)
from meterline.api.contract_shapes_overrides import (
    OverrideBody,
    override_of,
)
from meterline.api.contract_shapes_recurring import (
    RecurringBody,
    recurring_of,
)
from meterline.api.contract_shapes_schedules import (
    ChargeBody,
    ServiceBody,
    charge_of,
    service_of,
)
from meterline.api.contract_shapes_subscriptions import (
    SubscriptionBody,
    subscription_of,
)
from meterline.api.requests import (
    Body,
    CustomFields,
    Instant,
    instant,
    member,
    optional_instant,
)
from meterline.core.contract import Transition, UsageFilter
from meterline.core.contract.override import Prioritization
from meterline.core.contract.recurring import RecurringGrant
from meterline.core.decimals import decimal_issues
from meterline.core.errors import Invalid, require
from meterline.core.ledger.grant import GrantKind
from meterline.core.period import Frequency, StatementDay
from meterline.services.contract_parts import NewPart, NewParts, PlannedGrant
from meterline.services.contracts import NewContract, StatementTerms

Made = TypeVar("Made")

NOT_SUPPORTED = {
    "billing_provider_configuration": "billing providers are not connected",
    "hierarchy_configuration": "hierarchies of contracts are not supported",
    "package_alias": "packages are not supported",
    "package_id": "packages are not supported",
    "prepaid_balance_threshold_configuration": "threshold billing is not supported",
    "reseller_royalties": "reseller royalties are not supported",
    "revenue_system_configuration": "revenue systems are not connected",
    "spend_threshold_configuration": "threshold billing is not supported",
    "spend_trackers": "spend trackers are not supported",
}


class ChargesOnUsageInvoices(StrEnum):
    """Which scheduled charges join usage invoices."""

    ALL = "ALL"


class TransitionType(StrEnum):
    """How one contract follows another."""

    RENEWAL = "RENEWAL"


class TrueupBehavior(StrEnum):
    """What becomes of the true-ups of a contract that is renewed."""

    REMOVE = "REMOVE"
    AS_IS = "AS_IS"


class UsageFilterBody(Body):
    group_key: str
    group_values: list[str]
    starting_at: Instant | None = None


class StatementBody(Body):
    frequency: str
    day: str = "FIRST_OF_MONTH"
    billing_anchor_date: Instant | None = None
    invoice_generation_starting_at: Instant | None = None


class FutureInvoicesBody(Body):
    trueup: str | None = None


class TransitionBody(Body):
    from_contract_id: UUID
    type: str
    future_invoice_behavior: FutureInvoicesBody | None = None


class PartsBody(Body):
    """What a contract is made with and an edit adds, under the names of contracts/create."""

    commits: list[CommitBody] | None = None
    credits: list[CreditBody] | None = None
    discounts: list[ChargeBody] | None = None
    overrides: list[OverrideBody] | None = None
    professional_services: list[ServiceBody] | None = None
    recurring_commits: list[RecurringBody] | None = None
    recurring_credits: list[RecurringBody] | None = None
    scheduled_charges: list[ChargeBody] | None = None
    subscriptions: list[SubscriptionBody] | None = None


class CreateContract(PartsBody, kw_only=True):
    customer_id: UUID
    starting_at: Instant
    ending_before: Instant | None = None
    name: str | None = None
    rate_card_id: UUID | None = None
    rate_card_alias: str | None = None
    uniqueness_key: UniquenessKey | None = None
    usage_statement_schedule: StatementBody | None = None
    usage_filter: UsageFilterBody | None = None
    custom_fields: CustomFields | None = None
    net_payment_terms_days: Decimal | None = None
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None
    total_contract_value: Decimal | None = None
    multiplier_override_prioritization: str | None = None
    scheduled_charges_on_usage_invoices: str | None = None
    transition: TransitionBody | None = None
    # Not supported, so refused by name; null, [] and {} say nothing and are let pass.
    billing_provider_configuration: Anything = UNSET
    hierarchy_configuration: Anything = UNSET
    package_alias: Anything = UNSET
    package_id: Anything = UNSET
    prepaid_balance_threshold_configuration: Anything = UNSET
    reseller_royalties: Anything = UNSET
    revenue_system_configuration: Anything = UNSET
    spend_threshold_configuration: Anything = UNSET
    spend_trackers: Anything = UNSET


class ContractId(Body):
    customer_id: UUID
    contract_id: UUID


class UpdateEndDate(ContractId):
    ending_before: Instant | None = None
    allow_ending_before_finalized_invoice: bool = False


class SetUsageFilter(ContractId):
    group_key: str
    group_values: list[str]
    starting_at: Instant


class ArchiveContract(ContractId):
    void_invoices: bool


class GetContract(ContractId):
    include_balance: bool = False
    include_ledgers: bool = False


class GetContractAsOf(GetContract):
    as_of_date: Instant | None = None


class ListContracts(Body):
    customer_id: UUID
    covering_date: Instant | None = None
    starting_at: Instant | None = None
    include_archived: bool = False
    include_balance: bool = False
    include_ledgers: bool = False
    cursor: str | None = None
    limit: Decimal | None = None


def new_contract(body: CreateContract, making: Making) -> NewContract:
    """A contract as asked for. Raises Invalid."""
    for name, reason in NOT_SUPPORTED.items():
        if not says_nothing(getattr(body, name)):
            raise Invalid(name, reason)
    starting_at = instant("starting_at", body.starting_at)
    contract_id = making.new_id()
    given = body.usage_filter
    return NewContract(
        customer_id=body.customer_id,
        starting_at=starting_at,
        ending_before=optional_instant("ending_before", body.ending_before),
        name=body.name,
        rate_card_id=body.rate_card_id,
        rate_card_alias=body.rate_card_alias,
        uniqueness_key=body.uniqueness_key,
        statement=_statement(body.usage_statement_schedule),
        usage_filter=None
        if given is None
        else UsageFilter(
            given.group_key,
            frozenset(given.group_values),
            optional_instant("usage_filter.starting_at", given.starting_at) or starting_at,
        ),
        shown=_shown(body),
        custom_fields=body.custom_fields or {},
        contract_id=contract_id,
        parts=new_parts("", body, making, Owner(body.customer_id, contract_id, starting_at)),
        transition=_transition(body.transition),
    )


class Owner(NamedTuple):
    """Whose parts are made: a contract of a customer, and when it starts."""

    customer_id: UUID
    contract_id: UUID
    starting_at: datetime


def new_parts(prefix: str, body: PartsBody, making: Making, owner: Owner) -> NewParts:
    """Parts as asked for. Those that others may name by temporary id are made first."""
    ids = {"customer_id": owner.customer_id, "contract_id": owner.contract_id}
    start = owner.starting_at

    def each(name: str, make: Callable[[str, Any], Made]) -> tuple[Made, ...]:
        given = getattr(body, name) or ()
        return tuple(make(f"{prefix}{name}[{at}].", one) for at, one in enumerate(given))

    def recurring(kind: GrantKind) -> Callable[[str, RecurringBody], NewPart[RecurringGrant]]:
        return lambda place, one: recurring_of(place, one, making, kind)

    subscriptions = each(
        "subscriptions",
        lambda place, one: subscription_of(place, one, making, starting_at=start),
    )
    grants = (
        *each("commits", lambda place, one: commit_of(place, one, making, **ids)),
        *each("credits", lambda place, one: credit_of(place, one, making, **ids)),
    )
    recurring_grants = (
        *each("recurring_commits", recurring(GrantKind.PREPAID)),
        *each("recurring_credits", recurring(GrantKind.CREDIT)),
    )
    charges = (
        *each("scheduled_charges", lambda place, one: charge_of(place, one, making)),
        *each("discounts", lambda place, one: charge_of(place, one, making, is_discount=True)),
    )
    return NewParts(
        grants=in_order(grants),
        recurring=recurring_grants,
        overrides=each("overrides", lambda place, one: override_of(place, one, making)),
        charges=charges,
        subscriptions=subscriptions,
        services=each("professional_services", lambda place, one: service_of(place, one, making)),
    )


def in_order(parts: tuple[NewPart[PlannedGrant], ...]) -> tuple[NewPart[PlannedGrant], ...]:
    """Commits and credits with their place in the request: made at one instant, they are shown in its order."""
    return tuple(
        replace(part, shown={**part.shown, "position": position})
        for position, part in enumerate(parts)
    )


def _statement(given: StatementBody | None) -> StatementTerms:
    if given is None:
        return StatementTerms()
    place = "usage_statement_schedule"
    return StatementTerms(
        member(f"{place}.frequency", Frequency, given.frequency),
        member(f"{place}.day", StatementDay, given.day),
        optional_instant(f"{place}.billing_anchor_date", given.billing_anchor_date),
        optional_instant(
            f"{place}.invoice_generation_starting_at", given.invoice_generation_starting_at
        ),
    )


def _transition(given: TransitionBody | None) -> Transition | None:
    if given is None:
        return None
    member("transition.type", TransitionType, given.type)
    behavior = given.future_invoice_behavior
    trueup = TrueupBehavior.AS_IS
    if behavior is not None and behavior.trueup is not None:
        place = "transition.future_invoice_behavior.trueup"
        trueup = member(place, TrueupBehavior, behavior.trueup)
    return Transition(given.from_contract_id, removes_trueup=trueup is TrueupBehavior.REMOVE)


def _shown(body: CreateContract) -> dict[str, Any]:
    """The terms beside dates and parts, as they are stored."""
    days, value = body.net_payment_terms_days, body.total_contract_value
    if value is not None:
        require(decimal_issues("total_contract_value", value))
    priority, charges = (
        body.multiplier_override_prioritization,
        body.scheduled_charges_on_usage_invoices,
    )
    shown = {
        "net_payment_terms_days": None if days is None else whole("net_payment_terms_days", days),
        "total_contract_value": None if value is None else str(value),
        "netsuite_sales_order_id": body.netsuite_sales_order_id,
        "salesforce_opportunity_id": body.salesforce_opportunity_id,
        "multiplier_override_prioritization": None
        if priority is None
        else member("multiplier_override_prioritization", Prioritization, priority),
        "scheduled_charges_on_usage_invoices": None
        if charges is None
        else member("scheduled_charges_on_usage_invoices", ChargesOnUsageInvoices, charges),
    }
    return {name: value for name, value in shown.items() if value is not None}
