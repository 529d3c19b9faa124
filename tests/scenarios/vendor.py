"""A vendor and his customers, in one sandbox of a running platform, through the unmodified SDK.

Times are of the sandbox's clock, which stands until `Vendor.go` moves it. Money is in US cents unless said otherwise.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
from metronome import Metronome

USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
LONG_AGO = datetime(2030, 1, 1, tzinfo=UTC)
METERED_SECONDS_MAX = 30.0
EVENTS_A_REQUEST = 100


def day(month: int, number: int, hour: int = 0, *, year: int = 2031) -> datetime:
    """An hour of a day of 2031, UTC."""
    return datetime(year, month, number, hour, tzinfo=UTC)


def months(*numbers: int) -> list[datetime]:
    """The first instants of months of 2031."""
    return [day(number, 1) for number in numbers]


def access(amount: float, start: datetime, end: datetime, **more: Any) -> dict[str, Any]:
    """An access schedule of one segment."""
    return ramp((amount, start, end), **more)


def ramp(*segments: tuple[float, datetime, datetime], **more: Any) -> dict[str, Any]:
    """An access schedule of several segments."""
    items = [
        {"amount": amount, "starting_at": start, "ending_before": end}
        for amount, start, end in segments
    ]
    return {"credit_type_id": USD, "schedule_items": items, **more}


def due(*items: tuple[float, datetime], **more: Any) -> dict[str, Any]:
    """A schedule of amounts and when they are invoiced."""
    return {
        "credit_type_id": USD,
        "schedule_items": [{"amount": amount, "timestamp": at} for amount, at in items],
        **more,
    }


@dataclass
class Vendor:
    """One sandbox. `card` is the rate card that prices go on and contracts are signed on, unless told otherwise."""

    sdk: Metronome
    http: httpx.Client
    card: str
    _unsent: list[dict[str, Any]] = field(default_factory=list)
    _event_types: dict[str, str] = field(default_factory=dict)

    # What is sold

    def usage_product(
        self, name: str, price: float | None = None, *, keys: Sequence[str] = (), **terms: Any
    ) -> str:
        """A product that bills the sum of `n` of its own events, by groups of `keys`; with a flat list price if given.

        `terms` starting with `metric_` go to the billable metric, the others to the product.
        """
        of_metric = {key[7:]: terms.pop(key) for key in list(terms) if key.startswith("metric_")}
        event_type = f"{name}-{uuid4().hex[:8]}"
        metric = self.sdk.v1.billable_metrics.create(
            **{
                "name": name,
                "event_type_filter": {"in_values": [event_type]},
                "aggregation_type": "SUM",
                "aggregation_key": "n",
                "group_keys": [list(keys)] if keys else [],
                "property_filters": [{"name": key, "exists": True} for key in ("n", *keys)],
                **of_metric,
            }
        ).data.id
        product = self.sdk.v1.contracts.products.create(
            name=name, type="USAGE", billable_metric_id=metric, **terms
        ).data.id
        self._event_types[product] = event_type
        if price is not None:
            self.price(product, price=price)
        return product

    def product(self, name: str, kind: str = "FIXED", **terms: Any) -> str:
        """A product of another kind."""
        return self.sdk.v1.contracts.products.create(name=name, type=kind, **terms).data.id  # type: ignore[arg-type]

    def seat(self, price: float, *, name: str = "Seat", frequency: str = "MONTHLY") -> str:
        """A subscription product with its list price."""
        product = self.product(name, "SUBSCRIPTION")
        self.price(product, price=price, billing_frequency=frequency)
        return product

    def price(self, product: str, *, since: datetime = LONG_AGO, **terms: Any) -> None:
        """Put a rate on the card: FLAT if it has a price, TIERED if it has tiers."""
        rate = {"entitled": True, "rate_type": "TIERED" if "tiers" in terms else "FLAT", **terms}
        self.sdk.v1.contracts.rate_cards.rates.add(
            rate_card_id=self.card, product_id=product, starting_at=since, **rate
        )

    def customer(self, name: str = "Acme") -> Customer:
        return Customer(self, self.sdk.v1.customers.create(name=name).data.id)

    # Time and usage

    def send(self) -> None:
        """Send what was used since the last time, and return once all of it is metered."""
        if not self._unsent:
            return
        for start in range(0, len(self._unsent), EVENTS_A_REQUEST):
            self.sdk.v1.usage.ingest(usage=self._unsent[start : start + EVENTS_A_REQUEST])  # type: ignore[arg-type]
        self._unsent.clear()
        deadline = time.monotonic() + METERED_SECONDS_MAX
        while self.http.get("/v1/pipeline").json()["lag_unmetered"]:
            assert time.monotonic() < deadline, "usage is not metered"
            time.sleep(0.02)

    def go(self, to: datetime) -> None:
        """Move the clock: everything that falls due is done when it answers."""
        self.send()
        moved = self.http.post("/v1/sandbox/clock", json={"now": to.isoformat()})
        assert moved.status_code == 200, moved.text

    def use(self, customer: str, product: str, at: datetime, n: float, **values: str) -> None:
        self._unsent.append(
            {
                "customer_id": customer,
                "event_type": self._event_types[product],
                "timestamp": at.isoformat(),
                "transaction_id": uuid4().hex,
                "properties": {"n": str(n), **values},
            }
        )


@dataclass
class Customer:
    """One customer of the vendor."""

    vendor: Vendor
    id: str

    @property
    def sdk(self) -> Metronome:
        self.vendor.send()
        return self.vendor.sdk

    # What he agrees to

    def sign(self, start: datetime, end: datetime | None = None, **terms: Any) -> str:
        """Sign a contract on the vendor's card, billed by the calendar month unless told otherwise."""
        if end is not None:
            terms["ending_before"] = end
        return self.sdk.v1.contracts.create(
            **{
                "customer_id": self.id,
                "rate_card_id": self.vendor.card,
                "starting_at": start,
                "usage_statement_schedule": {"frequency": "MONTHLY", "day": "FIRST_OF_MONTH"},
                **terms,
            }
        ).data.id

    def edit(self, contract: str, **verbs: Any) -> Any:
        return self.sdk.v2.contracts.edit(customer_id=self.id, contract_id=contract, **verbs).data

    def contract(self, contract: str) -> Any:
        return self.sdk.v2.contracts.retrieve(customer_id=self.id, contract_id=contract).data

    def credit(
        self, product: str, amount: float, start: datetime, end: datetime, **terms: Any
    ) -> str:
        """Give the customer himself a credit."""
        return self.sdk.v1.customers.credits.create(
            **{
                "customer_id": self.id,
                "product_id": product,
                "priority": 1,
                "access_schedule": access(amount, start, end),
                **terms,
            }
        ).data.id

    # What he does

    def uses(self, product: str, n: float, at: datetime, **values: str) -> None:
        self.vendor.use(self.id, product, at, n, **values)

    # What he sees

    def invoices(self, **filters: Any) -> list[Any]:
        return list(self.sdk.v1.customers.invoices.list(customer_id=self.id, **filters))

    def bill(self, start: datetime, contract: str | None = None) -> Any:
        """The usage invoice, not a void one, whose period starts then."""
        filters = {} if contract is None else {"contract_id": contract}
        (found,) = [
            one
            for one in self.invoices(type="USAGE", **filters)
            if one.start_timestamp == start and one.status != "VOID"
        ]
        return found

    def bills(self) -> list[tuple[str, float]]:
        """(status, total) of the usage invoices, by time."""
        return [(one.status, one.total) for one in self.invoices(type="USAGE", sort="date_asc")]

    def charges(self) -> list[tuple[str, float]]:
        """(status, total) of the scheduled invoices, by time."""
        return [(one.status, one.total) for one in self.invoices(type="SCHEDULED", sort="date_asc")]

    def grants(self, **filters: Any) -> dict[str, Any]:
        """Commits and credits by id, with their ledgers and balances."""
        rows = self.sdk.v1.contracts.list_balances(
            **{
                "customer_id": self.id,
                "include_balance": True,
                "include_ledgers": True,
                "include_contract_balances": True,
                **filters,
            }
        )
        return {one.id: one for one in rows}

    def grant(self, name: str) -> Any:
        """The one commit or credit of this name."""
        (found,) = [one for one in self.grants().values() if one.name == name]
        return found

    def balances(self) -> dict[str, float]:
        """What is left of each commit and credit now, by name."""
        return {one.name: one.balance for one in self.grants().values()}

    def net_balance(self, **options: Any) -> float:
        return self.sdk.v1.contracts.get_net_balance(customer_id=self.id, **options).data.balance


