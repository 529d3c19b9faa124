"""Rates of a card: addRate, addRates, getRates, getRateSchedule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from meterline.api.rate_shapes import (
    CommitRateBody,
    CommitRateReply,
    TermsBody,
    TermsReply,
    commit_rate_reply,
    commit_rate_terms,
    rate_terms,
    terms_fields,
)
from meterline.api.requests import (
    Body,
    IdReply,
    Instant,
    Limit,
    NextPage,
    Reply,
    id_reply,
    instant,
    member,
    optional_instant,
    page_request,
)
from meterline.api.v1.rate_cards import PATH, CreditTypeRef, credit_type_ref
from meterline.api.wire import post
from meterline.core.catalogue import Rate
from meterline.core.errors import Invalid
from meterline.core.period import Frequency
from meterline.services import rates
from meterline.services.workspace import Workspace

__all__ = [
    "CommitRateReply",
    "RateReply",
    "SelectorBody",
    "TermsBody",
    "commit_rate_reply",
    "new_rate",
    "rate_reply",
    "rate_terms",
    "routes",
    "selectors",
    "terms_fields",
]


class RateBody(TermsBody, kw_only=True):
    product_id: UUID
    starting_at: Instant
    entitled: bool
    ending_before: Instant | None = None
    billing_frequency: str | None = None
    commit_rate: CommitRateBody | None = None
    credit_type_id: UUID | None = None
    pricing_group_values: dict[str, str] | None = None


class AddRate(RateBody, kw_only=True):
    rate_card_id: UUID


class AddRates(Body):
    rate_card_id: UUID
    rates: list[RateBody]


class SelectorBody(Body):
    product_id: UUID | None = None
    product_tags: list[str] | None = None
    pricing_group_values: dict[str, str] | None = None
    partial_pricing_group_values: dict[str, str] | None = None
    billing_frequency: str | None = None


class GetRates(Body):
    rate_card_id: UUID
    at: Instant
    selectors: list[SelectorBody] | None = None


class GetRateSchedule(Body):
    rate_card_id: UUID
    starting_at: Instant
    ending_before: Instant | None = None
    selectors: list[SelectorBody] | None = None


class RateReply(TermsReply):
    credit_type: CreditTypeRef | None = None
    pricing_group_values: dict[str, str] | None = None


class AddedRate(RateReply):
    commit_rate: CommitRateReply | None = None


class AddRateReply(Reply):
    data: AddedRate


class RateRowReply(Reply):
    entitled: bool
    product_id: UUID
    product_name: str
    product_tags: list[str]
    product_custom_fields: dict[str, str]
    rate: RateReply
    starting_at: datetime
    ending_before: datetime | None = None
    pricing_group_values: dict[str, str] | None = None
    commit_rate: CommitRateReply | None = None
    billing_frequency: str | None = None


class RateRowsReply(Reply):
    data: list[RateRowReply]
    next_page: str | None


@post(f"{PATH}/addRate")
async def add_rate(workspace: Workspace, data: AddRate) -> AddRateReply:
    """Price a product from an hour on."""
    (rate,) = await rates.add(workspace, data.rate_card_id, [new_rate("", data)])
    shown = AddedRate(
        **terms_fields(rate.terms),
        credit_type=credit_type_ref(rate.credit_type),
        pricing_group_values=dict(rate.pricing_group_values) or None,
        commit_rate=commit_rate_reply(rate),
    )
    return AddRateReply(data=shown)


@post(f"{PATH}/addRates")
async def add_rates(workspace: Workspace, data: AddRates) -> IdReply:
    """Add many rates, all or none."""
    new = [new_rate(f"rates[{index}].", one) for index, one in enumerate(data.rates)]
    await rates.add(workspace, data.rate_card_id, new)
    return id_reply(data.rate_card_id)


@post(f"{PATH}/getRates", scope="read")
async def get_rates(
    workspace: Workspace, data: GetRates, limit: Limit = None, next_page: NextPage = None
) -> RateRowsReply:
    """The rates in force at an instant."""
    at = instant("at", data.at)
    scope = (data.rate_card_id, at, data.selectors)
    page = await rates.page_between(
        workspace,
        data.rate_card_id,
        span=rates.Span(at, at),
        selectors=selectors(data.selectors),
        request=page_request("rates", next_page, limit, *scope),
    )
    return RateRowsReply(data=[_row(row) for row in page.rows], next_page=page.next_page)


@post(f"{PATH}/getRateSchedule", scope="read")
async def get_rate_schedule(
    workspace: Workspace, data: GetRateSchedule, limit: Limit = None, next_page: NextPage = None
) -> RateRowsReply:
    """The stretches of time under each rate."""
    span = rates.Span(
        instant("starting_at", data.starting_at),
        optional_instant("ending_before", data.ending_before),
    )
    if span.ending_before is not None and span.ending_before <= span.starting_at:
        raise Invalid("ending_before", "must be after starting_at")
    scope = (data.rate_card_id, span, data.selectors)
    page = await rates.page_between(
        workspace,
        data.rate_card_id,
        span=span,
        selectors=selectors(data.selectors),
        request=page_request("rate-schedule", next_page, limit, *scope),
    )
    return RateRowsReply(data=[_row(row) for row in page.rows], next_page=page.next_page)


def selectors(given: Sequence[SelectorBody] | None) -> list[rates.RateSelector]:
    """Selectors as sent; none at all select everything."""
    return [
        rates.RateSelector(
            product_id=one.product_id,
            product_tags=one.product_tags,
            pricing_group_values=one.pricing_group_values,
            partial_pricing_group_values=one.partial_pricing_group_values,
            billing_frequency=None
            if one.billing_frequency is None
            else member(f"selectors[{i}].billing_frequency", Frequency, one.billing_frequency),
        )
        for i, one in enumerate(given or ())
    ]


def rate_reply(rate: Rate) -> RateReply:
    """A rate as rows show it."""
    return RateReply(
        **terms_fields(rate.terms),
        credit_type=credit_type_ref(rate.credit_type),
        pricing_group_values=dict(rate.pricing_group_values) or None,
    )


def _row(row: rates.RateRow) -> RateRowReply:
    return RateRowReply(
        entitled=row.rate.entitled,
        product_id=row.rate.product_id,
        product_name=row.product_name,
        product_tags=list(row.product_tags),
        product_custom_fields=row.product_custom_fields,
        rate=rate_reply(row.rate),
        starting_at=row.starting_at,
        ending_before=row.ending_before,
        pricing_group_values=dict(row.rate.pricing_group_values) or None,
        commit_rate=commit_rate_reply(row.rate),
        billing_frequency=row.rate.billing_frequency,
    )


def new_rate(place: str, data: RateBody) -> rates.NewRate:
    """A rate as asked for. Raises Invalid."""
    commit, frequency = data.commit_rate, data.billing_frequency
    return rates.NewRate(
        product_id=data.product_id,
        starting_at=instant(f"{place}starting_at", data.starting_at),
        ending_before=optional_instant(f"{place}ending_before", data.ending_before),
        entitled=data.entitled,
        terms=rate_terms(place, data),
        pricing_group_values=data.pricing_group_values or {},
        credit_type_id=data.credit_type_id,
        commit_terms=None if commit is None else commit_rate_terms(f"{place}commit_rate.", commit),
        billing_frequency=None
        if frequency is None
        else member(f"{place}billing_frequency", Frequency, frequency),
    )


routes = [add_rate, add_rates, get_rates, get_rate_schedule]
