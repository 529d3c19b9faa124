"""A POST with an Idempotency-Key happens once; its reply is given again for a day.

A key whose request died half way (the process was killed) stays taken: whether the request took effect is not known,
and doing it twice would be worse than refusing. Time is the wall clock, also in sandboxes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from meterline.core.errors import Invalid
from meterline.services.errors import Conflict
from meterline.store import idempotency as store
from meterline.store.database import Database

KEPT = timedelta(hours=24)
KEY_LENGTH_MAX = 255


@dataclass(frozen=True, slots=True)
class KeptReply:
    """What the first request was answered."""

    status: int
    body: bytes


async def claim(
    database: Database, environment_id: int, key: str, request_hash: bytes, now: datetime
) -> KeptReply | None:
    """Take the key for this request (None), or return what the first one with it was answered.

    Raises Invalid for a bad key; Conflict when the first request differed, or has not ended.
    """
    if not 1 <= len(key) <= KEY_LENGTH_MAX or not key.isprintable():
        raise Invalid("Idempotency-Key", f"must have 1 to {KEY_LENGTH_MAX} printable characters")
    async with database.transaction(environment_id) as connection:
        if await store.claim(connection, key, request_hash, now=now, kept_since=now - KEPT):
            await store.forget(connection, now - KEPT)
            return None
        row = await store.select(connection, key)
    if row is None or row["status"] is None:
        raise Conflict("Idempotency-Key: the first request with this key has not ended")
    if bytes(row["request_hash"]) != request_hash:
        raise Conflict("Idempotency-Key: was used with another request")
    return KeptReply(row["status"], bytes(row["body"]))


async def complete(
    database: Database, environment_id: int, key: str, status: int, body: bytes
) -> None:
    """Keep the reply of the request that holds the key."""
    async with database.transaction(environment_id) as connection:
        await store.complete(connection, key, status, body)


async def release(database: Database, environment_id: int, key: str) -> None:
    """Give the key back where the request had no effect, so that it can be tried again."""
    async with database.transaction(environment_id) as connection:
        await store.release(connection, key)
