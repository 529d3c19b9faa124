"""POST /v1/simulations: a price or contract change applied to real past usage. Nothing is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from meterline.api.contract_shapes_context import making_of
from meterline.api.contract_shapes_overrides import OverrideBody, override_of
from meterline.api.requests import (
    Body,
    Instant,
    Limit,
    NextPage,
    Reply,
    optional_instant,
    page_request,
)
from meterline.api.v1.rate_cards import CreditTypeRef, credit_type_ref
from meterline.api.v1.rates import RateBody, new_rate
from meterline.api.wire import post
from meterline.core.errors import Invalid
from meterline.core.period import Period
from meterline.core.simulation import SINCE_EVER
from meterline.services import simulation
from meterline.services.rates import RATES_MAX, NewRate
from meterline.services.simulation import CustomerOutcome, Trial
from meterline.services.workspace import Workspace

CUSTOMERS_MAX = 100
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


class TriedOverrideBody(OverrideBody, kw_only=True):
    """An override as contracts take them; it is tried on the whole month, whenever it is to start."""

    starting_at: Instant = SINCE_EVER


class TriedRateBody(RateBody, kw_only=True):
    """A rate as addRates takes it, of a card; it is tried on the whole month, whenever it is to start."""

    rate_card_id: UUID
    starting_at: Instant = SINCE_EVER
    entitled: bool = True


class Simulate(Body):
    month: str
    customer_ids: list[UUID] | None = None
    rate_card_id: UUID | None = None
    prices_at: Instant | None = None
    overrides: list[TriedOverrideBody] | None = None
    rates: list[TriedRateBody] | None = None


class ProductOutcomeReply(Reply):
    name: str
    old_total: Decimal
    new_total: Decimal
    difference: Decimal
    product_id: UUID | None = None


class OutcomeReply(Reply):
    customer_id: UUID
    customer_name: str
    credit_type: CreditTypeRef
    old_total: Decimal
    new_total: Decimal
    difference: Decimal
    products: list[ProductOutcomeReply]


class OutcomesReply(Reply):
    data: list[OutcomeReply]
    next_page: str | None


@post("/v1/simulations", scope="read")
async def simulate(
    workspace: Workspace, data: Simulate, limit: Limit = None, next_page: NextPage = None
) -> OutcomesReply:
    """What the customers' usage invoices of a month are, and would be. A page is of customers, by age."""
    if data.customer_ids is not None and len(data.customer_ids) > CUSTOMERS_MAX:
        raise Invalid("customer_ids", f"must be at most {CUSTOMERS_MAX}")
    making = await making_of(workspace, data)
    trial = Trial(
        month=_month(data.month),
        customer_ids=data.customer_ids,
        rate_card_id=data.rate_card_id,
        prices_at=optional_instant("prices_at", data.prices_at) or workspace.now,
        overrides=tuple(
            override_of(f"overrides[{position}].", one, making).value
            for position, one in enumerate(data.overrides or ())
        ),
        rates=_rates(data.rates or ()),
    )
    # A cursor stands for customers alone, so that its place does not hang on what is tried on them.
    request = page_request("simulations", next_page, limit, data.month, data.customer_ids)
    page = await simulation.page(workspace, trial, request)
    rows = [_outcome(one) for of_customer in page.rows for one in of_customer]
    return OutcomesReply(data=rows, next_page=page.next_page)


def _rates(given: Sequence[TriedRateBody]) -> dict[UUID, list[NewRate]]:
    if len(given) > RATES_MAX:
        raise Invalid("rates", f"must hold at most {RATES_MAX} rates")
    found: dict[UUID, list[NewRate]] = {}
    for position, one in enumerate(given):
        found.setdefault(one.rate_card_id, []).append(new_rate(f"rates[{position}].", one))
    return found


def _month(text: str) -> Period:
    match = _MONTH.fullmatch(text)
    if match is None or not 1970 <= int(match[1]) < 2200:
        raise Invalid("month", "must be a month such as 2026-10")
    year, month = int(match[1]), int(match[2])
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    return Period(datetime(year, month, 1, tzinfo=UTC), datetime(*following, 1, tzinfo=UTC))


def _outcome(one: CustomerOutcome) -> OutcomeReply:
    outcome = one.outcome
    return OutcomeReply(
        customer_id=outcome.customer_id,
        customer_name=one.name,
        credit_type=credit_type_ref(outcome.credit_type),
        old_total=outcome.old,
        new_total=outcome.new,
        difference=outcome.difference,
        products=[
            ProductOutcomeReply(
                product_id=product.product_id,
                name=product.name,
                old_total=product.old,
                new_total=product.new,
                difference=product.difference,
            )
            for product in outcome.products
        ],
    )


routes = [simulate]