def ledger(grant: Any) -> list[tuple[str, float, datetime]]:
    """(type without the kind, amount, when), by time."""
    prefixes = ("PREPAID_COMMIT_", "POSTPAID_COMMIT_", "CREDIT_")
    rows = []
    for entry in grant.ledger or []:
        (prefix,) = [one for one in prefixes if entry.type.startswith(one)]
        rows.append((entry.type.removeprefix(prefix), entry.amount, entry.timestamp))
    return sorted(rows, key=lambda row: row[2])


def by_type(invoice: Any) -> dict[str, float]:
    """The sum of an invoice's lines by their type. Amounts in the tests are such that floats hold their sums."""
    sums: dict[str, float] = defaultdict(float)
    for line in invoice.line_items:
        sums[line.type] += line.total
    return dict(sums)


def lines(invoice: Any, kind: str = "usage") -> list[tuple[str, float, float, float]]:
    """(name, quantity, unit price, total) of the lines of one type, without those of nothing."""
    return [
        (line.name, line.quantity, line.unit_price, line.total)
        for line in invoice.line_items
        if line.type == kind and line.quantity
    ]


def paid_by(invoice: Any) -> Mapping[str, float]:
    """What commits and credits pay of an invoice, by their id."""
    sums: dict[str, float] = defaultdict(float)
    for line in invoice.line_items:
        if line.type == "applied_commit_or_credit":
            sums[line.applied_commit_or_credit.id] -= line.total
    return dict(sums)


def prepaid(product: str, schedule: dict[str, Any], **terms: Any) -> dict[str, Any]:
    """A commit that is paid up front."""
    return {"type": "PREPAID", "product_id": product, "access_schedule": schedule, **terms}


def postpaid(product: str, amount: float, start: Any, end: Any, **terms: Any) -> dict[str, Any]:
    """A promise to spend `amount`, trued up at the end."""
    return {
        "type": "POSTPAID",
        "product_id": product,
        "access_schedule": access(amount, start, end),
        "invoice_schedule": due((amount, end)),
        **terms,
    }
