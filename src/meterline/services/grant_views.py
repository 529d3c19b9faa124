"""Commits and credits as they are looked at: terms, what is left, and what happened to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any
from uuid import UUID

from meterline.core.decimals import DECIMAL_PLACES_MAX, EXACT_DIGITS, plain, total
from meterline.core.ledger.balances import live_balance, within_contract
from meterline.core.ledger.entry import LedgerEntry
from meterline.core.ledger.grant import Grant, GrantKind
from meterline.services import books as accounts
from meterline.services.workspace import Workspace
from meterline.store import grants as store
from meterline.store.database import Connection, Row

# A ratio for the eye: what is drawn first is decided by the exact amounts.
_RATIO = Context(prec=EXACT_DIGITS, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be shown of grants beside their terms."""

    balance: bool = False
    ledgers: bool = False

    @property
    def reads_books(self) -> bool:
        """Whether the ledger is needed, and the drafts that are about to draw on it."""
        return self.balance or self.ledgers


TERMS_ONLY = Wanted()


@dataclass(frozen=True, slots=True)
class GrantView:
    """A grant with what is kept beside its terms. `balance` and `ledger` only where they were asked for."""

    grant: Grant
    created_by: str | None = None
    uniqueness_key: str | None = None
    shown: Mapping[str, Any] = field(default_factory=dict)
    custom_fields: Mapping[str, str] = field(default_factory=dict)
    balance: Decimal | None = None
    ledger: Sequence[LedgerEntry] | None = None

    @property
    def cost_basis(self) -> Decimal | None:
        """What one unit of access costs: invoiced over granted, rounded. None for credits and complimentary grants."""
        if self.grant.kind is GrantKind.CREDIT or self.grant.invoice is None:
            return None
        access = total(segment.amount for segment in self.grant.segments)
        if not access:
            return None
        invoiced = total(item.amount for item in self.grant.invoice.items)
        ratio = _RATIO.divide(invoiced, access)
        return plain(_RATIO.quantize(ratio, Decimal(1).scaleb(-DECIMAL_PLACES_MAX)))


@dataclass(frozen=True, slots=True)
class Books:
    """The ledger of a customer at `now`: `posted` entries by grant, and `pending` ones, of drafts.

    `contract_ends`: of his contracts that have one.
    """

    now: datetime
    wanted: Wanted
    posted: Mapping[UUID, Sequence[LedgerEntry]] = field(default_factory=dict)
    pending: Mapping[UUID, Sequence[LedgerEntry]] = field(default_factory=dict)
    contract_ends: Mapping[UUID, datetime] = field(default_factory=dict)

    def views(self, rows: Iterable[Row]) -> list[GrantView]:
        """Rows of grants as they are looked at."""
        return [self.view(store.grant_of(row), row) for row in rows]

    def view(self, grant: Grant, row: Row) -> GrantView:
        """A grant as it is looked at."""
        return GrantView(
            grant,
            created_by=row["created_by"],
            uniqueness_key=row["uniqueness_key"],
            shown=row["shown"],
            custom_fields=row["custom_fields"],
            balance=self.balance(grant) if self.wanted.balance else None,
            ledger=self.ledger(grant) if self.wanted.ledgers else None,
        )

    def balance(self, grant: Grant) -> Decimal:
        """What can be spent of a grant now. An archived one is spent no more."""
        if grant.archived_at is not None:
            return Decimal(0)
        posted, pending = self.posted.get(grant.id, ()), self.pending.get(grant.id, ())
        return live_balance(self.spendable(grant), posted, at=self.now, pending=pending)

    def spendable(self, grant: Grant) -> Grant:
        """The grant as far as its contract goes."""
        ends = None if grant.contract_id is None else self.contract_ends.get(grant.contract_id)
        return within_contract(grant, ends)

    def ledger(self, grant: Grant) -> list[LedgerEntry]:
        """What happened to a grant, and what drafts are about to do to it, by time."""
        every = [*self.posted.get(grant.id, ()), *self.pending.get(grant.id, ())]
        return sorted(every, key=lambda entry: entry.timestamp)


@asynccontextmanager
async def reading(
    workspace: Workspace, customer_id: UUID, wanted: Wanted
) -> AsyncIterator[tuple[Connection, Books]]:
    """Yield a customer's books, read no further than `wanted` needs, and a connection that sees the same instant."""
    if not wanted.reads_books:
        async with workspace.snapshot() as connection:
            yield connection, Books(workspace.now, wanted)
        return
    async with accounts.reading(workspace, [customer_id]) as (connection, found):
        account = found[customer_id]
        live = await accounts.live(connection, workspace.environment_id, account, workspace.now)
        ends = {one.id: one.ending_before for one in account.contracts if one.ending_before}
        books = Books(
            workspace.now, wanted, _by_grant(account.entries), _by_grant(live.entries), ends
        )
        yield connection, books


def _by_grant(entries: Iterable[LedgerEntry]) -> dict[UUID, list[LedgerEntry]]:
    found: dict[UUID, list[LedgerEntry]] = defaultdict(list)
    for entry in entries:
        found[entry.grant_id].append(entry)
    return found
