"""What is in the PostgreSQL log and not consumed yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool

from meterline.log import sql
from meterline.log.postgres import APPEND_OPTIONS
from meterline.stream.log import Backlog, Mark


class PostgresLogBacklog:
    """Reads the log's own counters, which are exact. Open with `async with`."""

    def __init__(self, url: str) -> None:
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            url,
            kwargs={
                "autocommit": True,
                "options": APPEND_OPTIONS,
                "row_factory": tuple_row,
                "application_name": "log backlog",
            },
            min_size=0,
            max_size=1,
            open=False,
            timeout=5,
        )

    async def __aenter__(self) -> PostgresLogBacklog:
        await self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    async def behind(self, marks: Mapping[int, Mark]) -> list[Backlog]:
        arguments = {
            "partitions": list(marks),
            "offsets": [mark.offset for mark in marks.values()],
            "events": [mark.events for mark in marks.values()],
        }
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(sql.BEHIND, arguments)).fetchall()
        return [Backlog(*row) for row in rows]
