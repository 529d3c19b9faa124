"""What each kind of charge is to a grant that may pay for it, and what its lines say."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from uuid import UUID

from meterline.core.catalogue import Product
from meterline.core.charges import CompositeCharge, SubscriptionCharge
from meterline.core.invoice.document import LineType
from meterline.core.invoice.lines import LineSubject
from meterline.core.ledger.chargeable import Chargeable, ChargeClass
from meterline.core.rating.charges import Move

Products = Mapping[UUID, Product]

# Thousands of lines share a product and a date, and writing either out costs as much as the rest of a key.
_text = lru_cache(maxsize=4_096)(str)


def move_subject(move: Move) -> LineSubject:
    """The lines of usage. `move`: the first of its run."""
    product, segment = move.product, move.segment
    listed = segment.listed
    return LineSubject(
        f"{_text(product.id)}/{move.values}/{_text(segment.period.start)}",
        LineType.USAGE,
        product.name,
        segment.rate.credit_type,
        product.id,
        "UsageProductListItem",
        product.tags,
        _pricing_values(move) if move.grouping.pricing_key else None,
        _presentation_values(move) if move.grouping.presentation_key else None,
        segment.rate.terms if listed is None else listed.terms,
    )


def move_chargeable(move: Move) -> Chargeable:
    """Usage, as grants see it."""
    product, segment, values = move.product, move.segment, move.values
    return Chargeable(
        ChargeClass.USAGE,
        product.id,
        product.name,
        segment.rate.credit_type,
        segment.period,
        move.before,
        move.after,
        segment.list_model(values),
        partial(segment.commit_model, values=values),
        product.tags,
        _pricing_values(move),
        _presentation_values(move),
    )


def _pricing_values(move: Move) -> dict[str, str | None]:
    return dict(zip(move.grouping.pricing_key, move.values, strict=False))


def _presentation_values(move: Move) -> dict[str, str | None]:
    grouping = move.grouping
    return dict(
        zip(grouping.presentation_key, move.values[len(grouping.pricing_key) :], strict=True)
    )


def subscription_subject(products: Products, charge: SubscriptionCharge) -> LineSubject:
    """The lines of a subscription's charge, which are named by its id wherever they are invoiced."""
    version = products[charge.subscription.product_id].at(charge.service_period.start)
    return LineSubject(
        f"subscription/{charge.id}",
        LineType.SUBSCRIPTION,
        version.name,
        charge.credit_type,
        charge.subscription.product_id,
        "SubscriptionProductListItem",
        version.tags,
        list_price=charge.rate.terms,
        subscription_id=charge.subscription.id,
        is_prorated=charge.is_prorated,
        source_id=charge.id,
    )


def subscription_chargeable(products: Products, charge: SubscriptionCharge) -> Chargeable:
    """A subscription's charge, as grants see it."""
    version = products[charge.subscription.product_id].at(charge.service_period.start)
    return Chargeable(
        ChargeClass.SUBSCRIPTION,
        charge.subscription.product_id,
        version.name,
        charge.credit_type,
        charge.service_period,
        charge.before,
        charge.after,
        charge.model,
        product_tags=version.tags,
    )


def composite_subject(charge: CompositeCharge) -> LineSubject:
    """The lines of a composite. `charge`: the first of its run."""
    composite = charge.composite
    return LineSubject(
        f"composite/{composite.product_id}/{charge.period.start.isoformat()}",
        LineType.USAGE,
        composite.name,
        charge.credit_type,
        composite.product_id,
        "CompositeProductListItem",
        composite.tags,
        list_price=charge.rate.terms,
    )


def composite_chargeable(charge: CompositeCharge) -> Chargeable:
    """A composite's charge, as grants see it."""
    composite = charge.composite
    return Chargeable(
        ChargeClass.COMPOSITE,
        composite.product_id,
        composite.name,
        charge.credit_type,
        charge.period,
        charge.before,
        charge.after,
        charge.model,
        product_tags=composite.tags,
    )
