"""What is wrong with scheduled charges and professional services; fields are named as callers send them."""

from __future__ import annotations

from collections.abc import Sequence

from meterline.core.catalogue import Product, ProductType
from meterline.core.charges.schedule_rules import amount_issues, schedule_issues
from meterline.core.charges.schedules import amount_of
from meterline.core.contract import Contract
from meterline.core.contract.professional_service import ProfessionalService
from meterline.core.contract.schedule import DatedAmount, ScheduleTerms
from meterline.core.decimals import EXACT, decimal_issues, plain, total
from meterline.core.errors import Issue


def product_type_issues(
    product: Product | None, wanted: ProductType, field: str = "product_id"
) -> list[Issue]:
    """Return what is wrong with naming `product` where one of type `wanted` belongs."""
    if product is None:
        return [Issue(field, "names no product")]
    if product.archived_at is not None:
        return [Issue(field, "names an archived product")]
    if product.type is not wanted:
        return [Issue(field, f"must be a {wanted} product, and is {product.type}")]
    return []


def scheduled_charge_issues(
    terms: ScheduleTerms, contract: Contract, product: Product | None, *, is_discount: bool = False
) -> list[Issue]:
    """Return what is wrong with a scheduled charge or discount of `contract`; fields are relative to it.

    Dates lie in the contract's life; its end counts, as what is due then may be on its last usage invoice.
    """
    return product_type_issues(product, ProductType.FIXED) + schedule_issues(
        terms,
        "schedule",
        earliest=contract.starting_at,
        latest=contract.ending_before,
        negative=is_discount,
    )


def professional_service_issues(
    service: ProfessionalService, product: Product | None
) -> list[Issue]:
    """Return what is wrong with a professional service; fields are relative to it."""
    return [
        *product_type_issues(product, ProductType.PRO_SERVICE),
        *decimal_issues("max_amount", service.max_amount),
        *decimal_issues("unit_price", service.unit_price),
        *decimal_issues("quantity", service.quantity),
    ]


def service_invoice_issues(
    service: ProfessionalService, lines: Sequence[DatedAmount], places: Sequence[int]
) -> list[Issue]:
    """Return what is wrong with invoicing `lines` of `service`: above all, its ceiling.

    `places`: where each was sent, in line_items. Everything invoiced so far counts against `max_amount`, whatever its
    date or its invoice's fate.
    """
    issues = []
    asked = []
    for place, line in zip(places, lines, strict=True):
        wrong = amount_issues(line, f"line_items[{place}]")
        issues += wrong
        if not wrong:
            asked.append(amount_of(line))
    if issues:
        return issues
    left = EXACT.subtract(service.max_amount, total(item.amount for item in service.invoiced))
    if total(asked) > left:
        field = f"line_items[{places[-1]}]"
        return [Issue(field, f"must not be more than is left of max_amount: {plain(left)}")]
    return []
