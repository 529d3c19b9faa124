"""What is wrong with a grant or a recurring one. Fields are as in a commit or credit of POST /v1/contracts/create,
relative to it. Invoice schedules have rules of their own (`charges.schedule_issues`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from meterline.core.contract import Contract
from meterline.core.contract.recurring import (
    RecurrenceFrequency,
    RecurringAmount,
    RecurringGrant,
    SeatAllocation,
)
from meterline.core.contract.subscription import ProrationRounding
from meterline.core.decimals import ONE, decimal_issues
from meterline.core.errors import Issue
from meterline.core.ledger.grant import Grant, GrantKind, GrantSpecifier
from meterline.core.period import is_hour

SEGMENTS_FIELD = "access_schedule.schedule_items"
ROUNDING_PLACES_MAX = 5
"""Places of a proration's rounding go from minus this to plus this. Source: Metronome's proration rounding."""


def grant_issues(grant: Grant, contract: Contract | None) -> list[Issue]:
    """Return what is wrong with a grant; `contract`: whose it is, None for a customer's own."""
    issues = _segment_issues(grant)
    if contract is not None:
        issues += _beyond_contract_issues(grant, contract)
    elif grant.invoice is not None and grant.invoice_contract_id is None:
        issues.append(Issue("invoice_contract_id", "is required with an invoice_schedule"))
    if grant.kind is GrantKind.CREDIT and grant.invoice is not None:
        issues.append(Issue("invoice_schedule", "must not be given for a credit"))
    if grant.kind is GrantKind.POSTPAID:
        issues += _postpaid_issues(grant)
    issues += decimal_issues("priority", grant.priority, negative=True)
    issues += _fraction_issues(grant.rollover_fraction)
    return issues + specifier_issues(grant.specifiers)


def recurring_issues(recurring: RecurringGrant, contract: Contract) -> list[Issue]:
    """Return what is wrong with a recurring commit or credit of `contract`, which may hold it already."""
    issues = _life_issues(recurring, contract)
    if recurring.kind is GrantKind.POSTPAID:
        issues.append(Issue("type", "must be PREPAID"))
    if recurring.duration_periods < 1:
        issues.append(Issue("commit_duration.value", "must be at least 1"))
    issues += _amount_issues("access_amount", recurring.access, recurring)
    if recurring.invoice is not None:
        if recurring.kind is GrantKind.CREDIT:
            issues.append(Issue("invoice_amount", "must not be given for a credit"))
        issues += _amount_issues("invoice_amount", recurring.invoice, recurring)
    issues += _rounding_issues("proration_rounding.access", recurring.access_rounding)
    issues += _rounding_issues("proration_rounding.invoice", recurring.invoice_rounding)
    issues += decimal_issues("priority", recurring.priority, negative=True)
    issues += _fraction_issues(recurring.rollover_fraction)
    issues += _subscription_issues(recurring, contract)
    issues += _daily_issues(recurring, contract)
    return issues + specifier_issues(recurring.specifiers)


def restriction_issues(*, names_products: bool, has_specifiers: bool) -> list[Issue]:
    """Return what is wrong with restricting a grant in both forms at once."""
    if names_products and has_specifiers:
        message = "must not be given with applicable_product_ids or applicable_product_tags"
        return [Issue("specifiers", message)]
    return []


def specifier_issues(specifiers: Sequence[GrantSpecifier]) -> list[Issue]:
    """Return the specifiers that would let everything pass, and so make the others void."""
    return [
        Issue(f"specifiers[{index}]", "must name a product, tags or group values")
        for index, specifier in enumerate(specifiers)
        if specifier == GrantSpecifier()
    ]


def _segment_issues(grant: Grant) -> list[Issue]:
    if not grant.segments:
        return [Issue(SEGMENTS_FIELD, "must have at least one item")]
    issues = []
    for index, segment in enumerate(grant.segments):
        field = f"{SEGMENTS_FIELD}[{index}]"
        issues += decimal_issues(f"{field}.amount", segment.amount)
        issues += _hour_issues(f"{field}.starting_at", segment.starting_at)
        issues += _hour_issues(f"{field}.ending_before", segment.ending_before)
        if segment.ending_before <= segment.starting_at:
            issues.append(Issue(f"{field}.ending_before", "must be after starting_at"))
    by_start = sorted(enumerate(grant.segments), key=lambda item: item[1].starting_at)
    for (_, earlier), (index, later) in pairwise(by_start):
        if later.starting_at < earlier.ending_before:
            field = f"{SEGMENTS_FIELD}[{index}].starting_at"
            issues.append(Issue(field, "must not be before another item ends"))
    return issues


