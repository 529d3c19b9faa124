"""Environments and tokens against a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import psycopg
import pytest

from meterline.core.errors import Invalid
from meterline.services.environments import (
    CACHE_SECONDS,
    authenticate,
    create_environment,
    create_token,
    ensure_production,
    move_clock,
    now,
    revoke_token,
    token_hash,
    tokens,
)
from meterline.services.errors import Conflict, NotFound
from meterline.store.database import Database

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CUSTOMER = "5d2f3c4e-0000-4000-8000-000000000001"
T = TypeVar("T")


def on(url: str, use: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        async with Database(url) as database:
            return await use(database)

    return asyncio.run(run())


def test_a_new_environments_token_opens_it_in_full(database_url: str) -> None:
    async def use(database: Database) -> None:
        environment_id, token = await create_environment(database, "acme")
        principal = await authenticate(database, token)
        assert principal is not None
        assert (principal.environment_id, principal.environment_name) == (environment_id, "acme")
        assert principal.scope == "full"
        assert not principal.sandbox
        assert await authenticate(database, token + "x") is None
        assert await authenticate(database, "") is None
        assert await authenticate(database, "\ud800") is None

    on(database_url, use)


def test_only_the_hash_of_a_token_is_stored(database_url: str) -> None:
    async def use(database: Database) -> str:
        return (await create_environment(database, "acme"))[1]

    token = on(database_url, use)
    with psycopg.connect(database_url, options="-c role=meterline_pipeline") as connection:
        rows = connection.execute("SELECT token_hash, api_token::text FROM api_token").fetchall()
    assert [row[0] for row in rows] == [token_hash(token)]
    assert token not in rows[0][1]


def test_names_are_taken_once_and_checked(database_url: str) -> None:
    async def use(database: Database) -> None:
        await create_environment(database, "acme")
        with pytest.raises(Conflict, match="acme"):
            await create_environment(database, "acme", "sandbox")
        for name in ("", "  ", "x" * 201, "a\x00b"):
            with pytest.raises(Invalid, match="name"):
                await create_environment(database, name)
        with pytest.raises(Invalid, match="clock"):
            await create_environment(database, "other", "production", NOON)

    on(database_url, use)


def test_production_has_id_1_even_when_made_last(database_url: str) -> None:
    async def use(database: Database) -> None:
        first, _ = await create_environment(database, "first")
        assert first != 1
        assert await ensure_production(database, "secret") == 1
        assert await ensure_production(database, "secret") == 1
        assert await ensure_production(database, "second-secret") == 1
        for token in ("secret", "second-secret"):
            principal = await authenticate(database, token)
            assert principal is not None
            assert (principal.environment_id, principal.scope) == (1, "full")

    on(database_url, use)


def test_a_token_given_opens_one_environment_only(database_url: str) -> None:
    async def use(database: Database) -> None:
        _, token = await create_environment(database, "acme")
        with pytest.raises(Conflict, match="another environment"):
            await ensure_production(database, token)
        for unusable in ("", "two words", "naïve", "line\n"):
            with pytest.raises(Invalid, match="token"):
                await ensure_production(database, unusable)

    on(database_url, use)


def test_scoped_tokens_are_listed_and_end(database_url: str) -> None:
    async def use(database: Database) -> None:
        await create_environment(database, "acme")
        token_id, token = await create_token(database, "acme", "ingest", "collector")
        principal = await authenticate(database, token)
        assert principal is not None
        assert principal.scope == "ingest"
        listed = {row["name"]: row for row in await tokens(database, "acme")}
        assert listed["collector"]["scope"] == "ingest"
        assert "token_hash" not in listed["collector"]

        await revoke_token(database, "acme", token_id, NOON)
        with pytest.raises(NotFound):
            await revoke_token(database, "acme", token_id, NOON)
        with pytest.raises(NotFound, match="nowhere"):
            await create_token(database, "nowhere", "read", "x")

    on(database_url, use)


def test_a_revoked_token_is_refused_once_the_cache_has_forgotten_it(database_url: str) -> None:
    at = 100.0

    async def use(database: Database) -> None:
        nonlocal at
        await create_environment(database, "acme")
        token_id, token = await create_token(database, "acme", "read", "page")
        assert await authenticate(database, token, monotonic=lambda: at) is not None
        await revoke_token(database, "acme", token_id, NOON)
        at += CACHE_SECONDS + 0.1
        assert await authenticate(database, token, monotonic=lambda: at) is None

    on(database_url, use)


def test_moving_the_clock_has_the_spend_of_every_contract_rated_again(database_url: str) -> None:
    async def use(database: Database) -> None:
        environment_id, token = await create_environment(database, "play", "sandbox", NOON)
        sandbox = await authenticate(database, token)
        assert sandbox is not None
        async with database.transaction(environment_id) as connection:
            await connection.execute(
                "INSERT INTO customer (environment_id, customer_id, name, created_at, updated_at)"
                " VALUES (%s, %s, 'a', %s, %s)",
                [environment_id, CUSTOMER, NOON, NOON],
            )
            await connection.execute(
                "INSERT INTO contract (environment_id, contract_id, customer_id, starting_at,"
                " created_at, created_by) VALUES (%s, gen_random_uuid(), %s, %s, %s, 'test')",
                [environment_id, CUSTOMER, NOON, NOON],
            )
        await move_clock(database, sandbox, NOON + timedelta(days=40))
        async with database.installation() as connection:
            touched = await connection.execute(
                "SELECT environment_id, ingest_keys, events FROM usage_touch"
            )
            assert await touched.fetchall() == [
                {"environment_id": environment_id, "ingest_keys": [CUSTOMER], "events": [0]}
            ]

    on(database_url, use)


def test_a_sandboxs_clock_stands_until_moved_and_moves_forward_only(database_url: str) -> None:
    async def use(database: Database) -> None:
        _, token = await create_environment(database, "play", "sandbox", NOON)
        sandbox = await authenticate(database, token)
        assert sandbox is not None
        wall = NOON + timedelta(days=100)
        assert await now(database, sandbox, wall) == NOON
        await move_clock(database, sandbox, NOON + timedelta(days=1))
        assert await now(database, sandbox, wall) == NOON + timedelta(days=1)
        with pytest.raises(Invalid, match="moves forward only"):
            await move_clock(database, sandbox, NOON)

        _, token = await create_environment(database, "by the wall clock", "sandbox")
        without = await authenticate(database, token)
        assert without is not None
        with pytest.raises(Conflict, match="wall clock"):
            await move_clock(database, without, wall)
        assert await now(database, without, wall) == wall

        _, token = await create_environment(database, "live")
        live = await authenticate(database, token)
        assert live is not None
        assert await now(database, live, wall) == wall
        with pytest.raises(Conflict, match="sandbox"):
            await move_clock(database, live, wall)

    on(database_url, use)
