"""Queries on environments and their tokens. Over all of them: installation()."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from meterline.store.database import Connection, Row

PRODUCTION = "production"
PRODUCTION_ID = 1  # reserved by migration 0001: the identity column starts above it

_INSERT = """
INSERT INTO environment (name, kind, clock, invoice_grace_hours)
VALUES (%(name)s, %(kind)s, %(clock)s, %(invoice_grace_hours)s)
ON CONFLICT (name) DO NOTHING RETURNING environment_id
"""
_INSERT_PRODUCTION = """
INSERT INTO environment (environment_id, name, kind) OVERRIDING SYSTEM VALUE VALUES (%s, %s,
'production') ON CONFLICT DO NOTHING RETURNING environment_id
"""
_LIST = (
    "SELECT environment_id, name, kind, clock, created_at FROM environment ORDER BY environment_id"
)
_BY_NAME = "SELECT environment_id, name, kind, clock, created_at FROM environment WHERE name = %s"
_CLOCK = "SELECT kind, clock FROM environment WHERE environment_id = %s"
_LOCK_CLOCK = _CLOCK + " FOR NO KEY UPDATE"
_SET_CLOCK = "UPDATE environment SET clock = %s WHERE environment_id = %s"
_ADD_KEY = """
INSERT INTO api_token (environment_id, name, scope, token_hash)
VALUES (%(environment_id)s, %(name)s, %(scope)s, %(token_hash)s) RETURNING token_id
"""
# Given on the command line again, a token counts again, whatever it was before in this environment.
_ACCEPT_KEY = """
INSERT INTO api_token AS known (environment_id, name, scope, token_hash)
VALUES (%(environment_id)s, %(name)s, 'full', %(token_hash)s)
ON CONFLICT (token_hash) DO UPDATE SET revoked_at = NULL, scope = 'full'
WHERE known.environment_id = excluded.environment_id RETURNING token_id
"""
_GRACE = "SELECT invoice_grace_hours FROM environment WHERE environment_id = %s"
# A clock that moved may have begun a billing period of any contract.
_TOUCH_CONTRACTS = """
INSERT INTO usage_touch (environment_id, ingest_keys, events, appended_at)
SELECT %(environment_id)s, keys, array_fill(0, ARRAY[cardinality(keys)]), now()
FROM (SELECT array_agg(DISTINCT customer_id::text) AS keys FROM contract
      WHERE environment_id = %(environment_id)s AND archived_at IS NULL) AS touched
WHERE cardinality(keys) > 0
"""
_BY_HASH = """
SELECT token.environment_id, environment.name AS environment_name, environment.kind, token.scope,
token.token_hash FROM api_token AS token JOIN environment USING (environment_id) WHERE
token.token_hash = %s AND token.revoked_at IS NULL
"""
_LIST_TOKENS = """
SELECT token_id, name, scope, created_at, revoked_at FROM api_token
WHERE environment_id = %s ORDER BY created_at, token_id
"""
_REVOKE = """
UPDATE api_token SET revoked_at = %(at)s
WHERE environment_id = %(environment_id)s AND token_id = %(token_id)s AND revoked_at IS NULL
RETURNING token_id
"""


async def insert(
    connection: Connection,
    *,
    name: str,
    kind: str,
    clock: datetime | None,
    invoice_grace_hours: int = 24,
) -> int | None:
    """Insert an environment; return its id, or None where the name is taken. Production keeps the column's grace."""
    if name == PRODUCTION:
        cursor = await connection.execute(_INSERT_PRODUCTION, [PRODUCTION_ID, PRODUCTION])
    else:
        values = {
            "name": name,
            "kind": kind,
            "clock": clock,
            "invoice_grace_hours": invoice_grace_hours,
        }
        cursor = await connection.execute(_INSERT, values)
    row = await cursor.fetchone()
    return None if row is None else int(row["environment_id"])


async def all_environments(connection: Connection) -> list[Row]:
    """Return every environment, by id."""
    return await (await connection.execute(_LIST)).fetchall()


async def by_name(connection: Connection, name: str) -> Row | None:
    """Return the environment of that name."""
    return await (await connection.execute(_BY_NAME, [name])).fetchone()


async def clock_of(connection: Connection, environment_id: int) -> Row | None:
    """Return `kind` and `clock` (NULL: the wall clock)."""
    return await (await connection.execute(_CLOCK, [environment_id])).fetchone()


async def lock_clock(connection: Connection, environment_id: int) -> Row | None:
    """Like `clock_of`, held against others who would move it."""
    return await (await connection.execute(_LOCK_CLOCK, [environment_id])).fetchone()


async def set_clock(connection: Connection, environment_id: int, to: datetime) -> None:
    """Set a sandbox's clock. The caller holds it."""
    await connection.execute(_SET_CLOCK, [to, environment_id])


async def grace_hours(connection: Connection, environment_id: int) -> int:
    """Return for how many hours after its period a usage invoice stays a draft."""
    row = await (await connection.execute(_GRACE, [environment_id])).fetchone()
    assert row is not None
    return int(row["invoice_grace_hours"])


async def touch_contracts(connection: Connection, environment_id: int) -> None:
    """Tell the spend stage that the spend of every customer with a contract may have changed."""
    await connection.execute(_TOUCH_CONTRACTS, {"environment_id": environment_id})


async def insert_token(
    connection: Connection, *, environment_id: int, name: str, scope: str, token_hash: bytes
) -> UUID:
    """Keep a new token's hash; return the token's id. A hash kept raises UniqueViolation."""
    cursor = await connection.execute(
        _ADD_KEY,
        {
            "environment_id": environment_id,
            "name": name,
            "scope": scope,
            "token_hash": token_hash,
        },
    )
    row = await cursor.fetchone()
    assert row is not None
    token_id: UUID = row["token_id"]
    return token_id


async def accept_token(
    connection: Connection, *, environment_id: int, name: str, token_hash: bytes
) -> bool:
    """Have a token the operator chose count; False where it is another environment's."""
    accepted = await connection.execute(
        _ACCEPT_KEY, {"environment_id": environment_id, "name": name, "token_hash": token_hash}
    )
    return accepted.rowcount == 1


async def token_by_hash(connection: Connection, token_hash: bytes) -> Row | None:
    """Return the token that counts, with its environment."""
    return await (await connection.execute(_BY_HASH, [token_hash])).fetchone()


async def tokens(connection: Connection, environment_id: int) -> list[Row]:
    """Return an environment's tokens, oldest first."""
    return await (await connection.execute(_LIST_TOKENS, [environment_id])).fetchall()


async def revoke_token(
    connection: Connection, *, environment_id: int, token_id: UUID, at: datetime
) -> bool:
    """End a token; False where there is no such token, or it has ended already."""
    revoked = await connection.execute(
        _REVOKE, {"environment_id": environment_id, "token_id": token_id, "at": at}
    )
    return revoked.rowcount == 1
