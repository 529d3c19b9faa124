"""Connections to PostgreSQL, each under a role that cannot bypass row-level security.

Two doors, and no third:
- `transaction(environment_id)`: one transaction that sees one environment (role meterline_api);
- `installation()`: one transaction over all environments (role meterline_pipeline), for the pipeline and tokens.
A forgotten filter behind the first door returns nothing instead of somebody else's rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, LiteralString

from psycopg import AsyncConnection, IsolationLevel
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Connection = AsyncConnection[DictRow]
Row = dict[str, Any]

# UTC so that dates cut where the core cuts them; the timeout ends a query nobody waits for any longer.
# Without JIT: reading a thousand series is estimated dear enough to be compiled, which takes longer than running it.
SESSION_OPTIONS = (
    "-c timezone=UTC -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s -c jit=off"
)


class Database:
    """Pools of connections for one process. Open with `async with`."""

    def __init__(self, url: str, *, connections_max: int = 8) -> None:
        self._environment_pool = _pool(url, "meterline_api", connections_max)
        self._installation_pool = _pool(url, "meterline_pipeline", max(2, connections_max // 2))

    async def __aenter__(self) -> Database:
        await self._environment_pool.open()
        await self._installation_pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._environment_pool.close()
        await self._installation_pool.close()

    @asynccontextmanager
    async def transaction(self, environment_id: int) -> AsyncIterator[Connection]:
        """A transaction that sees and writes rows of `environment_id` alone."""
        async with self._environment_pool.connection() as connection, connection.transaction():
            await _choose(connection, environment_id)
            yield connection

    @asynccontextmanager
    async def snapshot(self, environment_id: int) -> AsyncIterator[Connection]:
        """Like `transaction`, for reading only: all of it sees the same instant."""
        async with self._environment_pool.connection() as connection:
            await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            await connection.set_read_only(True)
            try:
                async with connection.transaction():
                    await _choose(connection, environment_id)
                    yield connection
            finally:
                if not connection.closed:
                    await connection.set_isolation_level(None)
                    await connection.set_read_only(None)

    @asynccontextmanager
    async def installation(self) -> AsyncIterator[Connection]:
        """A transaction over every environment."""
        async with self._installation_pool.connection() as connection, connection.transaction():
            yield connection


async def _choose(connection: Connection, environment_id: int) -> None:
    await connection.execute(
        "SELECT set_config('meterline.environment_id', %s, true)", [str(environment_id)]
    )


def _pool(url: str, role: LiteralString, connections_max: int) -> AsyncConnectionPool[Connection]:
    return AsyncConnectionPool(
        url,
        connection_class=AsyncConnection[DictRow],
        kwargs={
            "row_factory": dict_row,
            "options": f"{SESSION_OPTIONS} -c role={role}",
            "autocommit": True,
        },
        min_size=1,
        max_size=connections_max,
        open=False,
        timeout=10,
        check=AsyncConnectionPool.check_connection,
    )
