"""Why a line says what it says, as the reply shows it. An addition of Meterline's: the SDK does not ask for it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from meterline.api.invoice_shapes import LineItemReply, TierReply, line_item_reply, tier_reply
from meterline.api.rate_shapes import TermsReply, terms_fields
from meterline.api.requests import Reply
from meterline.core.contract.override import Override
from meterline.core.invoice.explanation import Drawdown, Explanation, TierStep, UsageSource


class RateInForceReply(Reply):
    starting_at: datetime
    rate: TermsReply
    list_rate: TermsReply
    ending_before: datetime | None = None
    billing_frequency: str | None = None


class OverrideRef(Reply):
    id: UUID
    type: str
    starting_at: datetime
    ending_before: datetime | None = None
    multiplier: Decimal | None = None
    priority: Decimal | None = None


class TierStepReply(Reply):
    """The counter goes from `counter_before` to `counter_after`."""

    counter_before: Decimal
    counter_after: Decimal
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    tier: TierReply | None = None


class DrawdownReply(Reply):
    commit_id: UUID
    segment_id: UUID
    type: str
    amount: Decimal
    balance_before: Decimal
    balance_after: Decimal


class UsageReply(Reply):
    billable_metric_id: UUID
    group_values: dict[str, str | None]
    starting_at: datetime
    ending_before: datetime
    quantity: Decimal


class ExplanationDetail(Reply):
    line_item: LineItemReply
    tier_walk: list[TierStepReply]
    drawdowns: list[DrawdownReply]
    usage: list[UsageReply]
    notes: list[str]
    rate: RateInForceReply | None = None
    override: OverrideRef | None = None
    metered_quantity: Decimal | None = None
    priced_quantity: Decimal | None = None


class ExplanationReply(Reply):
    data: ExplanationDetail


def explanation_reply(found: Explanation) -> ExplanationReply:
    """The reply of an explanation."""
    return ExplanationReply(
        data=ExplanationDetail(
            line_item=line_item_reply(found.line, lambda _: {}),
            rate=_rate(found),
            override=None if found.override is None else _override(found.override),
            metered_quantity=found.metered_quantity,
            priced_quantity=found.priced_quantity,
            tier_walk=[_step(one) for one in found.walk],
            drawdowns=[_drawdown(one) for one in found.drawdowns],
            usage=[_usage(one) for one in found.usage],
            notes=list(found.notes),
        )
    )


def _rate(found: Explanation) -> RateInForceReply | None:
    rate = found.rate
    if rate is None:
        return None
    return RateInForceReply(
        starting_at=rate.starting_at,
        ending_before=rate.ending_before,
        billing_frequency=rate.billing_frequency,
        rate=TermsReply(**terms_fields(rate.terms)),
        list_rate=TermsReply(**terms_fields(rate.list_terms)),
    )


def _override(acting: Override) -> OverrideRef:
    return OverrideRef(
        id=acting.id,
        type=acting.type,
        starting_at=acting.starting_at,
        ending_before=acting.ending_before,
        multiplier=acting.multiplier,
        priority=acting.priority,
    )


def _step(one: TierStep) -> TierStepReply:
    fields: dict[str, Any] = one._asdict()
    fields["tier"] = None if one.tier is None else tier_reply(one.tier)
    return TierStepReply(**fields)


def _drawdown(one: Drawdown) -> DrawdownReply:
    return DrawdownReply(
        commit_id=one.grant_id,
        segment_id=one.segment_id,
        type=one.kind,
        amount=one.amount,
        balance_before=one.balance_before,
        balance_after=one.balance_after,
    )


def _usage(one: UsageSource) -> UsageReply:
    return UsageReply(
        billable_metric_id=one.metric_id,
        group_values=dict(zip(one.group_properties, one.group_values, strict=True)),
        starting_at=one.period.start,
        ending_before=one.period.end,
        quantity=one.quantity,
    )
