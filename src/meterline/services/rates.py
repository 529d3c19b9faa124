"""Rates of a card: adding them, and what is in force at an instant or through a span.

Each list row is a stretch of time under one rate. Rows go by product, pricing group values and start.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from meterline.core.catalogue import Product, Rate, RateTerms
from meterline.core.catalogue_rules import rate_issues
from meterline.core.errors import Invalid, require
from meterline.core.period import Period
from meterline.core.rating import rate_at, rate_segments
from meterline.services import catalogue, credit_types, products, rate_cards
from meterline.services.errors import NotFound
from meterline.services.paging import Page, PageRequest
from meterline.services.workspace import Workspace
from meterline.store import products as product_store
from meterline.store import rate_cards as store
from meterline.store import touches
from meterline.store.database import Connection

RATES_MAX = 1000  # of one addRates
OPEN_END = datetime(9000, 1, 1, tzinfo=UTC)  # beyond every instant a caller may name


@dataclass(frozen=True, slots=True)
class NewRate:
    """A rate as asked for. `credit_type_id` None: the card's currency."""

    product_id: UUID
    starting_at: datetime
    ending_before: datetime | None
    entitled: bool
    terms: RateTerms
    pricing_group_values: Mapping[str, str]
    credit_type_id: UUID | None = None
    commit_terms: RateTerms | None = None
    billing_frequency: str | None = None


@dataclass(frozen=True, slots=True)
class RateSelector:
    """Which rates to show; None does not restrict. `product_tags`: any of them."""

    product_id: UUID | None = None
    product_tags: Sequence[str] | None = None
    pricing_group_values: Mapping[str, str] | None = None
    partial_pricing_group_values: Mapping[str, str] | None = None
    billing_frequency: str | None = None

    def selects(self, rate: Rate, tags: Sequence[str]) -> bool:
        """Whether all that is given fits."""
        given = self.partial_pricing_group_values or {}
        return (
            self.product_id in (None, rate.product_id)
            and (self.product_tags is None or not set(self.product_tags).isdisjoint(tags))
            and self.pricing_group_values in (None, rate.pricing_group_values)
            and given.items() <= rate.pricing_group_values.items()
            and self.billing_frequency in (None, rate.billing_frequency)
        )


@dataclass(frozen=True, slots=True)
class RateRow:
    """A rate in force in starting_at <= t < ending_before (None: open), with its product then."""

    rate: Rate
    starting_at: datetime
    ending_before: datetime | None
    product_name: str
    product_tags: tuple[str, ...]
    product_custom_fields: dict[str, str]


async def add(workspace: Workspace, rate_card_id: UUID, new: Sequence[NewRate]) -> list[Rate]:
    """Add rates, all or none. Raises Invalid (`rates[2].price` for the third), NotFound."""
    if not 1 <= len(new) <= RATES_MAX:
        raise Invalid("rates", f"must hold 1 to {RATES_MAX} rates")
    async with workspace.transaction() as connection:
        # The card's lock keeps a product's unit fixed against another writer's first rate.
        if await store.lock(connection, rate_card_id) is None:
            raise NotFound("rate card", rate_card_id)
        rates = await checked(connection, rate_card_id, new)
        await store.insert_rates(connection, rate_card_id, rates, workspace.now)
        await touches.customers_of_rate_card(connection, rate_card_id)
    return rates


async def page_between(
    workspace: Workspace,
    rate_card_id: UUID,
    *,
    span: Span,
    selectors: Sequence[RateSelector],
    request: PageRequest,
) -> Page[RateRow]:
    """The stretches that touch `span`, whole; a span of one instant: what is in force then.

    Raises NotFound.
    """
    async with workspace.transaction() as connection:
        rows = await rows_of_card(connection, rate_card_id, selectors, span)
    return cut(rows, request)


@dataclass(frozen=True, slots=True)
class Span:
    """starting_at <= t < ending_before; None is open; two equal ends are that instant."""

    starting_at: datetime
    ending_before: datetime | None

    def touches(self, starting_at: datetime, ending_before: datetime | None) -> bool:
        """Whether a stretch lies in it, in part at least."""
        begun = ending_before is None or ending_before > self.starting_at
        if self.ending_before is None:
            return begun
        if self.ending_before == self.starting_at:
            return begun and starting_at <= self.starting_at
        return begun and starting_at < self.ending_before


