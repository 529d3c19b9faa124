"""Environments, the tokens that open them, and their clocks.

A token is shown once and kept as its SHA-256: it has 256 random bits, so no slow hash is needed to
keep it from being guessed. What is looked up is the hash, and it is compared in constant time. A
revoked token may still be taken for CACHE_SECONDS by a process that has just seen it; a token is
never refused that should count.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe
from typing import Literal, get_args
from uuid import UUID
from weakref import WeakKeyDictionary

from meterline.core.errors import Invalid
from meterline.core.lifecycle.account import GRACE
from meterline.services.errors import Conflict, NotFound
from meterline.store import environments as store
from meterline.store.database import Database, Row

Scope = Literal["ingest", "read", "full"]
Kind = Literal["production", "sandbox"]

SCOPES: tuple[str, ...] = get_args(Scope)
KINDS: tuple[str, ...] = get_args(Kind)
INVOICE_GRACE_HOURS = GRACE // timedelta(hours=1)
INVOICE_GRACE_HOURS_MAX = 24 * 365
TOKEN_BYTES = 32
NAME_LENGTH_MAX = 200
CACHE_SECONDS = 5.0
CACHE_TOKENS_MAX = 4096

NewToken = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the environment a token opens, and what it may do there."""

    environment_id: int
    environment_name: str
    scope: Scope
    sandbox: bool = False


def random_token(kind: str) -> str:
    """Return a new token, ml_production_<43 characters>, easy for secret scanners to spot."""
    return f"ml_{kind}_{token_urlsafe(TOKEN_BYTES)}"


def token_hash(token: str) -> bytes:
    """Return what is stored of a token."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


async def create_environment(
    database: Database,
    name: str,
    kind: str = "production",
    clock: datetime | None = None,
    *,
    invoice_grace_hours: int = INVOICE_GRACE_HOURS,
    new_token: NewToken = random_token,
) -> tuple[int, str]:
    """Create an environment and a token of full scope; return its id and the token, shown once.

    clock: where a sandbox's clock starts; None is the wall clock, and the only choice in
    production. invoice_grace_hours: how long after its period a usage invoice stays a draft.
    Raises Invalid for a bad value, Conflict where the name is taken.
    """
    _check_name(name)
    if kind not in KINDS:
        raise Invalid("kind", f"must be one of {', '.join(KINDS)}")
    if clock is not None and kind != "sandbox":
        raise Invalid("clock", "only a sandbox has a clock of its own")
    if clock is not None and clock.tzinfo is None:
        raise Invalid("clock", "must have an offset from UTC")
    if not 0 <= invoice_grace_hours <= INVOICE_GRACE_HOURS_MAX:
        raise Invalid("invoice_grace_hours", f"must be 0 to {INVOICE_GRACE_HOURS_MAX}")
    token = new_token(kind)
    async with database.installation() as connection:
        environment_id = await store.insert(
            connection, name=name, kind=kind, clock=clock, invoice_grace_hours=invoice_grace_hours
        )
        if environment_id is None:
            raise Conflict(f"there is an environment named {name} already")
        await store.insert_token(
            connection,
            environment_id=environment_id,
            name="first",
            scope="full",
            token_hash=token_hash(token),
        )
    return environment_id, token


async def ensure_production(database: Database, token: str) -> int:
    """Have `token` open the environment "production", created if absent; return its id.

    Raises Invalid for an unusable token, Conflict where it opens another environment.
    """
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise Invalid("token", "must be printable ASCII without spaces, as HTTP headers are")
    async with database.installation() as connection:
        await store.insert(connection, name=store.PRODUCTION, kind="production", clock=None)
        environment = await store.by_name(connection, store.PRODUCTION)
        assert environment is not None
        environment_id = int(environment["environment_id"])
        accepted = await store.accept_token(
            connection, environment_id=environment_id, name="operator", token_hash=token_hash(token)
        )
        if not accepted:
            raise Conflict("the token given opens another environment already")
    return environment_id


async def environments(database: Database) -> list[Row]:
    """Return every environment: environment_id, name, kind, clock, created_at."""
    async with database.installation() as connection:
        return await store.all_environments(connection)


async def create_token(
    database: Database,
    environment: str,
    scope: str,
    name: str,
    *,
    new_token: NewToken = random_token,
) -> tuple[UUID, str]:
    """Add a token to the environment of that name; return its id and the token, shown only here."""
    _check_name(name)
    if scope not in SCOPES:
        raise Invalid("scope", f"must be one of {', '.join(SCOPES)}")
    async with database.installation() as connection:
        found = _found(await store.by_name(connection, environment), environment)
        token = new_token(found["kind"])
        token_id = await store.insert_token(
            connection,
            environment_id=found["environment_id"],
            name=name,
            scope=scope,
            token_hash=token_hash(token),
        )
    return token_id, token


async def tokens(database: Database, environment: str) -> list[Row]:
    """Return an environment's tokens: token_id, name, scope, created_at, revoked_at."""
    async with database.installation() as connection:
        found = _found(await store.by_name(connection, environment), environment)
        return await store.tokens(connection, found["environment_id"])


