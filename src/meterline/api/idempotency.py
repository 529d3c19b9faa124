"""The Idempotency-Key header of POST requests. Ingest needs none: events carry their own ids."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from litestar.connection import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from meterline.api.components import Components
from meterline.services import idempotency
from meterline.services.environments import Principal

# Refusals that had no effect and may go away: the key is free again.
_NO_EFFECT = frozenset({401, 403, 429, 503})


class IdempotencyMiddleware:
    """Runs a POST with a key once, and answers its repeats with the first reply."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        key = _key(scope)
        if key is None:
            await self.app(scope, receive, send)
            return
        components: Components = scope["litestar_app"].state.components
        principal: Principal = scope["user"]
        request: Request[Any, Any, Any] = Request(scope, receive)
        body = await request.body()  # kept in the scope, where the handler finds it again
        kept = await idempotency.claim(
            components.database,
            principal.environment_id,
            key,
            _request_hash(scope, body),
            components.clock(),
        )
        if kept is not None:
            await _replay(kept, send)
            return
        recorder = _Recorder()
        await self.app(scope, receive, recorder.record)
        await self._settle(components, principal, key, recorder)
        for message in recorder.messages:
            await send(message)

    @staticmethod
    async def _settle(
        components: Components, principal: Principal, key: str, recorder: _Recorder
    ) -> None:
        """Before the reply is sent: whoever has seen it must find it again."""
        database, environment_id = components.database, principal.environment_id
        if recorder.status in _NO_EFFECT:
            await idempotency.release(database, environment_id, key)
        else:
            await idempotency.complete(
                database, environment_id, key, recorder.status, recorder.body
            )


class _Recorder:
    """Holds a reply back."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.status = 500
        self.body = b""

    async def record(self, message: Message) -> None:
        self.messages.append(message)
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.body += message["body"]


def _key(scope: Scope) -> str | None:
    if scope["type"] != ScopeType.HTTP or scope.get("method") != "POST":
        return None
    if scope["route_handler"].opt.get("scope") == "ingest":
        return None
    for name, value in scope["headers"]:
        if name == b"idempotency-key":
            return value.decode("latin-1")
    return None


def _request_hash(scope: Scope, body: bytes) -> bytes:
    asked = b"\0".join((scope["path"].encode("utf-8", "replace"), scope["query_string"], body))
    return blake2b(asked, digest_size=32).digest()


async def _replay(kept: idempotency.KeptReply, send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"idempotent-replayed", b"true")]
    if kept.status == 409:
        headers.append((b"x-should-retry", b"false"))
    await send({"type": "http.response.start", "status": kept.status, "headers": headers})
    await send({"type": "http.response.body", "body": kept.body, "more_body": False})
