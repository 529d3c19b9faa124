"""Edits on the wire: what may be sent to POST /v2/contracts/edit and its kin, and what a history shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from meterline.api.contract_shapes import (
    ContractId,
    Owner,
    PartsBody,
    new_parts,
)
from meterline.api.contract_shapes_context import Anything, Making, Showing, says_nothing, whole
from meterline.api.contract_shapes_grants import (
    CommitBody,
    CreditBody,
    UniquenessKey,
    grant_reply,
)
from meterline.api.contract_shapes_overrides import OverrideBody, override_reply
from meterline.api.contract_shapes_recurring import (
    RecurringBody,
    recurring_reply,
)
from meterline.api.contract_shapes_schedules import (
    ChargeBody,
    ServiceBody,
    charge_reply,
    service_reply,
)
from meterline.api.contract_shapes_subscriptions import (
    SubscriptionBody,
    subscription_reply,
)
from meterline.api.contract_shapes_updates import (
    IdBody,
    UpdateChargeBody,
    UpdateCommitBody,
    UpdateCreditBody,
    UpdateRecurringCommitBody,
    UpdateRecurringCreditBody,
    UpdateSubscriptionBody,
    amount_edit,
    grant_edit,
    grant_shown,
    invoice_edit,
    placed,
    recurring_changes,
    subscription_edit,
    texts,
)
from meterline.api.requests import Body, Instant, Reply, optional_instant
from meterline.api.wire import encode
from meterline.core.edits import (
    ChargeEdit,
    RecurringEdit,
)
from meterline.core.errors import Invalid
from meterline.core.ledger.grant import GrantKind
from meterline.services.contract_edits import Edit, Edited, Named, PastEdit

NOT_SUPPORTED = {
    "add_billing_provider_configuration_update": "billing providers are not connected",
    "add_prepaid_balance_threshold_configuration": "threshold billing is not supported",
    "add_reseller_royalties": "reseller royalties are not supported",
    "add_revenue_system_configuration_update": "revenue systems are not connected",
    "add_spend_threshold_configuration": "threshold billing is not supported",
    "add_spend_trackers": "spend trackers are not supported",
    "archive_spend_trackers": "spend trackers are not supported",
    "update_prepaid_balance_threshold_configuration": "threshold billing is not supported",
    "update_spend_threshold_configuration": "threshold billing is not supported",
}

Item = TypeVar("Item")


class EditContract(ContractId, kw_only=True):
    add_commits: list[CommitBody] | None = None
    add_credits: list[CreditBody] | None = None
    add_discounts: list[ChargeBody] | None = None
    add_overrides: list[OverrideBody] | None = None
    add_professional_services: list[ServiceBody] | None = None
    add_recurring_commits: list[RecurringBody] | None = None
    add_recurring_credits: list[RecurringBody] | None = None
    add_scheduled_charges: list[ChargeBody] | None = None
    add_subscriptions: list[SubscriptionBody] | None = None
    allow_contract_ending_before_finalized_invoice: bool = False
    archive_commits: list[IdBody] | None = None
    archive_credits: list[IdBody] | None = None
    archive_scheduled_charges: list[IdBody] | None = None
    remove_overrides: list[IdBody] | None = None
    uniqueness_key: UniquenessKey | None = None
    update_commits: list[UpdateCommitBody] | None = None
    update_contract_end_date: Instant | UnsetType | None = UNSET
    update_contract_name: str | UnsetType | None = UNSET
    update_credits: list[UpdateCreditBody] | None = None
    update_net_payment_terms_days: Decimal | UnsetType | None = UNSET
    update_recurring_commits: list[UpdateRecurringCommitBody] | None = None
    update_recurring_credits: list[UpdateRecurringCreditBody] | None = None
    update_scheduled_charges: list[UpdateChargeBody] | None = None
    update_subscriptions: list[UpdateSubscriptionBody] | None = None
    # Not supported, so refused by name; null, [] and {} say nothing and are let pass.
    add_billing_provider_configuration_update: Anything = UNSET
    add_prepaid_balance_threshold_configuration: Anything = UNSET
    add_reseller_royalties: Anything = UNSET
    add_revenue_system_configuration_update: Anything = UNSET
    add_spend_threshold_configuration: Anything = UNSET
    add_spend_trackers: Anything = UNSET
    archive_spend_trackers: Anything = UNSET
    update_prepaid_balance_threshold_configuration: Anything = UNSET
    update_spend_threshold_configuration: Anything = UNSET


class PastEditReply(Reply):
    """An edit made: its id, and all of it as the history shows it."""

    id: UUID
    edit: dict[str, Any]


class EditContractReply(Reply):
    data: PastEditReply


class EditHistoryReply(Reply):
    data: list[dict[str, Any]]


def edit_of(body: EditContract, making: Making, *, start: datetime) -> Edit:
    """An edit as asked for. Raises Invalid. `start`: of the contract, for subscriptions that do not say their own."""
    for name, reason in NOT_SUPPORTED.items():
        if not says_nothing(getattr(body, name)):
            raise Invalid(name, reason)
    commits, credits_ = body.update_commits or [], body.update_credits or []
    charges = body.update_scheduled_charges or []
    added = PartsBody(
        **{name: getattr(body, f"add_{name}") for name in PartsBody.__struct_fields__}
    )
    return Edit(
        body.contract_id,
        body.customer_id,
        describe=lambda outcome: described(body, outcome, making),
        add=new_parts("add_", added, making, Owner(body.customer_id, body.contract_id, start)),
        commits=[
            (place, grant_edit(place, one.commit_id, one, making))
            for place, one in placed("update_commits", commits)
        ],
        credits=[
            (place, grant_edit(place, one.credit_id, one, making))
            for place, one in placed("update_credits", credits_)
        ],
        recurring=_recurring_edits(body),
        charges=[
            (
                place,
                ChargeEdit(
                    one.scheduled_charge_id, invoice_edit(place, one.invoice_schedule, making)
                ),
            )
            for place, one in placed("update_scheduled_charges", charges)
        ],
        subscriptions=[
            (place, subscription_edit(place, one))
            for place, one in placed("update_subscriptions", body.update_subscriptions)
        ],
        archived_commits=_named("archive_commits", body.archive_commits),
        archived_credits=_named("archive_credits", body.archive_credits),
        archived_charges=_named("archive_scheduled_charges", body.archive_scheduled_charges),
        removed_overrides=_named("remove_overrides", body.remove_overrides),
        fields=_fields(body),
        shown={
            **{one.commit_id: grant_shown(one) for one in commits},
            **{one.credit_id: grant_shown(one) for one in credits_},
            **{one.scheduled_charge_id: texts(one, "netsuite_sales_order_id") for one in charges},
        },
        product_ids=frozenset(
            one.product_id for one in (*commits, *credits_) if one.product_id is not None
        ),
        may_end_before_finalized=body.allow_contract_ending_before_finalized_invoice,
        uniqueness_key=body.uniqueness_key,
    )


def described(body: EditContract, outcome: Edited, making: Making) -> bytes:
    """An edit as histories show it, as JSON: what was added whole, the rest as it was sent."""
    showing = Showing({**outcome.products, **making.products}, making.now)
    fields: dict[str, Any] = _described_parts(outcome, showing)
    for name in ("archive_commits", "archive_credits", "archive_scheduled_charges"):
        fields[name] = getattr(body, name)
    fields["remove_overrides"] = body.remove_overrides
    for name in ("update_contract_end_date", "update_contract_name"):
        given = getattr(body, name)
        fields[name] = None if given is UNSET else given
    for name, id_field in _UPDATES.items():
        fields[name] = [as_sent(one, id_field) for one in getattr(body, name) or ()]
    return encode({name: value for name, value in fields.items() if value})


def as_sent(body: Body, id_field: str) -> dict[str, Any]:
    """An update as it was sent, its part's id called `id` and its enum in upper case."""
    fields = msgspec.structs.asdict(body)
    fields["id"] = fields.pop(id_field)
    if fields.get("rate_type") is not None:
        fields["rate_type"] = fields["rate_type"].upper()
    return {
        name: value
        for name, value in fields.items()
        if value is not None and value is not UNSET and not isinstance(value, msgspec.Raw)
    }


