"""Contracts: a customer, a rate card, a life, and how it is cut into billing periods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from meterline.core.contract.override import Override, Prioritization
from meterline.core.contract.professional_service import ProfessionalService
from meterline.core.contract.recurring import RecurringGrant
from meterline.core.contract.schedule import ScheduledCharge
from meterline.core.contract.subscription import Subscription
from meterline.core.errors import Issue
from meterline.core.metric import BillableMetric
from meterline.core.period import Period, StatementSchedule, is_hour


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """From `starting_at` on, only usage whose property `group_key` is one of `group_values` is the
    contract's.
    """

    group_key: str
    group_values: frozenset[str]
    starting_at: datetime


@dataclass(frozen=True, slots=True)
class Transition:
    """A renewal: the contract takes over from another, which ends where it starts.

    `removes_trueup`: what the older one's postpaid commits fall short of is not billed.
    """

    from_contract_id: UUID
    removes_trueup: bool = False


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract, in force in starting_at <= t < ending_before (None: open).

    `overrides` in the order they were added. `charges_on_usage_invoices`: a scheduled charge joins the usage invoice
    that ends at its date. `invoices_from`: usage statements before it are never invoiced (migration).
    """

    id: UUID
    customer_id: UUID
    rate_card_id: UUID | None
    starting_at: datetime
    ending_before: datetime | None
    schedule: StatementSchedule
    usage_filters: tuple[UsageFilter, ...] = ()
    name: str | None = None
    net_payment_terms_days: int | None = None
    archived_at: datetime | None = None
    created_at: datetime | None = None
    overrides: tuple[Override, ...] = ()
    prioritization: Prioritization = Prioritization.LOWEST_MULTIPLIER
    scheduled_charges: tuple[ScheduledCharge, ...] = ()
    charges_on_usage_invoices: bool = False
    recurring_grants: tuple[RecurringGrant, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    professional_services: tuple[ProfessionalService, ...] = ()
    invoices_from: datetime | None = None
    transition: Transition | None = None

    def period_at(self, instant: datetime) -> Period | None:
        """Return the billing period `instant` lies in, None outside the contract's life."""
        return self.schedule.period_at(
            instant, starting_at=self.starting_at, ending_before=self.ending_before
        )

    def periods(self) -> Iterator[Period]:
        """Yield the billing periods in order, without end for an open contract."""
        return self.schedule.periods(starting_at=self.starting_at, ending_before=self.ending_before)


def filter_at(filters: Sequence[UsageFilter], instant: datetime) -> UsageFilter | None:
    """Return the filter in force: the latest to have started, among equals the last given. None:
    all usage.
    """
    current: UsageFilter | None = None
    for candidate in filters:
        if candidate.starting_at <= instant and (
            current is None or candidate.starting_at >= current.starting_at
        ):
            current = candidate
    return current


def contract_issues(contract: Contract) -> list[Issue]:
    """Return what is wrong with a new contract; fields are as in POST /v1/contracts/create."""
    issues = []
    if not is_hour(contract.starting_at):
        issues.append(Issue("starting_at", "must be on an hour boundary, in UTC"))
    if contract.ending_before is not None:
        if not is_hour(contract.ending_before):
            issues.append(Issue("ending_before", "must be on an hour boundary, in UTC"))
        if contract.ending_before <= contract.starting_at:
            issues.append(Issue("ending_before", "must be after starting_at"))
    for usage_filter in contract.usage_filters:
        if not usage_filter.group_key:
            issues.append(Issue("usage_filter.group_key", "must not be empty"))
        if not usage_filter.group_values:
            issues.append(Issue("usage_filter.group_values", "must have at least one value"))
        if not is_hour(usage_filter.starting_at):
            issues.append(Issue("usage_filter.starting_at", "must be on an hour boundary, in UTC"))
    return issues


def usage_filter_issues(
    usage_filter: UsageFilter, metrics: Sequence[BillableMetric]
) -> list[Issue]:
    """Return what is wrong with a filter of usage of `metrics`, those a rate card counts by.

    Usage is kept by group values alone, so a property that no metric groups by would let nothing
    pass. One that only some group by is a choice; a card without metrics may still get them.
    """
    if not metrics or any(usage_filter.group_key in one.group_properties for one in metrics):
        return []
    return [
        Issue(
            "usage_filter.group_key",
            f"{usage_filter.group_key!r} is in no group key of the rate card's billable metrics",
        )
    ]