async def revoke_token(database: Database, environment: str, token_id: UUID, now: datetime) -> None:
    """End a token. Raises NotFound where the environment has no such token that counts."""
    async with database.installation() as connection:
        found = _found(await store.by_name(connection, environment), environment)
        if not await store.revoke_token(
            connection, environment_id=found["environment_id"], token_id=token_id, at=now
        ):
            raise NotFound("token", token_id)


async def now(database: Database, principal: Principal, wall_clock: datetime) -> datetime:
    """Return the time in the principal's environment: a sandbox's own clock, else `wall_clock`."""
    if not principal.sandbox:
        return wall_clock
    return await now_in(database, principal.environment_id, wall_clock)


async def now_in(database: Database, environment_id: int, wall_clock: datetime) -> datetime:
    """Return the time in an environment, whoever asks."""
    async with database.installation() as connection:
        row = await store.clock_of(connection, environment_id)
    clock: datetime | None = None if row is None else row["clock"]
    return wall_clock if clock is None else clock


async def move_clock(database: Database, principal: Principal, to: datetime) -> None:
    """Set a sandbox's clock forward, and have its spend rated at the new time. See also `sandbox_clock.move`.

    Raises Invalid for a time before the clock's, Conflict where there is no clock to move:
    production, and sandboxes that were created without one, go by the wall clock.
    """
    _check_mover(principal, to)
    async with database.installation() as connection:
        row = await store.lock_clock(connection, principal.environment_id)
        _check_clock(row, to)
        await store.set_clock(connection, principal.environment_id, to)
        await store.touch_contracts(connection, principal.environment_id)


async def check_move(database: Database, principal: Principal, to: datetime) -> None:
    """Raise what `move_clock` would raise now."""
    _check_mover(principal, to)
    async with database.installation() as connection:
        _check_clock(await store.clock_of(connection, principal.environment_id), to)


def _check_mover(principal: Principal, to: datetime) -> None:
    if to.tzinfo is None:
        raise Invalid("now", "must have an offset from UTC")
    if not principal.sandbox:
        raise Conflict("only a sandbox has a clock that can be moved")


def _check_clock(row: Row | None, to: datetime) -> None:
    if row is None or row["clock"] is None:
        raise Conflict("this sandbox was created without a clock and goes by the wall clock")
    if to < row["clock"]:
        raise Invalid("now", f"the clock moves forward only, and stands at {row['clock']}")


class TokenCache:
    """The principals of tokens seen within the last few seconds, by the tokens' hashes."""

    def __init__(
        self, *, seconds: float = CACHE_SECONDS, tokens_max: int = CACHE_TOKENS_MAX
    ) -> None:
        self._seconds = seconds
        self._tokens_max = tokens_max
        self._seen: dict[bytes, tuple[float, Principal]] = {}

    def get(self, hashed: bytes, at: float) -> Principal | None:
        """Return the principal, if seen less than the cache's seconds before `at`."""
        seen_at, principal = self._seen.get(hashed, (float("-inf"), None))
        return principal if at - seen_at < self._seconds else None

    def put(self, hashed: bytes, principal: Principal, at: float) -> None:
        """Remember; the one remembered longest ago makes room."""
        self._seen.pop(hashed, None)
        if len(self._seen) >= self._tokens_max:
            del self._seen[next(iter(self._seen))]
        self._seen[hashed] = (at, principal)


_CACHES: WeakKeyDictionary[Database, TokenCache] = WeakKeyDictionary()


async def authenticate(
    database: Database, token: str, *, monotonic: Callable[[], float] = time.monotonic
) -> Principal | None:
    """Return whom the token stands for, or None."""
    return await principal_of(database, token_hash(token), monotonic=monotonic)


async def principal_of(
    database: Database, hashed: bytes, *, monotonic: Callable[[], float] = time.monotonic
) -> Principal | None:
    """Return whom the token of this hash stands for, or None. Unknown ones are not cached: no
    crowding out.
    """
    cache = _CACHES.setdefault(database, TokenCache())
    at = monotonic()
    known = cache.get(hashed, at)
    if known is not None:
        return known
    async with database.installation() as connection:
        row = await store.token_by_hash(connection, hashed)
    if row is None or not hmac.compare_digest(bytes(row["token_hash"]), hashed):
        return None
    principal = Principal(
        environment_id=row["environment_id"],
        environment_name=row["environment_name"],
        scope=row["scope"],
        sandbox=row["kind"] == "sandbox",
    )
    cache.put(hashed, principal, at)
    return principal


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > NAME_LENGTH_MAX or not name.isprintable():
        raise Invalid("name", f"must have 1 to {NAME_LENGTH_MAX} printable characters")


def _found(row: Row | None, name: str) -> Row:
    if row is None:
        raise NotFound("environment", name)
    return row
