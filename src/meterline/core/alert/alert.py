"""What an alert is. Source: Metronome's threshold notifications; docs/decisions/0016-alerts.md."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from meterline.core.invoice.document import InvoiceType
from meterline.core.ledger.grant import AccessType
from meterline.core.money import USD_CENTS, CreditType


class AlertType(StrEnum):
    """What is watched. Names are lower case in replies too."""

    SPEND = "spend_threshold_reached"
    USAGE = "usage_threshold_reached"
    INVOICE_TOTAL = "invoice_total_reached"
    COMMIT_BALANCE = "low_remaining_commit_balance_reached"
    COMMIT_PERCENTAGE = "low_remaining_commit_percentage_reached"
    CREDIT_BALANCE = "low_remaining_contract_credit_balance_reached"
    CREDIT_PERCENTAGE = "low_remaining_contract_credit_percentage_reached"
    COMBINED_BALANCE = "low_remaining_contract_credit_and_commit_balance_reached"
    COMBINED_PERCENTAGE = "low_remaining_contract_credit_and_commit_percentage_reached"
    SEAT_BALANCE = "low_remaining_seat_balance_reached"
    COMMIT_DAYS = "low_remaining_days_for_commit_segment_reached"
    CREDIT_DAYS = "low_remaining_days_for_contract_credit_segment_reached"


PERCENTAGES = frozenset(
    {AlertType.COMMIT_PERCENTAGE, AlertType.CREDIT_PERCENTAGE, AlertType.COMBINED_PERCENTAGE}
)
COMBINED = frozenset({AlertType.COMBINED_BALANCE, AlertType.COMBINED_PERCENTAGE})
BALANCES = PERCENTAGES | {
    AlertType.COMMIT_BALANCE,
    AlertType.CREDIT_BALANCE,
    AlertType.COMBINED_BALANCE,
    AlertType.SEAT_BALANCE,
}
DAYS = frozenset({AlertType.COMMIT_DAYS, AlertType.CREDIT_DAYS})
OF_COMMITS = frozenset(
    {AlertType.COMMIT_BALANCE, AlertType.COMMIT_PERCENTAGE, AlertType.COMMIT_DAYS}
)
OF_CREDITS = frozenset(
    {AlertType.CREDIT_BALANCE, AlertType.CREDIT_PERCENTAGE, AlertType.CREDIT_DAYS}
)


class AlertStatus(StrEnum):
    """Whether an alert is evaluated. Nothing disables one yet."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    ARCHIVED = "archived"


class CustomerStatus(StrEnum):
    """Where a customer stands by an alert."""

    OK = "ok"
    IN_ALARM = "in_alarm"


class FilteredEntity(StrEnum):
    """Whose custom field a filter asks for."""

    CONTRACT = "Contract"
    COMMIT = "Commit"
    CREDIT = "ContractCredit"
    CREDIT_OR_COMMIT = "ContractCreditOrCommit"


@dataclass(frozen=True, slots=True)
class CustomFieldFilter:
    """The field `key` of the entity is `value`; None: it has one, and each value counts by itself."""

    entity: FilteredEntity
    key: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class BalanceSpecifier:
    """Grants that pass all `filters` and no group of `exclude` (a group: all of its filters)."""

    filters: tuple[CustomFieldFilter, ...] = ()
    exclude: tuple[tuple[CustomFieldFilter, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class GroupValue:
    """Lines whose group value of `key` is `value`; None: lines that have one, each value counting by itself."""

    key: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class SeatFilter:
    """Seats of `group_key`; `value`: only that one."""

    group_key: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """A threshold on one customer, or on each (`customer_id` None), those to come too.

    `threshold`: in the credit type's measure, in units, in per cent, or in days, as the type has it. `credit_type`
    None: US cents, or all where days are counted. Filters are ANDed, `specifiers` ORed; none do not restrict.
    """

    id: UUID
    type: AlertType
    name: str
    threshold: Decimal
    created_at: datetime
    customer_id: UUID | None = None
    credit_type: CreditType | None = None
    billable_metric_id: UUID | None = None
    custom_field_filters: tuple[CustomFieldFilter, ...] = ()
    group_values: tuple[GroupValue, ...] = ()
    specifiers: tuple[BalanceSpecifier, ...] = ()
    invoice_types: tuple[InvoiceType, ...] = ()
    seat: SeatFilter | None = None
    access_type: AccessType | None = None
    uniqueness_key: str | None = None
    archived_at: datetime | None = None

    @property
    def status(self) -> AlertStatus:
        """Whether it is evaluated."""
        return AlertStatus.ENABLED if self.archived_at is None else AlertStatus.ARCHIVED

    @property
    def updated_at(self) -> datetime:
        """When it was last changed: alerts are made and archived, and never edited."""
        return self.created_at if self.archived_at is None else self.archived_at

    @property
    def unit(self) -> CreditType:
        """The credit type that amounts are counted in."""
        return self.credit_type or USD_CENTS
