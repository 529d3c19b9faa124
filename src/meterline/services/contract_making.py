"""From parts as asked for to a contract's terms and grants: every rule that needs what is stored or named."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from meterline.core.catalogue import Product, ProductType, Rate, RateCard
from meterline.core.charges import (
    invoice_schedule,
    professional_service_issues,
    schedule_issues,
    scheduled_charge_issues,
    subscription_issues,
)
from meterline.core.contract import Contract
from meterline.core.contract.schedule import ScheduledCharge
from meterline.core.contract.subscription import Subscription
from meterline.core.errors import Issue, require
from meterline.core.ledger.grant import AccessType, Grant
from meterline.core.ledger.rules import grant_issues, recurring_issues
from meterline.core.money import CreditType
from meterline.core.rating.override_rules import override_issues
from meterline.services import products, rate_cards
from meterline.services.catalogue import load_rates
from meterline.services.contract_parts import NewPart, NewParts, PlannedCharge, PlannedGrant
from meterline.store.database import Connection


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What parts are checked against: the card, the products they name, and the grants the customer has already.

    `rates`: the card's, where subscriptions are to be added.
    """

    card: RateCard | None
    products: Mapping[UUID, Product]
    grant_ids: frozenset[UUID] = frozenset()
    rates: tuple[Rate, ...] = ()


async def surroundings(
    connection: Connection,
    rate_card_id: UUID | None,
    parts: NewParts,
    *,
    grant_ids: Collection[UUID] = (),
    product_ids: Collection[UUID] = (),
) -> Surroundings:
    """Read what `parts`, and edits that name `product_ids`, are checked against."""
    cards = await rate_cards.load(connection, [] if rate_card_id is None else [rate_card_id])
    sold = await products.load(connection, {*_product_ids(parts), *product_ids})
    card = None if rate_card_id is None else cards[rate_card_id]
    rates: list[Rate] = []
    if parts.subscriptions and rate_card_id is not None:
        rates = await load_rates(connection, rate_card_id)
    return Surroundings(card, sold, frozenset(grant_ids), tuple(rates))


def with_parts(contract: Contract, parts: NewParts, around: Surroundings) -> Contract:
    """Return `contract` with `parts` added. Raises Invalid for the first thing wrong with them.

    Subscriptions come first, for recurring grants may be about them.
    """
    for subscription in parts.subscriptions:
        one = subscription.value
        found = subscription_issues(one, contract, around.products[one.product_id])
        require(subscription.issues(found))
        contract = replace(contract, subscriptions=(*contract.subscriptions, one))
    for service in parts.services:
        product = around.products[service.value.product_id]
        require(service.issues(professional_service_issues(service.value, product)))
        made = service.value
        if around.card is not None:
            made = replace(made, credit_type=around.card.fiat_credit_type)
        contract = replace(contract, professional_services=(*contract.professional_services, made))
    for charge in parts.charges:
        dated = _charge(charge, contract, around)
        contract = replace(contract, scheduled_charges=(*contract.scheduled_charges, dated))
    for recurring in parts.recurring:
        grant = recurring.value
        changed = replace(contract, recurring_grants=(*contract.recurring_grants, grant))
        require(recurring.issues(recurring_issues(grant, changed)))
        require(recurring.issues(fixed_product_issues(around.products[grant.product_id])))
        currencies = [("access_amount.credit_type_id", grant.access.credit_type)]
        if grant.access_type is AccessType.QUANTITY:
            currencies = []
        require(recurring.issues(access_currency_issues(currencies, around.card)))
        if grant.invoice is not None:
            paid = grant.invoice.credit_type
            at = "invoice_amount.credit_type_id"
            require(recurring.issues(invoice_currency_issues(at, paid, around.card)))
        contract = changed
    contract = _with_overrides(contract, parts, around)
    for subscription in parts.subscriptions:
        require(subscription.issues(_unsold_issues(subscription.value, contract, around)))
    return contract


def made_grant(
    part: NewPart[PlannedGrant], contract: Contract | None, around: Surroundings
) -> Grant:
    """Return the grant that `part` asks for. Raises Invalid; `contract`: whose it is, None for a customer's own."""
    grant, terms = part.value.grant, part.value.invoice
    if terms is not None:
        require(part.issues(schedule_issues(terms, "invoice_schedule")))
        grant = replace(grant, invoice=invoice_schedule(grant.id, terms))
    require(part.issues(fixed_product_issues(around.products[grant.product_id])))
    require(part.issues(grant_issues(grant, contract)))
    require(part.issues(grant_currency_issues(grant, around.card)))
    return grant


