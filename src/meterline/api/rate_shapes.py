"""What a rate charges, on the wire: sent in rates and overwrites, shown wherever there is a price."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from meterline.api.requests import Body, Reply, member
from meterline.core.catalogue import CustomModel, CustomRate, Rate, RateTerms, RateType, Tier
from meterline.core.decimals import ZERO, plain


class TierBody(Body):
    price: Decimal
    size: Decimal | None = None


class CustomTierBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    price: Decimal
    size: Decimal | None = None
    flat_fee: Decimal = ZERO


class CustomRateBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Ours, so a field that is not known is a mistake, and would not be charged."""

    model: str
    price: Decimal | None = None
    tiers: list[CustomTierBody] | None = None
    package_size: Decimal | None = None
    minimum_spend: Decimal | None = None
    maximum_spend: Decimal | None = None


class CommitRateBody(Body):
    rate_type: str
    price: Decimal | None = None
    tiers: list[TierBody] | None = None


class TermsBody(CommitRateBody, kw_only=True):
    custom_rate: CustomRateBody | None = None
    is_prorated: bool | None = None
    quantity: Decimal | None = None


class TierReply(Reply):
    price: Decimal
    size: Decimal | None = None


class CustomTierReply(TierReply):
    flat_fee: Decimal | None = None


class MultiplierTierReply(Reply):
    multiplier: Decimal
    size: Decimal | None = None


class CustomRateReply(Reply):
    model: str
    price: Decimal | None = None
    tiers: list[CustomTierReply] | None = None
    package_size: Decimal | None = None
    minimum_spend: Decimal | None = None
    maximum_spend: Decimal | None = None
    multiplier_tiers: list[MultiplierTierReply] | None = None


class CommitRateReply(Reply):
    rate_type: str
    price: Decimal | None = None
    tiers: list[TierReply] | None = None


class TermsReply(CommitRateReply):
    custom_rate: CustomRateReply | None = None
    is_prorated: bool | None = None
    quantity: Decimal | None = None


def commit_rate_terms(place: str, data: CommitRateBody) -> RateTerms:
    """The terms of a commit rate. Raises Invalid; what its numbers may be is for the core to say."""
    rate_type = member(f"{place}rate_type", RateType, data.rate_type)
    return RateTerms(rate_type, data.price, _tiers(data.tiers))


def rate_terms(place: str, data: TermsBody) -> RateTerms:
    """The terms of a rate. Raises Invalid; what its numbers may be is for the core to say."""
    custom = data.custom_rate
    return RateTerms(
        member(f"{place}rate_type", RateType, data.rate_type),
        data.price,
        _tiers(data.tiers),
        data.quantity,
        data.is_prorated,
        None if custom is None else _custom(f"{place}custom_rate.", custom),
    )


def terms_fields(terms: RateTerms) -> dict[str, Any]:
    """The fields of `TermsReply`."""
    return {
        "rate_type": terms.rate_type,
        "price": _shown(terms.price),
        "tiers": [TierReply(price=plain(one.price), size=_shown(one.size)) for one in terms.tiers]
        or None,
        "quantity": _shown(terms.quantity),
        "is_prorated": terms.is_prorated,
        "custom_rate": None if terms.custom is None else _custom_reply(terms.custom),
    }


def commit_rate_reply(rate: Rate) -> CommitRateReply | None:
    """The price while a commit pays at the commit rate."""
    terms = rate.commit_terms
    if terms is None:
        return None
    fields = terms_fields(terms)
    return CommitRateReply(**{name: fields[name] for name in ("rate_type", "price", "tiers")})


def _tiers(given: Sequence[TierBody] | None) -> tuple[Tier, ...]:
    return tuple(Tier(one.price, one.size) for one in given or ())


def _custom(place: str, data: CustomRateBody) -> CustomRate:
    return CustomRate(
        member(f"{place}model", CustomModel, data.model),
        data.price,
        tuple(Tier(one.price, one.size, one.flat_fee) for one in data.tiers or ()),
        data.package_size,
        data.minimum_spend,
        data.maximum_spend,
    )


def _custom_reply(custom: CustomRate) -> CustomRateReply:
    return CustomRateReply(
        model=custom.model,
        price=_shown(custom.price),
        tiers=[
            CustomTierReply(
                price=plain(one.price),
                size=_shown(one.size),
                flat_fee=plain(one.flat_fee) if one.flat_fee else None,
            )
            for one in custom.tiers
        ]
        or None,
        package_size=_shown(custom.package_size),
        minimum_spend=_shown(custom.minimum_spend),
        maximum_spend=_shown(custom.maximum_spend),
        multiplier_tiers=[
            MultiplierTierReply(multiplier=plain(one.price), size=_shown(one.size))
            for one in custom.multiplier_tiers
        ]
        or None,
    )


def _shown(number: Decimal | None) -> Decimal | None:
    return None if number is None else plain(number)