async def rows_of_card(
    connection: Connection, rate_card_id: UUID, selectors: Sequence[RateSelector], span: Span
) -> list[RateRow]:
    """The stretches of a card's rates that touch `span`, in order. Raises NotFound."""
    if not await store.select(connection, [rate_card_id]):
        raise NotFound("rate card", rate_card_id)
    rates = await catalogue.load_rates(connection, rate_card_id)
    product_rows = await product_store.select(connection, list({one.product_id for one in rates}))
    custom_fields = {row["product_id"]: row["custom_fields"] for row in product_rows}
    sold = {row["product_id"]: product_store.product_of(row) for row in product_rows}
    by_key: dict[tuple[str, ...], list[Rate]] = defaultdict(list)
    for rate in rates:
        by_key[_rate_key(rate)].append(rate)
    rows = []
    for key in sorted(by_key):
        product = sold[by_key[key][0].product_id]
        for row in _rows_of(by_key[key], product, custom_fields[product.id], span):
            if not selectors or any(one.selects(row.rate, row.product_tags) for one in selectors):
                rows.append(row)
    return rows


def _rows_of(
    rates: Sequence[Rate], product: Product, custom_fields: dict[str, str], span: Span
) -> list[RateRow]:
    """The stretches of one product and one combination of pricing group values."""
    rows = []
    whole = Period(min(rate.starting_at for rate in rates), OPEN_END)
    for segment in rate_segments(rates, whole):
        ending_before = None if segment.period.end == OPEN_END else segment.period.end
        if not span.touches(segment.period.start, ending_before):
            continue
        seen_at = max(span.starting_at, segment.period.start)
        version = product.at(seen_at)
        rate = rate_at(rates, seen_at)
        assert rate is not None, "a segment has a rate at every instant"
        rows.append(
            RateRow(
                rate=rate,
                starting_at=segment.period.start,
                ending_before=ending_before,
                product_name=version.name,
                product_tags=version.tags,
                product_custom_fields=custom_fields,
            )
        )
    return rows


async def checked(connection: Connection, rate_card_id: UUID, new: Sequence[NewRate]) -> list[Rate]:
    """Return new rates of a card that exists as values. Raises Invalid (`rates[2].price` for the third)."""
    card = (await rate_cards.load(connection, [rate_card_id]))[rate_card_id]
    sold = await products.load(connection, (one.product_id for one in new))
    wanted = {one.credit_type_id or card.fiat_credit_type.id for one in new}
    units = await credit_types.load(connection, wanted)
    priced_in = await store.product_units(connection, rate_card_id, list(sold))
    rates = []
    for index, one in enumerate(new):
        place = f"rates[{index}]." if len(new) > 1 else ""
        product = sold.get(one.product_id)
        if product is None:
            raise Invalid(f"{place}product_id", f"names no product: {one.product_id}")
        if product.archived_at is not None:
            raise Invalid(f"{place}product_id", "is archived")
        unit_id = one.credit_type_id or card.fiat_credit_type.id
        if unit_id not in units:
            raise Invalid(f"{place}credit_type_id", "names no credit type")
        if priced_in.setdefault(product.id, unit_id) != unit_id:
            raise Invalid(f"{place}credit_type_id", "the product has rates in another unit")
        rate = Rate(
            product_id=product.id,
            starting_at=one.starting_at,
            ending_before=one.ending_before,
            entitled=one.entitled,
            credit_type=units[unit_id],
            terms=one.terms,
            pricing_group_values=one.pricing_group_values,
            commit_terms=one.commit_terms,
            billing_frequency=one.billing_frequency,
        )
        issues = rate_issues(rate, product, card)
        require(issue._replace(field=f"{place}{issue.field}") for issue in issues)
        rates.append(rate)
    return rates


def _rate_key(rate: Rate) -> tuple[str, ...]:
    values = json.dumps(dict(rate.pricing_group_values), sort_keys=True)
    return str(rate.product_id), values, rate.billing_frequency or ""


def row_key(row: RateRow) -> tuple[str, ...]:
    """What rows are ordered by."""
    # The start is written at one length, so that text sorts as time does.
    return (*_rate_key(row.rate), row.starting_at.astimezone(UTC).isoformat())


def cut(rows: Sequence[RateRow], request: PageRequest) -> Page[RateRow]:
    """Cut ordered rows to the page asked for."""
    after = request.after
    following = rows if after is None else [row for row in rows if row_key(row) > after]
    return request.page_of(following[: request.fetch], row_key)