def past_edit(past: PastEdit) -> dict[str, Any]:
    """An edit as histories show it."""
    shown = msgspec.json.decode(past.shown, type=dict[str, msgspec.Raw])
    fields = {"id": past.id, "timestamp": past.at, **shown}
    if past.uniqueness_key is not None:
        fields["uniqueness_key"] = past.uniqueness_key
    return fields


_UPDATES = {
    "update_commits": "commit_id",
    "update_credits": "credit_id",
    "update_recurring_commits": "recurring_commit_id",
    "update_recurring_credits": "recurring_credit_id",
    "update_scheduled_charges": "scheduled_charge_id",
    "update_subscriptions": "subscription_id",
}


def _described_parts(outcome: Edited, showing: Showing) -> dict[str, Any]:
    contract, added = outcome.contract, outcome.added

    def shown(identity: UUID) -> Mapping[str, Any]:
        return outcome.shown.get(str(identity), {})

    credit = GrantKind.CREDIT
    made_at = showing.now
    recurring = [
        (one.kind, recurring_reply(one, shown(one.id), contract, showing))
        for one in contract.recurring_grants
        if one.id in added
    ]
    charges = [
        (one.is_discount, charge_reply(one, shown(one.id), showing))
        for one in contract.scheduled_charges
        if one.id in added
    ]
    grants = [(one.grant.kind, grant_reply(one, showing)) for one in outcome.added_grants]
    return {
        "add_commits": [one for kind, one in grants if kind is not credit],
        "add_credits": [one for kind, one in grants if kind is credit],
        "add_recurring_commits": [one for kind, one in recurring if kind is not credit],
        "add_recurring_credits": [one for kind, one in recurring if kind is credit],
        "add_scheduled_charges": [one for is_discount, one in charges if not is_discount],
        "add_discounts": [one for is_discount, one in charges if is_discount],
        "add_overrides": [
            override_reply(one, shown(one.id), made_at, showing)
            for one in contract.overrides
            if one.id in added
        ],
        "add_subscriptions": [
            subscription_reply(one, shown(one.id), contract, showing)
            for one in contract.subscriptions
            if one.id in added
        ],
        "add_pro_services": [
            service_reply(one, shown(one.id))
            for one in contract.professional_services
            if one.id in added
        ],
    }


