"""What a contract pays: the rates of its card, and what its overrides make of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from meterline.core.catalogue import Product, Rate
from meterline.core.contract import Contract
from meterline.core.period import Period
from meterline.core.rating import PriceList
from meterline.core.rating.overriding import (
    Overriding,
    PricedSpan,
    RateScope,
    priced_spans,
    sold_by_overwrites,
)
from meterline.services import catalogue, rates
from meterline.services.errors import NotFound
from meterline.services.paging import Page, PageRequest
from meterline.services.workspace import Workspace
from meterline.store import contracts as store
from meterline.store import products as product_store

_EVER = Period(datetime(1970, 1, 1, tzinfo=UTC), rates.OPEN_END)

ScopeKey = tuple[tuple[tuple[str, str], ...], str | None]


@dataclass(frozen=True, slots=True)
class ContractRate:
    """A stretch of what a contract pays. `row.rate` is the list price; `override_rate` what acts instead, if any does.

    Where an overwrite sells what the card does not, both are the overwrite. Overrides that ask for presentation group
    values, or for a grant that pays, act on some of the usage only and are not shown here.
    """

    row: rates.RateRow
    override_rate: Rate | None


async def page(
    workspace: Workspace,
    contract_id: UUID,
    customer_id: UUID,
    *,
    at: datetime | None,
    selectors: Sequence[rates.RateSelector],
    request: PageRequest,
) -> tuple[Page[ContractRate], UUID | None]:
    """What a contract is entitled to at `at`, or through its life, by product, group values and start; and its card.

    Raises NotFound.
    """
    async with workspace.transaction() as connection:
        row = await store.select(connection, contract_id, customer_id)
        if row is None:
            raise NotFound("contract", contract_id)
        contract = store.contract_of(row)
        if contract.rate_card_id is None:
            return Page([], None), None
        price_list = await catalogue.load_rate_plan_inputs(
            connection, contract.rate_card_id, _overwritten_products(contract)
        )
        ids = [product.id for product in price_list.products]
        custom_fields = {
            one["product_id"]: one["custom_fields"]
            for one in await product_store.select(connection, ids)
        }
    span = rates.Span(at or contract.starting_at, at or contract.ending_before)
    found = [
        one
        for one in _rows(price_list, contract, span, custom_fields)
        if not selectors
        or any(each.selects(one.row.rate, one.row.product_tags) for each in selectors)
    ]
    found.sort(key=_key)
    after = request.after
    following = found if after is None else [one for one in found if _key(one) > after]
    return request.page_of(following[: request.fetch], _key), contract.rate_card_id


def _key(one: ContractRate) -> tuple[str, ...]:
    return rates.row_key(one.row)


def _overwritten_products(contract: Contract) -> set[UUID]:
    return {
        specifier.product_id
        for override in contract.overrides
        if override.overwrite is not None
        for specifier in override.specifiers
        if specifier.product_id is not None
    }


def _rows(
    price_list: PriceList,
    contract: Contract,
    span: rates.Span,
    custom_fields: Mapping[UUID, dict[str, str]],
) -> Iterator[ContractRate]:
    card = price_list.card
    overriding = Overriding(contract.overrides, contract.prioritization, card.fiat_credit_type)
    by_product: dict[UUID, list[Rate]] = defaultdict(list)
    for rate in price_list.rates:
        by_product[rate.product_id].append(rate)
    for product in price_list.products:
        for scope, of_scope in _scopes(product, by_product[product.id], overriding):
            for stretch in _as_shown(priced_spans(of_scope, scope, overriding, _EVER)):
                shown = _row(stretch, product, span, custom_fields[product.id])
                if shown is not None:
                    yield shown


def _as_shown(stretches: Iterable[PricedSpan]) -> list[PricedSpan]:
    """Without the edges of what is not shown, such as commit-specific overrides."""
    found: list[PricedSpan] = []
    for stretch in stretches:
        last = found[-1] if found else None
        if last and last.period.end == stretch.period.start and _alike(last, stretch):
            period = Period(last.period.start, stretch.period.end)
            found[-1] = PricedSpan(period, stretch.pricing)
        else:
            found.append(stretch)
    return found


def _alike(one: PricedSpan, other: PricedSpan) -> bool:
    def shown(rate: Rate | None) -> tuple[object, ...] | None:
        if rate is None:
            return None
        return (rate.entitled, rate.credit_type, rate.terms, rate.commit_terms)

    left, right = one.pricing, other.pricing
    return (shown(left.listed), shown(left.rate), left.override) == (
        shown(right.listed),
        shown(right.rate),
        right.override,
    )


def _scopes(
    product: Product, of_product: Iterable[Rate], overriding: Overriding
) -> Iterator[tuple[RateScope, list[Rate]]]:
    """Everything about a product that has a price of its own, with its rates in the order they were added."""
    found: dict[ScopeKey, list[Rate]] = defaultdict(list)
    for rate in of_product:
        values = tuple(sorted(rate.pricing_group_values.items()))
        found[values, rate.billing_frequency].append(rate)
    keys = {version.pricing_group_key for version in product.versions}
    for override in overriding.overrides:
        frequencies = {one.billing_frequency for one in override.specifiers}
        for frequency in frequencies:
            for key in keys:
                for given in sold_by_overwrites([override], product, key):
                    found.setdefault((tuple(sorted(given.items())), frequency), [])
    for (values, frequency), of_scope in found.items():
        yield RateScope(product, dict(values), frequency), of_scope


def _row(
    stretch: PricedSpan, product: Product, span: rates.Span, custom_fields: dict[str, str]
) -> ContractRate | None:
    """The stretch as shown; None where it is not sold, or lies outside `span`."""
    period, pricing = stretch
    ending_before = None if period.end == rates.OPEN_END else period.end
    if not pricing.rate.entitled or not span.touches(period.start, ending_before):
        return None
    version = product.at(max(span.starting_at, period.start))
    row = rates.RateRow(
        rate=pricing.listed or pricing.rate,
        starting_at=period.start,
        ending_before=ending_before,
        product_name=version.name,
        product_tags=version.tags,
        product_custom_fields=custom_fields,
    )
    return ContractRate(row, None if pricing.override is None else pricing.rate)
