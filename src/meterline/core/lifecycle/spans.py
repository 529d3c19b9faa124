"""When statements are: the cheap half of them, as most of what falls due does so later."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from meterline.core.catalogue import Rate
from meterline.core.contract import Contract
from meterline.core.ids import usage_invoice_id
from meterline.core.lifecycle.account import Account
from meterline.core.lifecycle.facts import Facts
from meterline.core.period import HOUR, Period, hour_index, hour_start
from meterline.core.rating import PriceList, rate_in_force


class Span(NamedTuple):
    """A statement before its prices are looked up."""

    contract: Contract
    period: Period
    final_at: datetime

    @property
    def order(self) -> tuple[datetime, datetime, datetime, UUID]:
        """As a Statement's."""
        return (self.final_at, self.period.start, self.contract.starting_at, self.contract.id)

    @property
    def invoice_id(self) -> UUID:
        """As a Statement's."""
        return usage_invoice_id(self.contract.id, self.period.start)


def final_at(account: Account, contract: Contract, period: Period) -> datetime:
    """Return when the usage invoice of `period` is final."""
    ready = period.end
    if contract.created_at is not None:
        ready = max(ready, contract.created_at)
    return ready + account.grace


def open_spans(account: Account, facts: Facts, contract: Contract) -> Iterator[Span]:
    """Yield a contract's statements that have no stored invoice, in order; without end if it is open."""
    if contract.rate_card_id is None or contract.archived_at is not None:
        return
    start = contract.starting_at
    if contract.invoices_from is not None:
        start = max(start, hour_start(hour_index(contract.invoices_from)))
    start = max(start, facts.closed_until.get(contract.id, start))
    while (whole := contract.period_at(start)) is not None:
        period = Period(start, whole.end)
        yield Span(contract, period, final_at(account, contract, period))
        start = whole.end


def last_final(
    account: Account, contract: Contract, start: datetime, end: datetime
) -> datetime | None:
    """Return when the last usage invoice of a contract with a part of start <= t < end is final; None: none has one."""
    first = contract.starting_at
    if contract.invoices_from is not None:
        first = max(first, contract.invoices_from)
    if contract.ending_before is not None:
        end = min(end, contract.ending_before)
    last = end - HOUR
    if contract.rate_card_id is None or last < max(start, first):
        return None
    period = contract.period_at(last)
    assert period is not None, "it lies in the contract's life"
    return final_at(account, contract, period)


def price_list_of(account: Account, contract: Contract) -> PriceList:
    """Return the price list of a contract that has a rate card."""
    assert contract.rate_card_id is not None, "a contract without a card has no statements"
    return account.price_lists[contract.rate_card_id]


def price_at(
    contract: Contract,
    price_list: PriceList,
    product_id: UUID,
    frequency: str | None,
    instant: datetime,
) -> Rate | None:
    """Return the rate of a subscription or composite that a contract pays at `instant`."""
    return rate_in_force(
        price_list,
        contract.overrides,
        contract.prioritization,
        product_id,
        frequency,
        {},
        instant,
    )