def _fields(body: EditContract) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    end, days = body.update_contract_end_date, body.update_net_payment_terms_days
    if not isinstance(end, UnsetType):
        fields["ending_before"] = optional_instant("update_contract_end_date", end)
    if body.update_contract_name is not UNSET:
        fields["name"] = body.update_contract_name
    if not isinstance(days, UnsetType):
        fields["net_payment_terms_days"] = (
            None if days is None else whole("update_net_payment_terms_days", days)
        )
    return fields


def _recurring_edits(body: EditContract) -> list[tuple[str, GrantKind, RecurringEdit]]:
    commits = placed("update_recurring_commits", body.update_recurring_commits)
    edits = [
        (
            place,
            GrantKind.PREPAID,
            RecurringEdit(
                one.recurring_commit_id,
                amount_edit(one.access_amount),
                amount_edit(one.invoice_amount),
                recurring_changes(place, one),
            ),
        )
        for place, one in commits
    ]
    for place, each in placed("update_recurring_credits", body.update_recurring_credits):
        edits.append(
            (
                place,
                GrantKind.CREDIT,
                RecurringEdit(
                    each.recurring_credit_id,
                    amount_edit(each.access_amount),
                    None,
                    recurring_changes(place, each),
                ),
            )
        )
    return edits


def _named(name: str, given: Sequence[IdBody] | None) -> list[Named]:
    return [Named(f"{name}[{at}].id", one.id) for at, one in enumerate(given or ())]
