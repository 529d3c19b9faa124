"""Simulation: a price or contract change applied to real past usage, before anyone ships it. Reads only.

Customers come a page at a time, in one read-only transaction each, and are drawn in a thread; what a page costs does
not depend on how many customers there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from meterline.core.contract.override import Override
from meterline.core.errors import Invalid, Issue, require
from meterline.core.invoice import Invoice
from meterline.core.lifecycle import Account, Statement, drafts, open_statements
from meterline.core.period import Period
from meterline.core.rating import PriceList
from meterline.core.rating.override_rules import override_issues
from meterline.core.simulation import (
    Outcome,
    Proposal,
    as_of,
    outcomes,
    prices_at,
    proposed,
    reopened,
    repriced,
    usage_invoices,
)
from meterline.core.usage import UsageBook
from meterline.services.accounts import load
from meterline.services.catalogue import load_price_lists, overridden_products
from meterline.services.errors import NotFound
from meterline.services.paging import Page, PageRequest, age_key
from meterline.services.rates import NewRate, checked
from meterline.services.statement_usage import usage_of
from meterline.services.workspace import Workspace
from meterline.store import customers as customer_store
from meterline.store.database import Connection, Row


@dataclass(frozen=True, slots=True)
class Trial:
    """What is asked: which month, which customers (None: all), and what is proposed.

    `rate_card_id`: prices every contract would have instead of its card's, as they are in force at `prices_at`.
    `rates`: new prices by card, for all who have the card.
    """

    month: Period
    customer_ids: Sequence[UUID] | None
    rate_card_id: UUID | None
    prices_at: datetime
    overrides: tuple[Override, ...] = ()
    rates: Mapping[UUID, Sequence[NewRate]] = field(default_factory=dict)


class CustomerOutcome(NamedTuple):
    """A customer and what the proposal makes of his month in one currency."""

    name: str
    outcome: Outcome


async def page(
    workspace: Workspace, trial: Trial, request: PageRequest
) -> Page[list[CustomerOutcome]]:
    """Return the outcomes of the next customers by age, a list each: empty without usage invoices in the month.

    Raises Invalid where nothing is proposed, the month has not begun, or an override makes no sense; NotFound for a
    customer or card that there is none of.
    """
    if trial.rate_card_id is None and not trial.overrides and not trial.rates:
        raise Invalid(
            "rate_card_id", "or overrides or rates must be given: there is nothing to try"
        )
    if trial.month.start > workspace.now:
        raise Invalid("month", "has not begun")
    async with workspace.snapshot() as connection:
        shown = await _customers(connection, trial, request)
        ids = [row["customer_id"] for row in shown.rows]
        accounts = await load(connection, workspace.environment_id, ids, workspace.now)
        proposal, price_lists = await _proposal(connection, trial, accounts.values())
        old = {key: reopened(account, trial.month) for key, account in accounts.items()}
        new = {key: proposed(account, proposal, price_lists) for key, account in old.items()}
        at = as_of(trial.month, workspace.now)
        sides = [await _read(connection, workspace.environment_id, side, at) for side in (old, new)]
    return await asyncio.to_thread(_compared, shown, trial.month, sides, at)


class _Side(NamedTuple):
    """Accounts under one set of terms, and the usage of their statements."""

    accounts: Mapping[UUID, Account]
    usage: Mapping[UUID, UsageBook]
    statements: Mapping[UUID, Sequence[Statement]]


async def _customers(connection: Connection, trial: Trial, request: PageRequest) -> Page[Row]:
    if trial.customer_ids is not None:
        known = await customer_store.existing_ids(connection, trial.customer_ids)
        for customer_id in trial.customer_ids:
            if customer_id not in known:
                raise NotFound("customer", customer_id)
    filters = {
        "archived": False,
        "ids": None if trial.customer_ids is None else list(trial.customer_ids),
        "alias": None,
        "salesforce_ids": None,
    }
    rows = await customer_store.select_page(
        connection, filters=filters, after=request.after_row(2), fetch=request.fetch
    )
    return request.page_of(rows, age_key("customer_id"))


async def _proposal(
    connection: Connection, trial: Trial, accounts: Collection[Account]
) -> tuple[Proposal, dict[UUID, PriceList]]:
    """Return the proposal, and the price lists of all cards that are in play, with what overrides name beside them."""
    contracts = [contract for account in accounts for contract in account.contracts]
    named = {
        specifier.product_id
        for override in trial.overrides
        for specifier in override.specifiers
        if specifier.product_id is not None
    }
    wanted: dict[UUID, set[UUID]] = {}
    for contract in contracts:
        card_id = trial.rate_card_id or contract.rate_card_id
        if card_id is not None:
            wanted.setdefault(card_id, set(named)).update(overridden_products(contract))
    # These must exist, whoever is asked about.
    if trial.rate_card_id is not None:
        wanted.setdefault(trial.rate_card_id, set(named))
    for card_id, rates in trial.rates.items():
        wanted.setdefault(card_id, set(named)).update(one.product_id for one in rates)
    found = await load_price_lists(connection, wanted)
    price_list = None
    if trial.rate_card_id is not None:
        price_list = prices_at(found[trial.rate_card_id], trial.prices_at)
        found[trial.rate_card_id] = price_list
    for card_id, rates in trial.rates.items():
        found[card_id] = repriced(found[card_id], await checked(connection, card_id, rates))
    if trial.rate_card_id is not None:
        price_list = found[trial.rate_card_id]
    for contract in contracts:
        tried = found.get(trial.rate_card_id or contract.rate_card_id or contract.id)
        if tried is not None:
            products = {product.id: product for product in tried.products}
            for position, override in enumerate(trial.overrides):
                issues = override_issues(override, contract, tried.card, products)
                require(
                    Issue(f"overrides[{position}].{one.field}".rstrip("."), one.message)
                    for one in issues
                )
    return Proposal(price_list, trial.overrides), found


async def _read(
    connection: Connection, environment_id: int, accounts: Mapping[UUID, Account], at: datetime
) -> _Side:
    statements = await asyncio.to_thread(
        lambda: {key: open_statements(account, at) for key, account in accounts.items()}
    )
    every = [one for several in statements.values() for one in several]
    usage = await usage_of(connection, environment_id, accounts, every)
    return _Side(accounts, usage, statements)


def _compared(
    shown: Page[Row], month: Period, sides: Sequence[_Side], at: datetime
) -> Page[list[CustomerOutcome]]:
    rows = []
    for row in shown.rows:
        customer_id = row["customer_id"]
        old, new = (usage_invoices(_drawn(side, customer_id, at), month) for side in sides)
        found = outcomes(customer_id, old, new)
        rows.append([CustomerOutcome(row["name"], outcome) for outcome in found])
    return Page(rows, shown.next_page)


def _drawn(side: _Side, customer_id: UUID, at: datetime) -> list[Invoice]:
    own = {one.invoice_id: side.usage[one.invoice_id] for one in side.statements[customer_id]}
    return list(drafts(side.accounts[customer_id], own, at).invoices)
