"""The PostgreSQL log grows by rows of its counter table."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from meterline.log import sql
from meterline.log.postgres import APPEND_OPTIONS


@dataclass(frozen=True, slots=True)
class GrowingPostgresLog:
    """The log in the database at `url`."""

    url: str
    name: str = "postgresql"

    async def grow(self, partitions: int) -> None:
        async with await psycopg.AsyncConnection.connect(
            self.url, autocommit=True, options=APPEND_OPTIONS
        ) as connection:
            await connection.execute(sql.CREATE_PARTITIONS, {"partitions": partitions})

    async def ends(self) -> dict[int, int]:
        async with await psycopg.AsyncConnection.connect(
            self.url, autocommit=True, options=APPEND_OPTIONS
        ) as connection:
            return dict(await (await connection.execute(sql.ENDS)).fetchall())
