"""Rows of the books: what is appended stays, what is stored twice is there once, and who has them has them alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, RaiseException, UniqueViolation

from meterline.core.invoice import Invoice, InvoiceStatus, InvoiceType, LineItem, LineType
from meterline.core.ledger.entry import EntryType, LedgerEntry
from meterline.core.ledger.grant import Grant, GrantKind, GrantSegment
from meterline.core.money import USD_CENTS
from meterline.services import customers
from meterline.services.environments import create_environment
from meterline.services.workspace import Workspace
from meterline.store import books_due, grants, invoices, ledger
from meterline.store.database import Connection, Database
from meterline.store.grants import GrantExtras

JANUARY = datetime(2031, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2031, 2, 1, tzinfo=UTC)
BY_TEST = GrantExtras(actor="test")

Use = Callable[[Workspace, list[UUID]], Awaitable[None]]


def with_customers(url: str, use: Use, number: int = 2) -> None:
    async def run() -> None:
        async with Database(url) as database:
            environment_id, _ = await create_environment(database, "books")
            workspace = Workspace(database, environment_id, JANUARY, uuid4, "test")
            rows = [
                await customers.create(workspace, name="c", ingest_aliases=[], custom_fields={})
                for _ in range(number)
            ]
            await use(workspace, sorted(row["customer_id"] for row in rows))

    asyncio.run(run())


def a_grant(customer: UUID, kind: GrantKind = GrantKind.CREDIT) -> Grant:
    segment = GrantSegment(uuid4(), Decimal("10.50"), JANUARY, FEBRUARY)
    return Grant(uuid4(), customer, kind, uuid4(), USD_CENTS, (segment,), JANUARY)


def an_entry(grant: Grant, amount: str, at: datetime = JANUARY) -> LedgerEntry:
    segment = grant.segments[0].id
    return LedgerEntry(uuid4(), grant.id, EntryType.MANUAL, Decimal(amount), at, segment_id=segment)


def a_line(source: UUID | None = None) -> LineItem:
    number = Decimal("0.1")
    return LineItem(
        uuid4(), LineType.USAGE, "l", USD_CENTS, number, number, number, source_id=source
    )


def an_invoice(customer: UUID, *lines: LineItem) -> Invoice:
    return Invoice(
        id=uuid4(),
        customer_id=customer,
        contract_id=None,
        type=InvoiceType.USAGE,
        status=InvoiceStatus.FINALIZED,
        credit_type=USD_CENTS,
        line_items=lines,
        subtotal=Decimal("1.50"),
        total=Decimal("1.50"),
        start_timestamp=JANUARY,
        end_timestamp=FEBRUARY,
        issued_at=FEBRUARY,
    )


async def entries_of(connection: Connection, customer: UUID) -> tuple[LedgerEntry, ...]:
    return (await ledger.of_customers(connection, [customer])).get(customer, ())


def test_entries_come_back_in_the_order_they_were_posted(database_url: str) -> None:
    async def use(workspace: Workspace, owners: list[UUID]) -> None:
        first, second = (a_grant(owner) for owner in owners)
        # Neither by time nor by id: by posting.
        mine = [an_entry(first, "3", FEBRUARY), an_entry(first, "-0.000000000000000001")]
        later = an_entry(first, "7")
        async with workspace.transaction() as connection:
            for grant in (first, second):
                assert await grants.insert(connection, grant, BY_TEST)
            theirs = [an_entry(second, "1e30")]
            await ledger.append(connection, {owners[0]: mine, owners[1]: theirs})
            await ledger.append(connection, {owners[0]: [later]})
        async with workspace.transaction() as connection:
            assert await entries_of(connection, owners[0]) == (*mine, later)
            assert await entries_of(connection, owners[1]) == tuple(theirs)
            rows = await connection.execute("SELECT position FROM ledger_entry ORDER BY position")
            assert [row["position"] for row in await rows.fetchall()] == [1, 1, 2, 3]

    with_customers(database_url, use)


def test_an_entry_is_entered_once(database_url: str) -> None:
    async def use(workspace: Workspace, owners: list[UUID]) -> None:
        grant = a_grant(owners[0])
        entry, other = an_entry(grant, "3"), an_entry(grant, "4")
        async with workspace.transaction() as connection:
            await grants.insert(connection, grant, BY_TEST)
            await ledger.append(connection, {owners[0]: [entry]})
            await ledger.append(connection, {owners[0]: [entry, other]})
            assert await entries_of(connection, owners[0]) == (entry, other)

    with_customers(database_url, use, 1)


@pytest.mark.parametrize("role", ["meterline_api", "meterline_pipeline"])
@pytest.mark.parametrize(
    "change", ["UPDATE ledger_entry SET amount = 1", "DELETE FROM ledger_entry"]
)
def test_no_role_may_change_an_entry(database_url: str, role: str, change: str) -> None:
    with (
        psycopg.connect(database_url, options=f"-c role={role}") as connection,
        pytest.raises(InsufficientPrivilege),
    ):
        connection.execute(change.encode())


@pytest.mark.parametrize(
    "change",
    ["UPDATE ledger_entry SET amount = 1", "DELETE FROM ledger_entry", "TRUNCATE ledger_entry"],
)
def test_not_even_the_owner_changes_an_entry_by_accident(database_url: str, change: str) -> None:
    with (
        psycopg.connect(database_url) as connection,
        pytest.raises(RaiseException, match="append a correction"),
    ):
        connection.execute(change.encode())


def test_grants_come_back_by_age_and_changed(database_url: str) -> None:
    async def use(workspace: Workspace, owners: list[UUID]) -> None:
        older, newer = a_grant(owners[0]), a_grant(owners[0], GrantKind.PREPAID)
        older = replace(older, created_at=JANUARY - timedelta(days=1))
        async with workspace.transaction() as connection:
            for grant in (newer, older):
                assert await grants.insert(connection, grant, BY_TEST)
            changed = replace(newer, priority=Decimal("2.50"), archived_at=FEBRUARY)
            await grants.update(connection, changed, shown={"description": "d"})
        async with workspace.transaction() as connection:
            found = await grants.of_customers(connection, owners)
            assert found == {owners[0]: (older, changed)}
            (row,) = await grants.select(connection, [newer.id])
            assert grants.grant_of(row) == changed
            assert (row["shown"], row["archived_at"]) == ({"description": "d"}, FEBRUARY)

    with_customers(database_url, use)


def test_a_uniqueness_key_is_one_commits_and_one_credits(database_url: str) -> None:
    async def use(workspace: Workspace, owners: list[UUID]) -> None:
        keyed = GrantExtras(actor="test", uniqueness_key="order 1")
        async with workspace.transaction() as connection:
            for kind, taken in (
                (GrantKind.PREPAID, True),
                (GrantKind.POSTPAID, False),
                (GrantKind.CREDIT, True),
                (GrantKind.CREDIT, False),
            ):
                grant = a_grant(owners[0], kind)
                assert await grants.insert(connection, grant, keyed) is taken, kind
                # Without a key there is no limit.
                assert await grants.insert(connection, a_grant(owners[0], kind), BY_TEST)

    with_customers(database_url, use, 1)


def test_a_grant_that_steps_make_twice_is_there_once(database_url: str) -> None:
    async def use(workspace: Workspace, owners: list[UUID]) -> None:
        made = [a_grant(owner) for owner in owners]
        async with workspace.transaction() as connection:
            await grants.insert_derived(connection, made, "scheduler")
            again = [replace(grant, priority=Decimal(9)) for grant in made]
            await grants.insert_derived(connection, again, "scheduler")
            found = await grants.of_customers(connection, owners)
            assert found == {owner: (grant,) for owner, grant in zip(owners, made, strict=True)}

    with_customers(database_url, use)


def test_stored_invoices_have_the_lines_that_bill_terms_and_the_others_when_asked(
    database_url: str,
) -> None:
    async def use(workspace: Workspace, owners: list[UUID]) -> None:
        usage, purchase = a_line(), a_line(source=uuid4())
        invoice = an_invoice(owners[0], usage, purchase)
        async with workspace.transaction() as connection:
            await invoices.save(connection, [invoice, an_invoice(owners[1])])
        async with workspace.transaction() as connection:
            found = await invoices.of_customers(connection, [owners[0]])
            assert found == {owners[0]: (replace(invoice, line_items=(purchase,)),)}
            assert await invoices.with_lines(connection, found[owners[0]]) == [invoice]

    with_customers(database_url, use)


def test_what_is_final_changes_by_a_void_alone_which_keeps_its_lines(database_url: str) -> None:
    async def use(workspace: Workspace, owners: list[UUID]) -> None:
        invoice = an_invoice(owners[0], a_line(), a_line())
        void = replace(
            invoice,
            status=InvoiceStatus.VOID,
            voided_at=FEBRUARY,
            line_items=invoice.line_items[:1],
        )
        async with workspace.transaction() as connection:
            await invoices.save(connection, [invoice])
            for again in (replace(invoice, total=Decimal(99)), void, invoice):
                await invoices.save(connection, [again])
            (found,) = (await invoices.of_customers(connection, owners))[owners[0]]
            whole = await invoices.with_lines(connection, [found])
        assert whole == [replace(void, line_items=invoice.line_items)]

    with_customers(database_url, use, 1)


def test_customers_are_due_by_time_and_not_once_they_are_settled(database_url: str) -> None:
    async def use(workspace: Workspace, owners: list[UUID]) -> None:
        first, second, third = owners

        async def due(now: datetime, limit: int = 10) -> list[UUID]:
            async with workspace.transaction() as connection:
                return await books_due.take(connection, now, limit, wait=False)

        async with workspace.transaction() as connection:
            await books_due.set_due(connection, {first: FEBRUARY, second: JANUARY, third: None})
        assert await due(JANUARY - timedelta(seconds=1)) == []
        assert await due(JANUARY) == [second]
        assert await due(FEBRUARY) == [second, first]
        assert await due(FEBRUARY, limit=1) == [second]
        async with workspace.transaction() as connection:
            await books_due.set_due(connection, {second: None, third: FEBRUARY})
        assert await due(FEBRUARY) == sorted([first, third])

    with_customers(database_url, use, 3)


def test_who_failed_is_due_again_later_and_later(database_url: str) -> None:
    async def use(workspace: Workspace, owners: list[UUID]) -> None:
        (customer,) = owners
        waits = []
        async with workspace.transaction() as connection:
            await books_due.set_due(connection, {customer: JANUARY})
        for _ in range(12):
            async with workspace.transaction() as connection:
                assert await books_due.take(connection, JANUARY, 10, wait=False) == owners
                await books_due.note_failure(connection, customer, "broken")
            async with workspace.transaction() as connection:
                assert await books_due.take(connection, JANUARY, 10, wait=False) == []
                rows = await connection.execute(
                    "UPDATE books_due SET retry_at = clock_timestamp()"
                    " RETURNING (SELECT old.retry_at FROM books_due AS old) - clock_timestamp() AS wait,"
                    " reason, failures"
                )
                (row,) = await rows.fetchall()
                assert row["reason"] == "broken"
                waits.append(round(row["wait"].total_seconds()))
        assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
        async with workspace.transaction() as connection:
            await books_due.set_due(connection, {customer: JANUARY})
            rows = await connection.execute("SELECT failures, retry_at, reason FROM books_due")
            assert await rows.fetchall() == [{"failures": 0, "retry_at": None, "reason": None}]

    with_customers(database_url, use, 1)


def test_held_books_are_passed_over_or_waited_for(database_url: str) -> None:
    async def use(workspace: Workspace, owners: list[UUID]) -> None:
        first, second = owners
        async with workspace.transaction() as connection:
            await books_due.set_due(connection, {first: JANUARY, second: JANUARY})

        async def take_all() -> list[UUID]:
            async with workspace.transaction() as connection:
                return await books_due.take(connection, JANUARY, 10, wait=True)

        async with workspace.transaction() as holder:
            assert await books_due.lock(holder, [first]) == [first]
            async with workspace.transaction() as connection:
                assert await books_due.take(connection, JANUARY, 10, wait=False) == [second]
            waiting = asyncio.create_task(take_all())
            await asyncio.sleep(0.3)
            assert not waiting.done()
        assert await waiting == owners

    with_customers(database_url, use)


def test_environments_are_due_by_their_own_clocks(database_url: str) -> None:
    async def run() -> None:
        async with Database(database_url) as database:
            made = {}
            for name, kind, clock in (
                ("live", "production", None),
                ("past", "sandbox", JANUARY - timedelta(days=400)),
                ("future", "sandbox", FEBRUARY),
            ):
                environment_id, _ = await create_environment(database, name, kind, clock)
                workspace = Workspace(database, environment_id, JANUARY, uuid4, "test")
                row = await customers.create(
                    workspace, name="c", ingest_aliases=[], custom_fields={}
                )
                async with workspace.transaction() as connection:
                    await books_due.set_due(connection, {row["customer_id"]: JANUARY})
                made[name] = environment_id
            async with database.installation() as connection:
                due = await books_due.environments_due(connection, JANUARY - timedelta(hours=1))
                assert due == {made["future"]: FEBRUARY}
                due = await books_due.environments_due(connection, JANUARY)
                assert due == {made["live"]: JANUARY, made["future"]: FEBRUARY}

    asyncio.run(run())


def test_a_snapshot_sees_one_instant_and_writes_nothing(database_url: str) -> None:
    async def use(workspace: Workspace, owners: list[UUID]) -> None:
        async with workspace.snapshot() as before:
            assert await invoices.of_customers(before, owners) == {}
            async with workspace.transaction() as connection:
                await invoices.save(connection, [an_invoice(owners[0])])
            assert await invoices.of_customers(before, owners) == {}
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            async with workspace.snapshot() as connection:
                await invoices.save(connection, [an_invoice(owners[0])])
        async with workspace.transaction() as connection:
            assert len(await invoices.of_customers(connection, owners)) == 1
            await invoices.save(connection, [an_invoice(owners[0])])  # no snapshot's leftovers

    with_customers(database_url, use, 1)


def test_two_writers_without_the_lock_are_told(database_url: str) -> None:
    """Positions are a customer's count: whoever appends without holding the books fails instead of losing entries."""

    async def use(workspace: Workspace, owners: list[UUID]) -> None:
        grant = a_grant(owners[0])
        async with workspace.transaction() as connection:
            await grants.insert(connection, grant, BY_TEST)

        async def append() -> None:
            async with workspace.transaction() as connection:
                await ledger.append(connection, {owners[0]: [an_entry(grant, "1")]})
                await asyncio.sleep(0.2)

        outcomes = await asyncio.gather(append(), append(), return_exceptions=True)
        assert [type(one) for one in outcomes if one is not None] == [UniqueViolation]

    with_customers(database_url, use, 1)
