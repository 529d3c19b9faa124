"""What a grant may pay for: which contracts, which charges, at which times."""

from __future__ import annotations

from collections.abc import Mapping

from meterline.core.contract import Contract
from meterline.core.ledger.chargeable import Chargeable, ChargeClass
from meterline.core.ledger.grant import AccessType, Grant, GrantSegment, GrantSpecifier


def reaches(grant: Grant, contract: Contract) -> bool:
    """Whether charges of `contract` can be paid with `grant` at all."""
    if grant.archived_at is not None:
        return False
    if grant.contract_id is not None:
        return grant.contract_id == contract.id
    return grant.applicable_contract_ids is None or contract.id in grant.applicable_contract_ids


def covers(segment: GrantSegment, chargeable: Chargeable) -> bool:
    """Whether the charge's time lies in the segment: all of the usage's, or the start of a subscription's cycle.

    Charges are cut where segments begin and end, so that usage lies in one or out of it.
    """
    period = chargeable.period
    if period.start < segment.starting_at:
        return False
    if chargeable.charge_class is ChargeClass.SUBSCRIPTION:
        return period.start < segment.ending_before
    return period.end <= segment.ending_before


def pays_for(grant: Grant, chargeable: Chargeable) -> bool:
    """Whether unit, seat and specifiers fit the charge."""
    if grant.access_type is AccessType.QUANTITY:
        # Units of what: a composite is a share of money, and a conversion is money.
        if chargeable.charge_class > ChargeClass.SUBSCRIPTION:
            return False
    elif grant.credit_type != chargeable.credit_type:
        return False
    if grant.seat_id is not None:
        seat = chargeable.presentation_group_values.get(grant.seat_group_key or "")
        if seat != grant.seat_id:
            return False
    return not grant.specifiers or any(
        _matches(specifier, chargeable) for specifier in grant.specifiers
    )


def _matches(specifier: GrantSpecifier, chargeable: Chargeable) -> bool:
    if specifier.product_id is not None and specifier.product_id != chargeable.product_id:
        return False
    if specifier.product_tags and not any(
        tag in chargeable.product_tags for tag in specifier.product_tags
    ):
        return False
    return _is_subset(
        specifier.pricing_group_values, chargeable.pricing_group_values
    ) and _is_subset(specifier.presentation_group_values, chargeable.presentation_group_values)


def _is_subset(wanted: Mapping[str, str | None], found: Mapping[str, str | None]) -> bool:
    return all(key in found and found[key] == value for key, value in wanted.items())
