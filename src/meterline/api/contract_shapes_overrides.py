"""Overrides on the wire: a contract's own prices, sent and shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from meterline.api.contract_shapes_context import (
    CreditTypeRef,
    Making,
    ProductRef,
    Showing,
    credit_type,
)
from meterline.api.rate_shapes import TermsBody, TermsReply, rate_terms, terms_fields
from meterline.api.requests import Body, Instant, Reply, instant, member, optional_instant
from meterline.core.contract.override import (
    Override,
    OverrideSpecifier,
    OverrideTarget,
    OverrideTier,
    OverrideType,
)
from meterline.core.decimals import plain
from meterline.core.errors import Invalid
from meterline.core.period import Frequency
from meterline.services.contract_parts import NewPart

_EFFECTS = ("overwrite_rate", "multiplier", "tiers")
_TARGETS = ("product_id", "applicable_product_tags", "override_specifiers")


class OverrideSpecifierBody(Body):
    product_id: UUID | None = None
    product_tags: list[str] | None = None
    pricing_group_values: dict[str, str] | None = None
    presentation_group_values: dict[str, str | None] | None = None
    billing_frequency: str | None = None
    commit_ids: list[str] | None = None
    recurring_commit_ids: list[str] | None = None
    any_commit_or_credit_ids: list[str] | None = None


class OverwriteRateBody(TermsBody, kw_only=True):
    credit_type_id: UUID | None = None


class OverrideTierBody(Body):
    multiplier: Decimal
    size: Decimal | None = None


class OverrideBody(Body):
    starting_at: Instant
    ending_before: Instant | None = None
    type: str | None = None
    product_id: UUID | None = None
    applicable_product_tags: list[str] | None = None
    override_specifiers: list[OverrideSpecifierBody] | None = None
    multiplier: Decimal | None = None
    overwrite_rate: OverwriteRateBody | None = None
    tiers: list[OverrideTierBody] | None = None
    entitled: bool | None = None
    priority: Decimal | None = None
    is_commit_specific: bool | None = None
    target: str | None = None


class OverrideSpecifierReply(Reply):
    product_id: UUID | None = None
    product_tags: list[str] | None = None
    pricing_group_values: dict[str, str] | None = None
    presentation_group_values: dict[str, str | None] | None = None
    billing_frequency: str | None = None
    commit_ids: list[UUID] | None = None
    recurring_commit_ids: list[UUID] | None = None
    any_commit_or_credit_ids: list[UUID] | None = None


class OverwriteRateReply(TermsReply):
    credit_type: CreditTypeRef | None = None


class OverrideTierReply(Reply):
    multiplier: Decimal
    size: Decimal | None = None


class OverrideReply(Reply):
    id: UUID
    type: str
    created_at: datetime
    starting_at: datetime
    ending_before: datetime | None = None
    product: ProductRef | None = None
    applicable_product_tags: list[str] | None = None
    override_specifiers: list[OverrideSpecifierReply] | None = None
    multiplier: Decimal | None = None
    overwrite_rate: OverwriteRateReply | None = None
    override_tiers: list[OverrideTierReply] | None = None
    entitled: bool | None = None
    priority: Decimal | None = None
    is_commit_specific: bool | None = None
    target: str | None = None


def override_of(place: str, body: OverrideBody, making: Making) -> NewPart[Override]:
    """An override as asked for. Raises Invalid; what its numbers may be is for the core to say."""
    if sum(bool(getattr(body, name)) for name in _TARGETS) > 1:
        raise Invalid(f"{place}override_specifiers", f"only one may be given of {_or(_TARGETS)}")
    overwrite = body.overwrite_rate
    unit = None
    if overwrite is not None and overwrite.credit_type_id is not None:
        unit = making.unit(f"{place}overwrite_rate.credit_type_id", overwrite.credit_type_id)
    override = Override(
        id=making.new_id(),
        type=_type(place, body),
        starting_at=instant(f"{place}starting_at", body.starting_at),
        ending_before=optional_instant(f"{place}ending_before", body.ending_before),
        specifiers=_specifiers(place, body, making),
        multiplier=body.multiplier,
        overwrite=None if overwrite is None else rate_terms(f"{place}overwrite_rate.", overwrite),
        overwrite_credit_type=unit,
        tiers=tuple(OverrideTier(one.multiplier, one.size) for one in body.tiers or ()),
        entitled=body.entitled,
        priority=body.priority,
        is_commit_specific=_is_commit_specific(body),
        target=OverrideTarget.LIST_RATE
        if body.target is None
        else member(f"{place}target", OverrideTarget, body.target),
    )
    by = next((name for name in _TARGETS if getattr(body, name)), None)
    shown = {"created_at": making.now.isoformat(), "by": by, "any_ids": _any_ids(body, making)}
    return NewPart(place, override, {name: one for name, one in shown.items() if one})


def override_reply(
    override: Override, shown: Mapping[str, Any], created_at: datetime, showing: Showing
) -> OverrideReply:
    """An override as shown. `created_at`: the contract's, where the override does not say its own."""
    by = shown.get("by")
    specifiers, overwrite = override.specifiers, override.overwrite
    product_id = specifiers[0].product_id if by == "product_id" else None
    at = shown.get("created_at")
    return OverrideReply(
        id=override.id,
        type=override.type,
        created_at=created_at if at is None else datetime.fromisoformat(at),
        starting_at=override.starting_at,
        ending_before=override.ending_before,
        product=None if product_id is None else showing.product(product_id),
        applicable_product_tags=[tag for one in specifiers for tag in one.product_tags]
        if by == "applicable_product_tags"
        else None,
        override_specifiers=[_specifier_reply(one, shown.get("any_ids", ())) for one in specifiers]
        if by == "override_specifiers"
        else None,
        multiplier=None if override.multiplier is None else plain(override.multiplier),
        overwrite_rate=None
        if overwrite is None
        else OverwriteRateReply(
            **terms_fields(overwrite),
            credit_type=None
            if override.overwrite_credit_type is None
            else credit_type(override.overwrite_credit_type),
        ),
        override_tiers=[
            OverrideTierReply(
                multiplier=plain(one.multiplier), size=None if one.size is None else plain(one.size)
            )
            for one in override.tiers
        ]
        or None,
        entitled=override.entitled,
        priority=None if override.priority is None else plain(override.priority),
        is_commit_specific=override.is_commit_specific,
        target=override.target,
    )


