"""What the spend stage remembers of customers from round to round: ingest keys, contracts, running billing periods.

A cache, never the truth. It may be used because every change of what it holds writes a touch that names the customer,
in its own transaction, and because one process alone consumes an environment's touches: see
docs/decisions/0010-spend-stage.md. Whoever uses it drops what changed *before* he resolves keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from meterline.core.contract import Contract
from meterline.core.period import Period, hour_index, hour_start
from meterline.metering.series import ingest_key_hash
from meterline.services.catalogue import (
    customers_of_keys,
    load_contracts,
    load_customer_keys,
    overridden_products,
)
from meterline.services.spend_prices import Prices, Tariff
from meterline.store.database import Connection

# Ingest keys remembered, at some 2 kB a customer. Beyond it everything is forgotten, which costs one slow round.
KEYS_MAX = 100_000

# Hour numbers before and after all others.
_EVER, _NEVER = -(2**40), 2**40


class SpendBill(NamedTuple):
    """A billing period of a contract, with its prices. `contract_id` is text, as it goes out."""

    contract_id: str
    tariff: Tariff


@dataclass(slots=True, eq=False)
class Account:
    """A customer as rating sees him. `contracts`: those that have prices. `prefixes`: of his series' ids."""

    customer_id: UUID
    customer_text: str
    keys: tuple[str, ...]
    prefixes: tuple[bytes, ...]
    contracts: tuple[tuple[str, Contract], ...]
    # The rate cards of those, each with the products that overrides price beside it.
    rate_cards: Mapping[UUID, frozenset[UUID]]
    # The bills of the stretch first_hour <= hour < end_hour, in which no billing period begins or ends.
    first_hour: int = 0
    end_hour: int = 0
    bills: Sequence[SpendBill] = ()

    def bills_of(self, first_hour: int, last_hour: int, prices: Prices) -> Sequence[SpendBill]:
        """Return the billing periods that these hours, both included, lie in. `prices` are refreshed."""
        if self._covers(first_hour, last_hour):
            return self.bills
        self._turn_to(last_hour, prices)
        if self._covers(first_hour, last_hour):
            return self.bills
        span = Period(hour_start(first_hour), hour_start(last_hour + 1))
        return [
            SpendBill(contract_id, prices.tariff(contract, period))
            for contract_id, contract in self.contracts
            for period in _periods(contract, span)
        ]

    def _covers(self, first_hour: int, last_hour: int) -> bool:
        if first_hour < self.first_hour or last_hour >= self.end_hour:
            return False
        return not any(bill.tariff.card.outdated for bill in self.bills)

    def _turn_to(self, hour: int, prices: Prices) -> None:
        """Make the stretch around `hour` the one that is kept at hand."""
        instant = hour_start(hour)
        first_hour, end_hour, bills = _EVER, _NEVER, []
        for contract_id, contract in self.contracts:
            period = contract.period_at(instant)
            if period is not None:
                bills.append(SpendBill(contract_id, prices.tariff(contract, period)))
                first_hour = max(first_hour, period.first_hour)
                end_hour = min(end_hour, period.end_hour)
            elif instant < contract.starting_at:
                end_hour = min(end_hour, hour_index(contract.starting_at))
            else:
                assert contract.ending_before is not None  # it has ended
                first_hour = max(first_hour, hour_index(contract.ending_before))
        self.first_hour, self.end_hour, self.bills = first_hour, end_hour, bills


class Accounts:
    """The accounts of one environment, by each of their ingest keys."""

    def __init__(self, environment_id: int, *, keys_max: int = KEYS_MAX) -> None:
        self._environment_id = environment_id
        self._keys_max = keys_max
        self._by_key: dict[str, Account] = {}

    def drop(self, keys: Iterable[str]) -> None:
        """Forget the customers that these keys name, under all of their keys."""
        for key in keys:
            account = self._by_key.get(key)
            if account is not None:
                for own in account.keys:
                    del self._by_key[own]

    async def resolve(self, connection: Connection, keys: Sequence[str]) -> dict[str, Account]:
        """Return the customer of each key, as committed; keys of nobody are left out, and never remembered."""
        found = {key: account for key in keys if (account := self._by_key.get(key)) is not None}
        missing = [key for key in keys if key not in found]
        if missing:
            owners = await customers_of_keys(connection, missing)
            accounts = await self._load(connection, set(owners.values()))
            found |= {key: accounts[owner] for key, owner in owners.items()}
        return found

    async def _load(self, connection: Connection, customer_ids: set[UUID]) -> dict[UUID, Account]:
        keys = await load_customer_keys(connection, customer_ids)
        contracts = await load_contracts(connection, customer_ids)
        if len(self._by_key) + sum(map(len, keys.values())) > self._keys_max:
            self._by_key.clear()
        accounts = {
            customer_id: self._account(customer_id, own_keys, contracts.get(customer_id, ()))
            for customer_id, own_keys in keys.items()
        }
        for account in accounts.values():
            # An older one that shares a key would be dropped by halves.
            self.drop(account.keys)
            for key in account.keys:
                self._by_key[key] = account
        return accounts

    def _account(
        self, customer_id: UUID, keys: Sequence[str], contracts: Iterable[Contract]
    ) -> Account:
        priced = [one for one in contracts if one.rate_card_id is not None]
        return Account(
            customer_id,
            str(customer_id),
            tuple(keys),
            tuple(ingest_key_hash(self._environment_id, key) for key in keys),
            tuple((str(contract.id), contract) for contract in priced),
            _rate_cards(priced),
        )


def _rate_cards(contracts: Iterable[Contract]) -> dict[UUID, frozenset[UUID]]:
    cards: dict[UUID, frozenset[UUID]] = {}
    for contract in contracts:
        if contract.rate_card_id is not None:
            also = cards.get(contract.rate_card_id, frozenset())
            cards[contract.rate_card_id] = also | overridden_products(contract)
    return cards


def _periods(contract: Contract, span: Period) -> list[Period]:
    """The contract's billing periods that overlap `span`."""
    found = []
    instant = max(span.start, contract.starting_at)
    while instant < span.end:
        period = contract.period_at(instant)
        if period is None:
            break
        found.append(period)
        instant = period.end
    return found