def fixed_product_issues(product: Product) -> list[Issue]:
    """Return whether commits and credits can hang on `product`."""
    if product.archived_at is not None:
        return [Issue("product_id", "the product is archived")]
    if product.type is not ProductType.FIXED:
        return [Issue("product_id", f"must be a FIXED product, not {product.type}")]
    return []


def grant_currency_issues(grant: Grant, card: RateCard | None) -> list[Issue]:
    """Return the credit types of a grant that its rate card's prices could never meet."""
    issues = []
    if grant.access_type is AccessType.SPEND:
        at = "access_schedule.credit_type_id"
        issues += access_currency_issues([(at, grant.credit_type)], card)
    if grant.invoice is not None:
        at = "invoice_schedule.credit_type_id"
        issues += invoice_currency_issues(at, grant.invoice.credit_type, card)
    return issues


def access_currency_issues(
    units: list[tuple[str, CreditType]], card: RateCard | None
) -> list[Issue]:
    """Return what is in another currency than the card's. Custom pricing units are always taken."""
    return [
        Issue(
            at, f"must be {card.fiat_credit_type.name}, the rate card's currency, or a custom unit"
        )
        for at, unit in units
        if card is not None and unit.is_currency and unit != card.fiat_credit_type
    ]


def invoice_currency_issues(at: str, unit: CreditType, card: RateCard | None) -> list[Issue]:
    """Return what would be invoiced in something else than the card's currency."""
    if card is None and not unit.is_currency:
        return [Issue(at, "must be a currency: custom pricing units are not paid with")]
    if card is not None and unit != card.fiat_credit_type:
        return [Issue(at, f"must be {card.fiat_credit_type.name}, the rate card's currency")]
    return []


def _charge(
    part: NewPart[PlannedCharge], contract: Contract, around: Surroundings
) -> ScheduledCharge:
    charge = part.value
    found = scheduled_charge_issues(
        charge.schedule,
        contract,
        around.products[charge.product_id],
        is_discount=charge.is_discount,
    )
    require(part.issues(found))
    unit = charge.schedule.credit_type
    require(part.issues(invoice_currency_issues("schedule.credit_type_id", unit, around.card)))
    return ScheduledCharge(
        id=charge.id,
        product_id=charge.product_id,
        schedule=invoice_schedule(charge.id, charge.schedule),
        name=charge.name,
        is_discount=charge.is_discount,
    )


def _unsold_issues(
    subscription: Subscription, contract: Contract, around: Surroundings
) -> list[Issue]:
    """Return whether neither the card nor an overwrite of the contract's has a price for the subscription.

    A rate that is not entitled will do: it may be sold later. So will one of the old form, for every frequency.
    """
    wanted = (None, subscription.billing_frequency)
    priced = any(
        rate.product_id == subscription.product_id and rate.billing_frequency in wanted
        for rate in around.rates
    )
    overwritten = any(
        specifier.product_id == subscription.product_id and specifier.billing_frequency in wanted
        for override in contract.overrides
        if override.overwrite is not None
        for specifier in override.specifiers
    )
    if priced or overwritten:
        return []
    frequency = subscription.billing_frequency
    return [Issue("subscription_rate", f"the rate card has no {frequency} rate of the product")]


def _with_overrides(contract: Contract, parts: NewParts, around: Surroundings) -> Contract:
    recurring = {one.id for one in contract.recurring_grants}
    grants = around.grant_ids | {one.value.id for one in parts.grants}
    for part in parts.overrides:
        override = part.value
        for position, one in enumerate(override.specifiers):
            at = f"override_specifiers[{position}]"
            wrong = [
                Issue(f"{at}.commit_ids", f"{each} is no commit or credit of the customer")
                for each in one.grant_ids
                if each not in grants
            ]
            wrong += [
                Issue(f"{at}.recurring_commit_ids", f"{each} is none of the contract")
                for each in one.recurring_grant_ids
                if each not in recurring
            ]
            require(part.issues(wrong))
        require(part.issues(override_issues(override, contract, around.card, around.products)))
        contract = replace(contract, overrides=(*contract.overrides, override))
    return contract


def _product_ids(parts: NewParts) -> Iterator[UUID]:
    for grant in parts.grants:
        yield grant.value.grant.product_id
    for several in (parts.recurring, parts.charges, parts.subscriptions, parts.services):
        for part in several:
            yield part.value.product_id
    for override in parts.overrides:
        for specifier in override.value.specifiers:
            if specifier.product_id is not None:
                yield specifier.product_id
