"""Row-level security at work: a transaction without, with, and with another environment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from meterline.services.environments import create_environment
from meterline.store.database import Database

INSERT_CREDIT_TYPE = (
    "INSERT INTO credit_type (environment_id, credit_type_id, name, created_at)"
    " VALUES (%s, gen_random_uuid(), %s, now())"
)
NAMES = "SELECT name FROM credit_type ORDER BY name"


def in_two_environments(url: str, use: Callable[[Database, int, int], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Database(url) as database:
            first, _ = await create_environment(database, "first")
            second, _ = await create_environment(database, "second")
            for environment_id in (first, second):
                async with database.transaction(environment_id) as connection:
                    name = f"of {environment_id}"
                    await connection.execute(INSERT_CREDIT_TYPE, [environment_id, name])
            await use(database, first, second)

    asyncio.run(run())


def test_a_transaction_sees_its_own_environment_alone(database_url: str) -> None:
    async def use(database: Database, first: int, second: int) -> None:
        for environment_id in (first, second):
            async with database.transaction(environment_id) as connection:
                rows = await (await connection.execute(NAMES)).fetchall()
                assert rows == [{"name": f"of {environment_id}"}]
                tokens = await connection.execute("SELECT environment_id FROM api_token")
                assert await tokens.fetchall() == [{"environment_id": environment_id}]
        async with database.transaction(999) as connection:
            assert await (await connection.execute(NAMES)).fetchall() == []
        async with database.installation() as connection:
            assert len(await (await connection.execute(NAMES)).fetchall()) == 2

    in_two_environments(database_url, use)


def test_without_an_environment_there_are_no_rows(database_url: str) -> None:
    async def use(_: Database, first: int, __: int) -> None:
        with psycopg.connect(database_url, options="-c role=meterline_api") as connection:
            assert connection.execute(NAMES).fetchall() == []
            with pytest.raises(InsufficientPrivilege, match="row-level security"):
                connection.execute(INSERT_CREDIT_TYPE, [first, "x"])

    in_two_environments(database_url, use)


def test_the_choice_of_an_environment_ends_with_its_transaction(database_url: str) -> None:
    async def use(_: Database, first: int, __: int) -> None:
        with psycopg.connect(
            database_url, options="-c role=meterline_api", autocommit=True
        ) as connection:
            with connection.transaction():
                connection.execute(
                    "SELECT set_config('meterline.environment_id', %s, true)", [str(first)]
                )
                assert len(connection.execute(NAMES).fetchall()) == 1
            assert connection.execute(NAMES).fetchall() == []

    in_two_environments(database_url, use)


def test_another_environments_rows_cannot_be_written_or_taken(database_url: str) -> None:
    async def use(database: Database, first: int, second: int) -> None:
        with pytest.raises(InsufficientPrivilege, match="row-level security"):
            async with database.transaction(first) as connection:
                await connection.execute(INSERT_CREDIT_TYPE, [second, "smuggled"])
        with pytest.raises(InsufficientPrivilege, match="row-level security"):
            async with database.transaction(first) as connection:
                await connection.execute("UPDATE credit_type SET environment_id = %s", [second])
        async with database.transaction(first) as connection:
            changed = await connection.execute(
                "UPDATE credit_type SET name = 'x' WHERE environment_id = %s", [second]
            )
            assert changed.rowcount == 0

    in_two_environments(database_url, use)


def test_time_partitions_cannot_be_read_past_their_parent(database_url: str) -> None:
    with psycopg.connect(database_url) as owner:
        row = owner.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'log_record'::regclass"
        ).fetchone()
    assert row is not None
    for role in ("meterline_api", "meterline_pipeline"):
        with (
            psycopg.connect(database_url, options=f"-c role={role}") as connection,
            pytest.raises(InsufficientPrivilege),
        ):
            connection.execute(f"SELECT FROM {row[0]}")