def _beyond_contract_issues(grant: Grant, contract: Contract) -> list[Issue]:
    issues = []
    for index, segment in enumerate(grant.segments):
        field = f"{SEGMENTS_FIELD}[{index}]"
        if segment.starting_at < contract.starting_at:
            message = "must not be before the contract starts"
            issues.append(Issue(f"{field}.starting_at", message))
        if contract.ending_before is not None and segment.ending_before > contract.ending_before:
            message = "must not be after the contract ends"
            issues.append(Issue(f"{field}.ending_before", message))
    return issues


def _postpaid_issues(grant: Grant) -> list[Issue]:
    """A postpaid commit is one promise, trued up once: one segment, one invoice date, one amount."""
    if len(grant.segments) != 1:
        return [Issue(SEGMENTS_FIELD, "must have exactly one item for a POSTPAID commit")]
    if grant.invoice is None or len(grant.invoice.items) != 1:
        message = "must have exactly one item for a POSTPAID commit: its true-up"
        return [Issue("invoice_schedule.schedule_items", message)]
    issues = []
    if grant.invoice.items[0].amount != grant.segments[0].amount:
        message = "must equal the amount of the access_schedule of a POSTPAID commit"
        issues.append(Issue("invoice_schedule.schedule_items[0].amount", message))
    if grant.invoice.credit_type != grant.credit_type:
        message = "must equal that of the access_schedule of a POSTPAID commit"
        issues.append(Issue("invoice_schedule.credit_type_id", message))
    return issues


def _life_issues(recurring: RecurringGrant, contract: Contract) -> list[Issue]:
    issues = _hour_issues("starting_at", recurring.starting_at)
    if recurring.starting_at < contract.starting_at:
        issues.append(Issue("starting_at", "must not be before the contract starts"))
    if contract.ending_before is not None and recurring.starting_at >= contract.ending_before:
        issues.append(Issue("starting_at", "must be before the contract ends"))
    if recurring.ending_before is not None:
        issues += _hour_issues("ending_before", recurring.ending_before)
        if recurring.ending_before <= recurring.starting_at:
            issues.append(Issue("ending_before", "must be after starting_at"))
    return issues


def _amount_issues(field: str, amount: RecurringAmount, recurring: RecurringGrant) -> list[Issue]:
    issues = decimal_issues(f"{field}.unit_price", amount.unit_price)
    if amount.quantity is not None:
        issues += decimal_issues(f"{field}.quantity", amount.quantity)
    elif recurring.subscription_id is None:
        issues.append(Issue(f"{field}.quantity", "is required without a subscription_config"))
    return issues


def _subscription_issues(recurring: RecurringGrant, contract: Contract) -> list[Issue]:
    if recurring.subscription_id is None:
        return []
    linked = next(
        (one for one in contract.subscriptions if one.id == recurring.subscription_id), None
    )
    if linked is None:
        message = "names no subscription of the contract"
        return [Issue("subscription_config.subscription_id", message)]
    if recurring.allocation is SeatAllocation.INDIVIDUAL and linked.seat_group_key is None:
        message = "must be POOLED unless the subscription is SEAT_BASED"
        return [Issue("subscription_config.allocation", message)]
    return []


def _daily_issues(recurring: RecurringGrant, contract: Contract) -> list[Issue]:
    """Source: Metronome's recurring commits: DAILY once a contract, and not with seats."""
    if recurring.frequency is not RecurrenceFrequency.DAILY:
        return []
    if recurring.subscription_id is not None:
        return [Issue("recurrence_frequency", "must not be DAILY with a subscription_config")]
    for other in contract.recurring_grants:
        is_other = other.id != recurring.id and other.archived_at is None
        if is_other and other.frequency is RecurrenceFrequency.DAILY:
            return [Issue("recurrence_frequency", "can be DAILY once in a contract")]
    return []


def _rounding_issues(field: str, rounding: ProrationRounding | None) -> list[Issue]:
    if rounding is None or abs(rounding.decimal_places) <= ROUNDING_PLACES_MAX:
        return []
    bound = ROUNDING_PLACES_MAX
    return [Issue(f"{field}.decimal_places", f"must be from -{bound} to {bound}")]


def _fraction_issues(fraction: Decimal | None) -> list[Issue]:
    if fraction is None:
        return []
    issues = decimal_issues("rollover_fraction", fraction)
    if not issues and fraction > ONE:
        issues.append(Issue("rollover_fraction", "must be from 0 to 1"))
    return issues


def _hour_issues(field: str, instant: datetime) -> list[Issue]:
    return [] if is_hour(instant) else [Issue(field, "must be on an hour boundary, in UTC")]
