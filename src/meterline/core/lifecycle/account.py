"""Everything about one customer that decides what he owes, as values; and changes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from meterline.core.catalogue import Product
from meterline.core.contract import Contract
from meterline.core.invoice import Invoice
from meterline.core.ledger.entry import LedgerEntry
from meterline.core.ledger.grant import Grant
from meterline.core.rating import PriceList, RatePlan, rate_plan

GRACE = timedelta(hours=24)
"""How long after its period a usage invoice stays a draft. Source: Metronome's invoice finalization."""


@dataclass(frozen=True, slots=True)
class Account:
    """A customer's terms and books.

    `contracts`: by (starting_at, id); archived ones get nothing more, and may be left out. `grants`: all, archived ones
    too, by (created_at, id). `entries`: all stored ones, in the order they were posted. `invoices`: the stored ones
    (FINALIZED and VOID), with their lines. `price_lists`: by rate card. `products`: those that grants, charges and
    subscriptions name. `compiler`: `rate_plan`, or one that keeps the plans that customers share (the invoice run is
    as quick as this one).
    """

    customer_id: UUID
    contracts: tuple[Contract, ...]
    grants: tuple[Grant, ...]
    entries: tuple[LedgerEntry, ...]
    invoices: tuple[Invoice, ...]
    price_lists: Mapping[UUID, PriceList]
    products: Mapping[UUID, Product]
    grace: timedelta = GRACE
    compiler: Callable[..., RatePlan] = field(default=rate_plan, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """What a step adds. An invoice that is stored already (a void) replaces the one of its id."""

    grants: tuple[Grant, ...] = ()
    entries: tuple[LedgerEntry, ...] = ()
    invoices: tuple[Invoice, ...] = ()


def applied(account: Account, change: Change) -> Account:
    """Return the account after `change`."""
    replaced = {invoice.id for invoice in change.invoices}
    return replace(
        account,
        grants=(*account.grants, *change.grants),
        entries=(*account.entries, *change.entries),
        invoices=(
            *(invoice for invoice in account.invoices if invoice.id not in replaced),
            *change.invoices,
        ),
    )
