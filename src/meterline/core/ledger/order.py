"""The drawdown order: which of several grants pays first.

Source: Metronome's prioritization rules. Its documentation leaves open how wide a product tag is, and ties beyond the
number of contracts: docs/decisions/0009-drawdown.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from meterline.core.ledger.grant import Grant, GrantKind, GrantSegment, GrantSpecifier

_ROLLED_OVER, _PREPAID, _POSTPAID = range(3)
_NAMED, _TAGGED, _UNRESTRICTED = range(3)


class DrawdownKey(NamedTuple):
    """Sorts segments of grants: the least pays first. Total: no two segments share a key.

    `priority` never crosses a class. `origin` and `is_paid` are each of one class alone and the same throughout the
    others.
    """

    drawdown_class: int
    origin: int
    priority: Decimal
    is_paid: bool
    products: tuple[int, int]
    usage_applicability: int
    ending_before: datetime
    starting_at: datetime
    contracts: tuple[bool, int]
    level: int
    created_at: datetime
    grant_id: UUID
    segment_id: UUID


def drawdown_key(grant: Grant, segment: GrantSegment) -> DrawdownKey:
    """Return the place of `segment` among all a customer has."""
    rolled_over_from = grant.rolled_over_from
    if rolled_over_from is not None:
        drawdown_class = _ROLLED_OVER
    else:
        drawdown_class = _POSTPAID if grant.kind is GrantKind.POSTPAID else _PREPAID
    return DrawdownKey(
        drawdown_class=drawdown_class,
        origin=int(rolled_over_from is not None and rolled_over_from.kind != GrantKind.POSTPAID),
        priority=grant.priority,
        is_paid=rolled_over_from is None and _is_paid(grant),
        products=_product_applicability(grant.specifiers),
        usage_applicability=sum(map(_is_of_usage_alone, grant.specifiers)),
        ending_before=segment.ending_before,
        starting_at=segment.starting_at,
        contracts=_contract_applicability(grant),
        level=_level(grant),
        created_at=grant.created_at,
        grant_id=grant.id,
        segment_id=segment.id,
    )


def _is_paid(grant: Grant) -> bool:
    """Whether the cost basis (what is invoiced for each unit granted) is above zero."""
    return (
        grant.kind is not GrantKind.CREDIT
        and grant.invoice is not None
        and any(item.amount for item in grant.invoice.items)
    )


def _product_applicability(specifiers: Sequence[GrantSpecifier]) -> tuple[int, int]:
    """How many products a grant can pay for: those it names; those of tags; all.

    Tags are wider than any list of products, as more products may get one. Specifiers of group values alone do not
    count beside those of products, and on their own leave the products unrestricted.
    """
    tags = {
        tag
        for specifier in specifiers
        if specifier.product_id is None
        for tag in specifier.product_tags
    }
    products = {
        specifier.product_id for specifier in specifiers if specifier.product_id is not None
    }
    if tags:
        return _TAGGED, len(tags) + len(products)
    return (_NAMED, len(products)) if products else (_UNRESTRICTED, 0)


def _is_of_usage_alone(specifier: GrantSpecifier) -> bool:
    """Whether it restricts by group values, and not by product."""
    return (
        specifier.product_id is None
        and not specifier.product_tags
        and bool(specifier.pricing_group_values or specifier.presentation_group_values)
    )


def _contract_applicability(grant: Grant) -> tuple[bool, int]:
    if grant.contract_id is not None:
        return False, 1
    if grant.applicable_contract_ids is None:
        return True, 0
    return False, len(grant.applicable_contract_ids)


def _level(grant: Grant) -> int:
    """A seat's own before a contract's, and that before a customer's."""
    if grant.seat_id is not None:
        return 0
    return 1 if grant.contract_id is not None else 2
