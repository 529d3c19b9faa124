"""The books of customers: loaded whole, settled by the core's steps, written once.

Whoever changes a customer's terms does, in one transaction: `lock`; `settle`, so that what was due falls under the old
terms; the change; `settle` again, for what the change made due at once. The scheduler does the rest as time passes.
Whoever only reads takes `reading`, and so sees nothing half done, whether the scheduler has come round or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from uuid import UUID

from meterline.core.lifecycle import (
    Account,
    Change,
    Drafts,
    Step,
    applied,
    drafts,
    next_due,
    next_step,
    open_statements,
    perform,
)
from meterline.core.usage import UsageBook
from meterline.services.accounts import load
from meterline.services.statement_usage import usage_of
from meterline.services.workspace import Workspace
from meterline.store import books_due, grants, invoices, ledger
from meterline.store.database import Connection

__all__ = ["live", "load", "lock", "reading", "settle", "write"]

ACTOR = "scheduler"
"""Who made a grant that a step made."""


class NeverDone(Exception):
    """A step was performed and is still due: going on would never end."""


async def lock(connection: Connection, customer_id: UUID) -> None:
    """Hold a customer's books until the transaction ends: he has one writer at a time.

    Call before anything of his is read or written. An unknown customer holds nothing.
    """
    await books_due.lock(connection, [customer_id])


async def settle(
    connection: Connection, environment_id: int, customer_ids: Collection[UUID], now: datetime
) -> None:
    """Perform every step of these customers that is due by `now`, in order, and write what they add.

    Sets when each falls due next. The caller holds their books. Raises what a step raises: nothing is then written.
    """
    accounts = await load(connection, environment_id, customer_ids, now)
    settling = [_Settling(account) for account in accounts.values()]
    waiting = settling
    while waiting:
        await asyncio.to_thread(_advance, waiting, now)
        waiting = [one for one in waiting if one.step is not None]
        statements = {
            one.step.statement.invoice_id: one.step.statement
            for one in waiting
            if one.step is not None and one.step.statement is not None
        }
        usage = await usage_of(connection, environment_id, accounts, statements.values())
        for one in waiting:
            one.read(usage)
    await write(connection, {one.account.customer_id: one.changes for one in settling})
    due = await asyncio.to_thread(_next_due, settling, now)
    await books_due.set_due(connection, due)


async def write(connection: Connection, changes: Mapping[UUID, Collection[Change]]) -> None:
    """Write what steps and corrections add to each customer's books, in their order. The caller holds the books."""
    every = list(chain.from_iterable(changes.values()))
    await grants.insert_derived(
        connection, [one for change in every for one in change.grants], ACTOR
    )
    await ledger.append(
        connection,
        {
            customer_id: [entry for change in own for entry in change.entries]
            for customer_id, own in changes.items()
        },
    )
    await invoices.save(connection, [one for change in every for one in change.invoices])


async def live(
    connection: Connection, environment_id: int, account: Account, now: datetime
) -> Drafts:
    """Return the customer's drafts at `now`, and the ledger entries that are pending with them.

    `account` is settled, as `reading` gives it. Reads the usage of every statement that is not final.
    """
    statements = await asyncio.to_thread(open_statements, account, now)
    usage = await usage_of(connection, environment_id, {account.customer_id: account}, statements)
    return await asyncio.to_thread(drafts, account, usage, now)


@asynccontextmanager
async def reading(
    workspace: Workspace, customer_ids: Collection[UUID]
) -> AsyncIterator[tuple[Connection, dict[UUID, Account]]]:
    """Yield the accounts of customers as of one instant, settled, and a connection that sees that same instant.

    What is due is done and committed first, so a reader never waits for the scheduler, nor differs from it.
    """
    while True:
        async with workspace.snapshot() as connection:
            accounts = await load(connection, workspace.environment_id, customer_ids, workspace.now)
            behind = await asyncio.to_thread(_behind, accounts, workspace.now)
            if not behind:
                yield connection, accounts
                return
        async with workspace.transaction() as connection:
            await books_due.lock(connection, behind)
            await settle(connection, workspace.environment_id, behind, workspace.now)


@dataclass(slots=True)
class _Settling:
    """An account on its way to `now`. `step`: the one that waits for usage, which `usage` is once it is read."""

    account: Account
    changes: list[Change] = field(default_factory=list)
    step: Step | None = None
    usage: UsageBook | None = None

    def read(self, usage: Mapping[UUID, UsageBook]) -> None:
        """Take the usage the step waits for."""
        assert self.step is not None
        assert self.step.statement is not None
        self.usage = usage[self.step.statement.invoice_id]

    def advance(self, until: datetime) -> None:
        """Perform steps up to the next one whose usage is not read yet, or to the last one due."""
        done: Step | None = None
        while True:
            step, usage = self.step, self.usage
            if step is None:
                step = next_step(self.account, until)
            if step is None:
                return
            if step.statement is not None and usage is None:
                self.step = step
                return
            if done is not None and (step.kind, step.subject) == (done.kind, done.subject):
                raise NeverDone(f"{step.kind.name} of {step.subject} at {step.at}")
            change = perform(self.account, step, usage)
            self.account = applied(self.account, change)
            self.changes.append(change)
            self.step, self.usage, done = None, None, step


def _advance(settling: Collection[_Settling], until: datetime) -> None:
    for one in settling:
        one.advance(until)


def _next_due(settling: Collection[_Settling], now: datetime) -> dict[UUID, datetime | None]:
    found = {one.account.customer_id: next_due(one.account, now) for one in settling}
    for customer_id, due_at in found.items():
        if due_at is not None and due_at <= now:
            raise NeverDone(f"of customer {customer_id}, due at {due_at}")
    return found


def _behind(accounts: Mapping[UUID, Account], now: datetime) -> list[UUID]:
    return [
        customer_id
        for customer_id, account in accounts.items()
        if next_step(account, now) is not None
    ]
