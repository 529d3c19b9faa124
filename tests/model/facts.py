"""What a customer's books hold: ledger entries, invoices, and what is billed beside usage."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from tests.model import terms as t
from tests.model.drawdown import Purse

Hour = t.Hour

Key = tuple[str, str, int]
"""What is billed beside usage, so that it is billed once: a date of a charge or purchase, a subscription's service."""


@dataclass
class Item:
    """So much of a key, at a price each."""

    key: Key
    quantity: Fraction
    price: Fraction
    kind: str


@dataclass
class Entry:
    """A line of a grant's ledger."""

    grant: str
    segment: int
    kind: str
    amount: Fraction
    at: Hour
    invoice: tuple[str, Hour] | None = None


@dataclass
class Invoice:
    """`owner`: the contract, None for the customer. `lines`: (kind of line, what) -> amount."""

    kind: str
    owner: str | None
    start: Hour
    end: Hour
    status: str
    lines: dict[tuple[str, str], Fraction]
    total: Fraction
    items: dict[Key, Fraction] = field(default_factory=dict)
    issued: Hour | None = None
    is_anew: bool = False
    drew: set[Purse] = field(default_factory=set)
