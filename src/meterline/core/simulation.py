"""What a change of prices or terms would have made of usage that is past: the same books, twice.

The books are taken back to before the month was invoiced, and its usage invoices are drawn again: once under the terms
as they are, once under the proposed ones, by the same functions that draw them in earnest. Nothing is decided here
that they do not decide. Both sides so differ by the proposal alone: late usage and grants that came later are on both.

Pure. Source: docs/decisions/0015-catalogue-files-and-simulation.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from meterline.core.catalogue import Rate
from meterline.core.contract import Contract
from meterline.core.contract.override import Override
from meterline.core.decimals import EXACT, ZERO, plain, total
from meterline.core.invoice import Invoice, InvoiceType, LineItem, LineType
from meterline.core.invoice.lines import due
from meterline.core.ledger.entry import EntryType, LedgerEntry
from meterline.core.lifecycle import Account
from meterline.core.money import CreditType
from meterline.core.period import Period
from meterline.core.rating import PriceList, rate_at

# Since when a proposed price holds: before anything that may have been billed.
SINCE_EVER = datetime(1970, 1, 1, tzinfo=UTC)

# What ends a segment's balance after its time. None of it had happened when the month was drawn first.
CLOSING = frozenset({EntryType.EXPIRATION, EntryType.ROLLOVER, EntryType.TRUEUP})

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is to be tried: another card for every contract, overrides on top of a contract's own, or both.

    Other prices of the cards that contracts have need no proposal of their own: `proposed` takes the price lists.
    """

    price_list: PriceList | None = None
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True)
class ProductOutcome:
    """What a product's lines come to, grants' payments taken off. `product_id` None: conversions of a unit."""

    product_id: UUID | None
    name: str
    old: Decimal
    new: Decimal

    @property
    def difference(self) -> Decimal:
        """How much more it would have been."""
        return plain(EXACT.subtract(self.new, self.old))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a customer's usage invoices of the month come to in one currency. The products add up to the totals."""

    customer_id: UUID
    credit_type: CreditType
    old: Decimal
    new: Decimal
    products: tuple[ProductOutcome, ...]

    @property
    def difference(self) -> Decimal:
        """How much more it would have been."""
        return plain(EXACT.subtract(self.new, self.old))


def prices_at(price_list: PriceList, instant: datetime) -> PriceList:
    """Return the prices in force at `instant` as if they had always held: a new card's begin too late to be tried."""
    alike: dict[tuple[object, ...], list[Rate]] = defaultdict(list)
    for rate in price_list.rates:
        alike[rate_key(rate)].append(rate)
    current = (rate_at(rates, instant) for rates in alike.values())
    return replace(
        price_list,
        rates=tuple(
            replace(rate, starting_at=SINCE_EVER, ending_before=None)
            for rate in current
            if rate is not None
        ),
    )


def repriced(price_list: PriceList, rates: Sequence[Rate]) -> PriceList:
    """Return a price list in which `rates` hold for all time, instead of those for the same; of two the last."""
    fresh = {
        rate_key(rate): replace(rate, starting_at=SINCE_EVER, ending_before=None) for rate in rates
    }
    kept = (rate for rate in price_list.rates if rate_key(rate) not in fresh)
    return replace(price_list, rates=(*kept, *fresh.values()))


def rate_key(rate: Rate) -> tuple[object, ...]:
    """Return what a rate is the price of: rates of one key follow each other in time."""
    values = tuple(sorted(rate.pricing_group_values.items()))
    return (rate.product_id, values, rate.billing_frequency)


def as_of(month: Period, now: datetime) -> datetime:
    """Return the last instant of `month` that has come: drafts are drawn as they stood then."""
    return min(now, month.end - _INSTANT)


def reopened(account: Account, month: Period) -> Account:
    """Return the account as it was before usage of `month` was invoiced.

    Usage invoices whose period reaches into the month or lies after it go, with what they took from grants, and so
    does what closed segments since. Scheduled invoices stay: what they billed is not billed again.
    """
    gone = {
        invoice.id
        for invoice in account.invoices
        if invoice.type is InvoiceType.USAGE and invoice.end_timestamp > month.start
    }
    return replace(
        account,
        invoices=tuple(one for one in account.invoices if one.id not in gone),
        entries=tuple(one for one in account.entries if not _undone(one, gone, month)),
    )


