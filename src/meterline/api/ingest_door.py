"""A short way in for POST /v1/ingest, in front of the application.

Routing, injection and the layers of middleware cost more than validating and appending a hundred events (see
bench/README.md). This does what the route does, by the same functions, and leaves everything else, the route itself
for descriptions and unusual requests included, to the application behind it.
"""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Request
from litestar.types import Receive, Send

from meterline.api.app import BODY_BYTES_MAX
from meterline.api.auth import bearer, require
from meterline.api.components import Components
from meterline.api.errors import EXCEPTION_HANDLERS, ApiError, request_id
from meterline.api.v1.ingest import PATH, SCOPE, accept


class IngestDoor:
    """ASGI: takes ingest requests itself and passes the rest on."""

    def __init__(self, app: Litestar) -> None:
        self._app = app
        self._components: Components = app.state.components

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope.get("path") == PATH and scope.get("method") == "POST":
            await self._take(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _take(self, scope: Any, receive: Receive, send: Send) -> None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        try:
            principal = await bearer(self._components, headers.get("authorization", ""))
            require(principal, SCOPE)
            body = await _read(receive)
            await accept(self._components, self._app.state.gateway, principal, headers, body)
        except Exception as error:  # every failure has its reply, an unforeseen one too
            await self._refuse(error, scope, receive, send)
            return
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"content-length", b"0"),
                    (b"request-id", str(self._components.new_id()).encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _refuse(self, error: Exception, scope: Any, receive: Receive, send: Send) -> None:
        scope["litestar_app"] = self._app
        scope.setdefault("state", {})
        request: Request[Any, Any, Any] = Request(scope, receive)
        handler = next(
            EXCEPTION_HANDLERS[kind] for kind in type(error).__mro__ if kind in EXCEPTION_HANDLERS
        )
        reply = handler(request, error)
        reply.headers["Request-Id"] = request_id(scope)
        await reply.to_asgi_response(None, request)(scope, receive, send)


async def _read(receive: Receive) -> bytes:
    """The request's body. Raises ApiError 413, and 400 when the client went away."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ApiError(400, "the connection was closed before the body ended")
        parts.append(message["body"])
        size += len(message["body"])
        if size > BODY_BYTES_MAX:
            raise ApiError(413, "the request body is too large")
        if not message.get("more_body", False):
            return b"".join(parts) if len(parts) > 1 else parts[0]
