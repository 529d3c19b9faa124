"""Who asks, and whether he may. The bearer token alone chooses the environment.

Scopes: `full` may do anything, `read` may read, `ingest` may only send events. What a route needs is its
`opt["scope"]`; without one a GET needs `read` and everything else `full`.
"""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from meterline.api.components import Components
from meterline.api.errors import ApiError
from meterline.services.environments import Principal, authenticate

AnyConnection = ASGIConnection[Any, Any, Any, Any]

# What a token's scope lets it do, by what a route needs.
GRANTS = {"full": {"full", "read", "ingest"}, "read": {"read"}, "ingest": {"ingest"}}


class BearerAuthentication(AbstractAuthenticationMiddleware):
    """Finds the principal of the request's token, as `request.user` and `request.state.principal`."""

    async def authenticate_request(self, connection: AnyConnection) -> AuthenticationResult:
        components: Components = connection.app.state.components
        principal = await bearer(components, connection.headers.get("authorization", ""))
        connection.state.principal = principal
        return AuthenticationResult(user=principal, auth=None)


async def bearer(components: Components, authorization: str) -> Principal:
    """The principal of an Authorization header. Raises ApiError 401."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ApiError(401, "the header Authorization: Bearer <token> is missing")
    principal = await authenticate(components.database, token.strip())
    if principal is None:
        raise ApiError(401, "the token is not known")
    return principal


def require(principal: Principal, needed: str) -> None:
    """Refuse a token whose scope does not reach `needed`. Raises ApiError 403."""
    if needed not in GRANTS[principal.scope]:
        raise ApiError(403, f"the token's scope is {principal.scope}; this needs {needed}")


def require_scope(connection: AnyConnection, route: BaseRouteHandler) -> None:
    """Guard: refuses a token whose scope does not reach the route."""
    principal: Principal = connection.user
    needed = route.opt.get("scope") or (
        "read" if connection.scope.get("method") == "GET" else "full"
    )
    require(principal, needed)
