"""Writers of unique custom fields take turns: who takes what another leaves waits for him, and never deadlocks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from meterline.services import custom_fields, customers
from meterline.services.custom_fields import Entity
from meterline.services.environments import create_environment
from meterline.services.errors import Conflict
from meterline.services.workspace import Workspace
from meterline.store import custom_fields as store
from meterline.store.database import Database

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CUSTOMER = Entity.CUSTOMER


async def a_workspace(database: Database) -> Workspace:
    environment_id, _ = await create_environment(database, "play", "sandbox", NOW)
    workspace = Workspace(database, environment_id, NOW, uuid4, "test")
    await custom_fields.add_key(workspace, CUSTOMER, "k", enforce_uniqueness=True)
    return workspace


def test_two_who_exchange_values_take_turns(database_url: str) -> None:
    async def run() -> None:
        async with Database(database_url) as database:
            workspace = await a_workspace(database)
            one, other = [
                (
                    await customers.create(
                        workspace, name=name, ingest_aliases=[], custom_fields={"k": name}
                    )
                )["customer_id"]
                for name in "ab"
            ]
            async with workspace.transaction() as connection:
                await store.share(connection)
                assert await store.lock_unique_keys(connection, "customer", ["k"]) == ["k"]
                await store.release_unique_values(connection, "customer", one, ["k"])
                second = asyncio.create_task(
                    custom_fields.set_values(workspace, CUSTOMER, other, {"k": "a"})
                )
                await asyncio.sleep(0.3)
                assert not second.done()
                # Had the second not waited before it let go of "b", each would wait for the other here.
                taken = await store.replace_unique_values(connection, "customer", one, {"k": "b"})
                assert taken == set()
            await second
            assert (await customers.get(workspace, other))["custom_fields"] == {"k": "a"}

    asyncio.run(run())


def test_a_key_waits_for_entities_under_way(database_url: str) -> None:
    async def run() -> None:
        async with Database(database_url) as database:
            workspace = await a_workspace(database)
            values = {"later": "x"}
            async with workspace.transaction() as connection:
                await custom_fields.claim(connection, CUSTOMER, uuid4(), values)
                declared = asyncio.create_task(
                    custom_fields.add_key(workspace, CUSTOMER, "later", enforce_uniqueness=True)
                )
                await asyncio.sleep(0.3)
                assert not declared.done()
            await declared
            await customers.create(workspace, name="n", ingest_aliases=[], custom_fields=values)
            with pytest.raises(Conflict, match="later"):
                await customers.create(workspace, name="n", ingest_aliases=[], custom_fields=values)

    asyncio.run(run())
