"""Why a line says what it says: its rate, the override that acted, the tier walk, the drawdowns, the usage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from meterline.core.catalogue import RateTerms
from meterline.core.contract.override import Override
from meterline.core.invoice.document import Invoice, LineItem
from meterline.core.ledger.entry import LedgerEntry
from meterline.core.ledger.grant import Grant, GrantKind
from meterline.core.period import Period
from meterline.core.rating.plan import RatePlan
from meterline.core.rating.tier_walk import TierPosition
from meterline.core.usage import GroupValues, UsageBook


class RateInForce(NamedTuple):
    """The price a line's usage had: `terms` after the override, `list_terms` before."""

    starting_at: datetime
    ending_before: datetime | None
    terms: RateTerms
    list_terms: RateTerms
    billing_frequency: str | None = None


class TierStep(NamedTuple):
    """A part of the walk: the counter goes from `counter_before` to `counter_after` at `unit_price` each."""

    counter_before: Decimal
    counter_after: Decimal
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    tier: TierPosition | None


class Drawdown(NamedTuple):
    """What one grant's segment paid: amounts in the grant's credit type, or units for QUANTITY access."""

    grant_id: UUID
    segment_id: UUID
    kind: GrantKind
    amount: Decimal
    balance_before: Decimal
    balance_after: Decimal


class UsageSource(NamedTuple):
    """A stretch of metered usage that went into the line. `quantity`: the metric's, before conversion and rounding."""

    metric_id: UUID
    group_properties: tuple[str, ...]
    group_values: GroupValues
    period: Period
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Explanation:
    """A line with all that made it. `converted_from`/`priced_quantity`: before and after conversion and rounding."""

    line: LineItem
    rate: RateInForce | None = None
    override: Override | None = None
    metered_quantity: Decimal | None = None
    priced_quantity: Decimal | None = None
    walk: tuple[TierStep, ...] = ()
    drawdowns: tuple[Drawdown, ...] = ()
    usage: tuple[UsageSource, ...] = ()
    notes: tuple[str, ...] = ()


class Books(NamedTuple):
    """What there is beside the invoice to explain a line from.

    `plan` and `usage`: of the invoice's statement, None for a SCHEDULED one. `entries`: stored and pending ones.
    """

    plan: RatePlan | None
    usage: UsageBook | None
    overrides: Sequence[Override]
    grants: Sequence[Grant]
    entries: Sequence[LedgerEntry]


def explain(invoice: Invoice, line_id: UUID, books: Books) -> Explanation | None:
    """Return why the line of that id says what it says, None if the invoice has no such line."""
    raise NotImplementedError
