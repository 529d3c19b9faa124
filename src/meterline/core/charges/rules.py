"""What is wrong with subscriptions, scheduled charges and services; fields are named as callers send them."""

from __future__ import annotations

from collections.abc import Sequence

from meterline.core.catalogue import Product
from meterline.core.contract import Contract
from meterline.core.contract.professional_service import ProfessionalService
from meterline.core.contract.schedule import DatedAmount, ScheduleTerms
from meterline.core.contract.subscription import Subscription
from meterline.core.errors import Issue


def subscription_issues(
    subscription: Subscription, contract: Contract, product: Product | None
) -> list[Issue]:
    """Return what is wrong with a subscription of `contract`; fields are relative to it. `product`: the one it names."""
    raise NotImplementedError


def scheduled_charge_issues(
    terms: ScheduleTerms, contract: Contract, product: Product | None
) -> list[Issue]:
    """Return what is wrong with a scheduled charge or discount of `contract`; fields are relative to it."""
    raise NotImplementedError


def professional_service_issues(
    service: ProfessionalService, product: Product | None
) -> list[Issue]:
    """Return what is wrong with a professional service; fields are relative to it."""
    raise NotImplementedError


def service_invoice_issues(
    service: ProfessionalService, lines: Sequence[DatedAmount], field: str
) -> list[Issue]:
    """Return what is wrong with invoicing `lines` of `service`: above all, its ceiling."""
    raise NotImplementedError
