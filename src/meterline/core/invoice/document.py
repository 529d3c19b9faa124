"""What an invoice is: a document of lines, equal whenever it is made from equal terms, usage and balances.

Amounts are exact and never rounded in here. Lines stay in their price's credit type; `total` counts those in the
invoice's own currency. Source: docs/decisions/0012-invoices-and-their-life.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from meterline.core.catalogue import RateTerms
from meterline.core.ledger.grant import AccessType, GrantKind
from meterline.core.money import CreditType
from meterline.core.rating.piece import PieceKind
from meterline.core.rating.tier_walk import TierPosition


class InvoiceType(StrEnum):
    """What an invoice is made from."""

    USAGE = "USAGE"
    SCHEDULED = "SCHEDULED"


class InvoiceStatus(StrEnum):
    """Where an invoice stands. Only a DRAFT moves."""

    DRAFT = "DRAFT"
    FINALIZED = "FINALIZED"
    VOID = "VOID"


class LineType(StrEnum):
    """What a line charges. A composite's line is USAGE, as Metronome has it: its `product_type` tells them apart."""

    USAGE = "usage"
    SUBSCRIPTION = "subscription"
    SCHEDULED = "scheduled"
    COMMIT_PURCHASE = "commit_purchase"
    APPLIED = "applied_commit_or_credit"
    CPU_CONVERSION = "cpu_conversion"


@dataclass(frozen=True, slots=True)
class AppliedGrant:
    """The commit or credit that a line was paid with."""

    id: UUID
    type: GrantKind
    access_type: AccessType = AccessType.SPEND


@dataclass(frozen=True, slots=True)
class LineItem:
    """A line: `quantity` at `unit_price` makes `total`, in `credit_type`'s own measure (US dollars: cents).

    Where a grant covers a part of a line, amounts are cut exactly and quantities rounded (docs/decisions/0012), so
    only the parts' sums multiply out. Group values are None for a product without such keys. Decimals are in shortest
    form (`plain`). `id` derives from the invoice's and from what the line is for: a draft's lines keep theirs.
    `grant_id` (`commit_id` on the wire): what the line was paid with, or what it buys. `source_id`: the schedule item
    or the subscription's charge it bills, so that nothing is billed twice. `counts`: what the quantity is of.
    """

    id: UUID
    type: LineType
    name: str
    credit_type: CreditType
    quantity: Decimal
    unit_price: Decimal
    total: Decimal
    product_id: UUID | None = None
    product_type: str | None = None
    product_tags: tuple[str, ...] = ()
    starting_at: datetime | None = None
    ending_before: datetime | None = None
    pricing_group_values: Mapping[str, str | None] | None = None
    presentation_group_values: Mapping[str, str | None] | None = None
    tier: TierPosition | None = None
    list_price: RateTerms | None = None
    grant_id: UUID | None = None
    segment_id: UUID | None = None
    grant_kind: GrantKind | None = None
    applied: AppliedGrant | None = None
    quantity_consumed: Decimal | None = None
    subscription_id: UUID | None = None
    scheduled_charge_id: UUID | None = None
    discount_id: UUID | None = None
    professional_service_id: UUID | None = None
    is_prorated: bool | None = None
    source_id: UUID | None = None
    counts: PieceKind = PieceKind.UNITS


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice: of a contract's billing period (USAGE), or of one date (SCHEDULED: start and end are that date).

    `contract_id` None: a purchase on customer level. `total` and `subtotal` are in `credit_type`. `issued_at` is when
    it became final, None for a draft. `regenerated_from`: the void invoice it stands in for.
    """

    id: UUID
    customer_id: UUID
    contract_id: UUID | None
    type: InvoiceType
    status: InvoiceStatus
    credit_type: CreditType
    line_items: tuple[LineItem, ...]
    subtotal: Decimal
    total: Decimal
    start_timestamp: datetime
    end_timestamp: datetime
    issued_at: datetime | None = None
    net_payment_terms_days: int | None = None
    regenerated_from: UUID | None = None
    voided_at: datetime | None = None
