"""Rows of `idempotent_reply`: what was answered to a request with an Idempotency-Key."""

from __future__ import annotations

from datetime import datetime

from meterline.store.database import Connection, Row

# An expired key is as good as new.
CLAIM = """
    INSERT INTO idempotent_reply (environment_id, idempotency_key, request_hash, created_at)
    VALUES (current_environment(), %(key)s, %(hash)s, %(now)s)
    ON CONFLICT (environment_id, idempotency_key) DO UPDATE
        SET request_hash = excluded.request_hash, created_at = excluded.created_at, status = NULL, body = NULL
        WHERE idempotent_reply.created_at < %(kept_since)s
    RETURNING idempotency_key
"""
SELECT = "SELECT request_hash, status, body FROM idempotent_reply WHERE idempotency_key = %s"
COMPLETE = "UPDATE idempotent_reply SET status = %s, body = %s WHERE idempotency_key = %s"
RELEASE = "DELETE FROM idempotent_reply WHERE idempotency_key = %s AND status IS NULL"
# A few at a time, so that no request pays for all that has expired.
FORGET = """
    DELETE FROM idempotent_reply WHERE idempotency_key IN (
        SELECT idempotency_key FROM idempotent_reply WHERE created_at < %s ORDER BY created_at LIMIT 20
        FOR UPDATE SKIP LOCKED)
"""


async def claim(
    connection: Connection, key: str, request_hash: bytes, *, now: datetime, kept_since: datetime
) -> bool:
    """Take a key for a request; False when another has it."""
    parameters = {"key": key, "hash": request_hash, "now": now, "kept_since": kept_since}
    return (await connection.execute(CLAIM, parameters)).rowcount == 1


async def select(connection: Connection, key: str) -> Row | None:
    """(request_hash, status, body) of a key; status None: the request is under way."""
    return await (await connection.execute(SELECT, (key,))).fetchone()


async def complete(connection: Connection, key: str, status: int, body: bytes) -> None:
    """Keep what was answered."""
    await connection.execute(COMPLETE, (status, body, key))


async def release(connection: Connection, key: str) -> None:
    """Give a key back: nothing was done under it."""
    await connection.execute(RELEASE, (key,))


async def forget(connection: Connection, before: datetime) -> None:
    """Drop some replies from before `before`."""
    await connection.execute(FORGET, (before,))
