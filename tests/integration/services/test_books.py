"""Books settled over a real database: what falls due is done once, in order of time, however time passes."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.books_shop import Shop, in_shop, open_shop
from tests.support.running_api import utc

from meterline.core.errors import Invalid
from meterline.core.invoice import InvoiceStatus, InvoiceType
from meterline.core.ledger.balances import balance
from meterline.core.ledger.entry import EntryType
from meterline.services import books, invoices
from meterline.services.contract_parts import NOTHING
from meterline.services.errors import NotFound
from meterline.services.scheduler import settle_environment
from meterline.store import invoices as invoice_store
from meterline.store.database import Database

START = utc(2031, 1, 1)
FEBRUARY, MARCH, APRIL = utc(2031, 2, 1), utc(2031, 3, 1), utc(2031, 4, 1)
GRACE = timedelta(hours=24)


async def settle(shop: Shop, to: datetime) -> None:
    """Let time pass, and the scheduler come round."""
    await shop.turn_clock(to)
    await settle_environment(shop.database, shop.environment_id, to)


async def due_at(shop: Shop) -> list[datetime | None]:
    async with shop.workspace.transaction() as connection:
        rows = await connection.execute("SELECT due_at FROM books_due ORDER BY customer_id")
        return [row["due_at"] for row in await rows.fetchall()]


def test_a_usage_invoice_is_final_a_day_after_its_period_and_stays_as_it_is(
    database_url: str,
) -> None:
    async def scenario(shop: Shop) -> None:
        acme = await shop.customer(NOTHING)
        await shop.use(acme, START + timedelta(days=3), 150)
        assert await due_at(shop) == [FEBRUARY + GRACE]
        await settle(shop, FEBRUARY + GRACE - timedelta(seconds=1))
        statuses = [invoice.status for invoice in await shop.invoices(acme)]
        assert statuses == [InvoiceStatus.DRAFT, InvoiceStatus.DRAFT]
        draft = (await shop.invoices(acme))[0]
        await settle(shop, FEBRUARY + GRACE)
        final, running = await shop.invoices(acme)
        assert (final.status, running.status) == (InvoiceStatus.FINALIZED, InvoiceStatus.DRAFT)
        assert (final.id, final.line_items) == (draft.id, draft.line_items)
        assert (final.total, final.issued_at) == (Decimal(250), FEBRUARY + GRACE)
        assert await due_at(shop) == [MARCH + GRACE]
        await shop.use(acme, START + timedelta(days=4), 1000)  # too late
        assert (await shop.invoices(acme))[0] == final

    in_shop(database_url, START, scenario)


def test_settling_again_adds_nothing(database_url: str) -> None:
    async def scenario(shop: Shop) -> None:
        for n in (100, 900):
            acme = await shop.customer()
            await shop.use(acme, START + timedelta(days=3), n)
        await settle(shop, APRIL + 2 * GRACE)
        before = await shop.dump()
        assert len(before["invoice"]) > 6
        for customers in (shop.customers, shop.customers[:1]):
            async with shop.workspace.transaction() as connection:
                await books.settle(connection, shop.environment_id, customers, shop.now)
        assert await shop.dump() == before

    in_shop(database_url, START, scenario)


def test_a_balance_is_the_sum_of_its_entries_and_never_below_nothing(database_url: str) -> None:
    async def scenario(shop: Shop) -> None:
        acme = await shop.customer()
        for day in (3, 33, 63):
            await shop.use(acme, START + timedelta(days=day), 130)
        await settle(shop, APRIL + 2 * GRACE)
        async with books.reading(shop.workspace, [acme]) as (_, accounts):
            account = accounts[acme]
        for grant in account.grants:
            entries = [entry for entry in account.entries if entry.grant_id == grant.id]
            for entry in entries:
                assert balance(entries, at=entry.timestamp) >= 0, (grant, entry)
        taken = {
            invoice.id: sum(
                entry.amount for entry in account.entries if entry.invoice_id == invoice.id
            )
            for invoice in account.invoices
            if invoice.type is InvoiceType.USAGE
        }
        assert all(amount < 0 for amount in taken.values()), taken

    in_shop(database_url, START, scenario)


INSTANTS = st.lists(
    st.integers(0, 130 * 24).map(lambda hour: START + timedelta(hours=hour)), max_size=5
).map(sorted)


@given(stops=INSTANTS)
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_time_in_one_step_or_in_many_leaves_the_same_books(
    module_database_url: str, stops: list[datetime]
) -> None:
    """Row by row, byte by byte, but for what says in which environment and when it was recorded."""
    end = START + timedelta(days=130)

    async def books_after(database: Database, stops: list[datetime]) -> dict[str, list[str]]:
        names = (f"shop-{number}" for number in _COUNTER)
        shop = await open_shop(database, START, name=next(names))
        for n in (40, 700):
            customer = await shop.customer()
            for day in (2, 30, 31, 45, 80):
                await shop.use(customer, START + timedelta(days=day, hours=5), n)
        for stop in [*stops, end]:
            await settle(shop, stop)
        return await shop.dump()

    async def run() -> None:
        async with Database(module_database_url, connections_max=4) as database:
            assert await books_after(database, stops) == await books_after(database, [])

    asyncio.run(run())


_COUNTER = iter(range(1_000_000))


def test_reading_does_what_is_due_whether_or_not_a_scheduler_runs(database_url: str) -> None:
    async def scenario(shop: Shop) -> None:
        acme = await shop.customer(NOTHING)
        await shop.use(acme, START, 10)
        await shop.turn_clock(MARCH + GRACE)
        statuses = [invoice.status for invoice in await shop.invoices(acme)]
        assert statuses == [InvoiceStatus.FINALIZED] * 2 + [InvoiceStatus.DRAFT]
        async with shop.workspace.transaction() as connection:
            stored = await invoice_store.of_customers(connection, [acme])
        assert [one.issued_at for one in stored[acme]] == [FEBRUARY + GRACE, MARCH + GRACE]

    in_shop(database_url, START, scenario)


def test_readers_of_what_is_due_meet_and_agree(database_url: str) -> None:
    async def scenario(shop: Shop) -> None:
        acme = await shop.customer()
        await shop.use(acme, START, 300)
        await shop.turn_clock(APRIL)
        seen = await asyncio.gather(*(shop.invoices(acme) for _ in range(6)))
        assert all(one == seen[0] for one in seen)
        ids = [invoice.id for invoice in seen[0]]
        assert len(set(ids)) == len(ids)

    in_shop(database_url, START, scenario)


def test_a_contract_made_for_the_past_keeps_its_past_as_drafts_for_a_day(database_url: str) -> None:
    async def scenario(shop: Shop) -> None:
        await shop.turn_clock(MARCH + timedelta(days=9))
        acme = await shop.customer(NOTHING)
        drafts = await shop.invoices(acme)
        assert [one.status for one in drafts] == [InvoiceStatus.DRAFT] * 3
        await shop.use(acme, START, 7)
        await settle(shop, shop.now + GRACE)
        found = await shop.invoices(acme)
        assert [one.id for one in found] == [one.id for one in drafts]
        assert [(one.status, one.total) for one in found] == [
            (InvoiceStatus.FINALIZED, Decimal(14)),
            (InvoiceStatus.FINALIZED, Decimal(0)),
            (InvoiceStatus.DRAFT, Decimal(0)),
        ]

    in_shop(database_url, START, scenario)


def test_void_gives_back_and_regenerate_draws_again(database_url: str) -> None:
    async def scenario(shop: Shop) -> None:
        acme = await shop.customer()
        await shop.use(acme, START + timedelta(days=3), 60)
        await settle(shop, FEBRUARY + GRACE)
        (january,) = await shop.invoices(acme, type="USAGE", status=InvoiceStatus.FINALIZED)
        drawn = await sums(shop)
        await invoices.void_invoice(shop.workspace, january.id)
        given_back = await sums(shop)
        assert given_back != drawn
        assert sum(given_back.values()) - sum(drawn.values()) == 120
        void = await invoices.get(shop.workspace, acme, january.id)
        assert (void.status, void.line_items) == (InvoiceStatus.VOID, january.line_items)
        with pytest.raises(Invalid, match="FINALIZED"):
            await invoices.void_invoice(shop.workspace, january.id)
        await shop.use(acme, START + timedelta(days=3), 5)
        made = await invoices.regenerate_invoice(shop.workspace, january.id)
        anew = await invoices.get(shop.workspace, acme, made)
        assert (anew.status, anew.regenerated_from) == (InvoiceStatus.FINALIZED, january.id)
        assert sum(given_back.values()) - sum((await sums(shop)).values()) == 130
        with pytest.raises(Invalid, match="id"):
            await invoices.regenerate_invoice(shop.workspace, january.id)

    async def sums(shop: Shop) -> dict[object, Decimal]:
        async with shop.workspace.transaction() as connection:
            rows = await connection.execute(
                "SELECT segment_id, sum(amount) AS left FROM ledger_entry GROUP BY segment_id"
            )
            return {row["segment_id"]: row["left"] for row in await rows.fetchall()}

    in_shop(database_url, START, scenario)


def test_what_is_no_final_invoice_is_neither_void_nor_made_anew(database_url: str) -> None:
    async def scenario(shop: Shop) -> None:
        acme = await shop.customer(NOTHING)
        (draft,) = await shop.invoices(acme)
        for correct in (invoices.void_invoice, invoices.regenerate_invoice):
            for unknown in (draft.id, shop.new_id()):
                with pytest.raises(NotFound):
                    await correct(shop.workspace, unknown)
        await settle(shop, FEBRUARY + GRACE)
        with pytest.raises(Invalid):
            await invoices.regenerate_invoice(shop.workspace, draft.id)

    in_shop(database_url, START, scenario)


def test_an_invoice_voided_twice_at_once_is_voided_once(database_url: str) -> None:
    async def scenario(shop: Shop) -> None:
        acme = await shop.customer()
        await shop.use(acme, START, 60)
        await settle(shop, FEBRUARY + GRACE)
        (january,) = await shop.invoices(acme, type="USAGE", status=InvoiceStatus.FINALIZED)
        outcomes = await asyncio.gather(
            *(invoices.void_invoice(shop.workspace, january.id) for _ in range(4)),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in outcomes) == ["Invalid"] * 3 + ["NoneType"]
        async with books.reading(shop.workspace, [acme]) as (_, accounts):
            entries = accounts[acme].entries
        credited = [one for one in entries if one.type is EntryType.CREDITED]
        taken = [one for one in entries if one.type is EntryType.AUTOMATED_INVOICE_DEDUCTION]
        assert len(credited) == len(taken) > 0

    in_shop(database_url, START, scenario)


def test_books_of_nobody_are_empty(database_url: str) -> None:
    async def scenario(shop: Shop) -> None:
        nobody = shop.new_id()
        async with books.reading(shop.workspace, [nobody]) as (_, accounts):
            account = accounts[nobody]
        assert (account.contracts, account.grants, account.invoices) == ((), (), ())
        assert await shop.dump() == {
            table: [] for table in ("account_grant", "ledger_entry", "invoice", "books_due")
        }

    in_shop(database_url, START, scenario)
