"""Grants: commits and credits. What a customer may spend before he pays, or has promised to spend.

A grant is terms; what is left of it is the sum of its ledger entries (`ledger.entry`). Amounts are in the grant's
credit type, in its own measure, or in units of usage for QUANTITY access.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from meterline.core.contract.schedule import InvoiceSchedule
from meterline.core.money import CreditType


class GrantKind(StrEnum):
    """PREPAID and POSTPAID are commits."""

    PREPAID = "PREPAID"
    POSTPAID = "POSTPAID"
    CREDIT = "CREDIT"


class AccessType(StrEnum):
    """What a grant is counted in: money (or a custom unit), or units of the products it covers."""

    SPEND = "SPEND"
    QUANTITY = "QUANTITY"


class RateChoice(StrEnum):
    """At which price usage counts against the grant."""

    LIST_RATE = "LIST_RATE"
    COMMIT_RATE = "COMMIT_RATE"


@dataclass(frozen=True, slots=True)
class GrantSegment:
    """A stretch of a grant: usage in starting_at <= t < ending_before can spend `amount`. Edits name it by `id`."""

    id: UUID
    amount: Decimal
    starting_at: datetime
    ending_before: datetime


@dataclass(frozen=True, slots=True)
class GrantSpecifier:
    """What a grant pays for. Fields are ANDed, an empty one does not restrict; `product_tags`: any of them."""

    product_id: UUID | None = None
    product_tags: tuple[str, ...] = ()
    pricing_group_values: Mapping[str, str] = field(default_factory=dict)
    presentation_group_values: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RolledOver:
    """Where a rolled-over grant comes from."""

    grant_id: UUID
    contract_id: UUID
    kind: GrantKind


@dataclass(frozen=True, slots=True)
class Grant:
    """A commit or a credit of a customer, or of one of his contracts (`contract_id`).

    `specifiers` are ORed; none: all usage, subscription and composite charges. `applicable_product_ids` and `_tags`
    of the wire are specifiers too (one a product, one with the tags). `applicable_contract_ids` None: all contracts
    (a contract's own grant applies to that contract alone). `invoice` None: complimentary. With `seat_id` only usage
    whose presentation group value of `seat_group_key` is that seat can spend it.
    """

    id: UUID
    customer_id: UUID
    kind: GrantKind
    product_id: UUID
    credit_type: CreditType
    segments: tuple[GrantSegment, ...]
    created_at: datetime
    contract_id: UUID | None = None
    invoice: InvoiceSchedule | None = None
    priority: Decimal = Decimal(0)
    access_type: AccessType = AccessType.SPEND
    rate_type: RateChoice = RateChoice.LIST_RATE
    specifiers: tuple[GrantSpecifier, ...] = ()
    applicable_contract_ids: tuple[UUID, ...] | None = None
    invoice_contract_id: UUID | None = None
    rollover_fraction: Decimal | None = None
    rolled_over_from: RolledOver | None = None
    recurring_grant_id: UUID | None = None
    seat_group_key: str | None = None
    seat_id: str | None = None
    name: str | None = None
    archived_at: datetime | None = None