def _type(place: str, body: OverrideBody) -> OverrideType:
    if body.type is not None:
        return member(f"{place}type", OverrideType, body.type)
    given = [name for name in _EFFECTS if getattr(body, name) is not None]
    if len(given) > 1:
        raise Invalid(f"{place}type", f"only one may be given of {_or(_EFFECTS)}")
    if given == ["multiplier"]:
        return OverrideType.MULTIPLIER
    if given == ["tiers"]:
        return OverrideType.TIERED
    return OverrideType.OVERWRITE


def _specifiers(place: str, body: OverrideBody, making: Making) -> tuple[OverrideSpecifier, ...]:
    if body.product_id is not None:
        return (OverrideSpecifier(making.product(f"{place}product_id", body.product_id)),)
    if body.applicable_product_tags:
        return tuple(OverrideSpecifier(product_tags=(tag,)) for tag in body.applicable_product_tags)
    return tuple(
        _specifier(f"{place}override_specifiers[{position}].", one, making)
        for position, one in enumerate(body.override_specifiers or ())
    )


def _specifier(place: str, one: OverrideSpecifierBody, making: Making) -> OverrideSpecifier:
    if one.product_id is not None:
        making.product(f"{place}product_id", one.product_id)
    frequency = one.billing_frequency
    return OverrideSpecifier(
        product_id=one.product_id,
        product_tags=tuple(one.product_tags or ()),
        pricing_group_values=one.pricing_group_values or {},
        presentation_group_values=one.presentation_group_values or {},
        billing_frequency=None
        if frequency is None
        else member(f"{place}billing_frequency", Frequency, frequency),
        grant_ids=(
            *_ids(f"{place}commit_ids", one.commit_ids, making),
            *_ids(f"{place}any_commit_or_credit_ids", one.any_commit_or_credit_ids, making),
        ),
        recurring_grant_ids=_ids(f"{place}recurring_commit_ids", one.recurring_commit_ids, making),
    )


def _ids(place: str, given: Sequence[str] | None, making: Making) -> tuple[UUID, ...]:
    return tuple(making.named(f"{place}[{at}]", one) for at, one in enumerate(given or ()))


def _is_commit_specific(body: OverrideBody) -> bool:
    """As said, else whether a specifier is about what grants pay for."""
    if body.is_commit_specific is not None:
        return body.is_commit_specific
    names = ("commit_ids", "recurring_commit_ids", "any_commit_or_credit_ids")
    return any(getattr(one, name) for one in body.override_specifiers or () for name in names)


def _any_ids(body: OverrideBody, making: Making) -> list[str]:
    """Which ids came as `any_commit_or_credit_ids`; the core tells them from `commit_ids` no more."""
    return [
        str(making.named("", text))
        for one in body.override_specifiers or ()
        for text in one.any_commit_or_credit_ids or ()
    ]


def _specifier_reply(one: OverrideSpecifier, any_ids: Sequence[str]) -> OverrideSpecifierReply:
    return OverrideSpecifierReply(
        product_id=one.product_id,
        product_tags=list(one.product_tags) or None,
        pricing_group_values=dict(one.pricing_group_values) or None,
        presentation_group_values=dict(one.presentation_group_values) or None,
        billing_frequency=one.billing_frequency,
        commit_ids=[each for each in one.grant_ids if str(each) not in any_ids] or None,
        any_commit_or_credit_ids=[each for each in one.grant_ids if str(each) in any_ids] or None,
        recurring_commit_ids=list(one.recurring_grant_ids) or None,
    )


def _or(names: Sequence[str]) -> str:
    return " or ".join(names)