def _undone(entry: LedgerEntry, gone: Collection[UUID], month: Period) -> bool:
    return entry.invoice_id in gone or (entry.type in CLOSING and entry.timestamp > month.start)


def proposed(
    account: Account, proposal: Proposal, price_lists: Mapping[UUID, PriceList]
) -> Account:
    """Return the account under the proposal. `price_lists`: of its cards, with what new overrides name, and repriced
    where single prices are tried.

    Proposed overrides come after a contract's own, and hold as long as the contract.
    """
    return replace(
        account,
        contracts=tuple(_under(contract, proposal) for contract in account.contracts),
        price_lists=price_lists,
    )


def _under(contract: Contract, proposal: Proposal) -> Contract:
    if contract.rate_card_id is None:  # without prices there is nothing to try others on
        return contract
    added = tuple(
        replace(override, starting_at=contract.starting_at, ending_before=None)
        for override in proposal.overrides
    )
    card_id = contract.rate_card_id
    if proposal.price_list is not None:
        card_id = proposal.price_list.card.id
    return replace(contract, rate_card_id=card_id, overrides=(*contract.overrides, *added))


def usage_invoices(drawn: Iterable[Invoice], month: Period) -> list[Invoice]:
    """Return the usage invoices whose period begins in `month`."""
    return [
        invoice
        for invoice in drawn
        if invoice.type is InvoiceType.USAGE and invoice.start_timestamp in month
    ]


def outcomes(
    customer_id: UUID, old: Collection[Invoice], new: Collection[Invoice]
) -> list[Outcome]:
    """Return a customer's outcome in each currency that either side is in, by its name.

    invariant: an outcome's products add up to its totals, and those are the sums of the invoices' totals.
    """
    before, after = _by_product(old), _by_product(new)
    names = _names([*old, *new])
    return [
        _outcome(customer_id, unit, (before.get(unit, {}), after.get(unit, {})), names)
        for unit in sorted({*before, *after}, key=lambda unit: (unit.name, unit.id))
    ]


_Item = tuple[UUID | None, str]
"""A product, by the first name a line has it under, or what has no product, by its name."""


def _by_product(invoices: Iterable[Invoice]) -> dict[CreditType, dict[_Item, Decimal]]:
    lines: dict[CreditType, dict[_Item, list[LineItem]]] = {}
    for invoice in invoices:
        items = lines.setdefault(invoice.credit_type, defaultdict(list))
        for line in invoice.line_items:
            if line.credit_type == invoice.credit_type:
                # The product alone, for its lines have the names of what pays for them too.
                items[line.product_id, "" if line.product_id else line.name].append(line)
    return {
        unit: {item: due(several, unit) for item, several in items.items()}
        for unit, items in lines.items()
    }


def _outcome(
    customer_id: UUID,
    unit: CreditType,
    sides: tuple[Mapping[_Item, Decimal], Mapping[_Item, Decimal]],
    names: Mapping[UUID, str],
) -> Outcome:
    old, new = sides
    return Outcome(
        customer_id,
        unit,
        plain(total(old.values())),
        plain(total(new.values())),
        tuple(
            ProductOutcome(
                item[0],
                item[1] if item[0] is None else names[item[0]],
                plain(old.get(item, ZERO)),
                plain(new.get(item, ZERO)),
            )
            for item in dict.fromkeys((*old, *new))
        ),
    )


def _names(invoices: Iterable[Invoice]) -> dict[UUID, str]:
    """Each product's name as its first line has it that is not a grant's."""
    names: dict[UUID, str] = {}
    lines = [line for invoice in invoices for line in invoice.line_items]
    for line in sorted(lines, key=lambda line: line.type is LineType.APPLIED):
        if line.product_id is not None:
            names.setdefault(line.product_id, line.name)
    return names
