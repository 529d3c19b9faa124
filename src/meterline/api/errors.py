"""Every failure as the one shape SDKs read: a JSON object with a `message`.

A 409 of the business carries `x-should-retry: false`, because the SDK would otherwise send it twice more. What is
away for a moment (PostgreSQL, the log) is 503 with Retry-After. Nothing a client sends is a 500.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import psycopg
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap, Scope
from psycopg_pool import PoolClosed, PoolTimeout

from meterline.core.errors import Invalid
from meterline.services.errors import Conflict, NotFound, Unavailable
from meterline.stream.errors import Backpressure, Indeterminate

logger = structlog.get_logger()

AnyRequest = Request[Any, Any, Any]
NEVER_RETRY = {"x-should-retry": "false"}


class ApiError(Exception):
    """A reply other than 200: its status, its message and the headers that go with it."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def request_id(scope: Scope) -> str:
    """The id of a request, made when first asked for; its reply and its log lines carry the same one."""
    state = scope["state"]
    if "request_id" not in state:
        state["request_id"] = str(scope["litestar_app"].state.components.new_id())
    return str(state["request_id"])


def _log_context(request: AnyRequest) -> dict[str, str]:
    return {"path": request.scope["path"], "request_id": request_id(request.scope)}


def error_reply(
    status: int, message: str, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    """The reply of an error. Lone surrogates in a message are replaced: they have no UTF-8 form."""
    text = message.encode("utf-8", "replace").decode()
    return Response(
        msgspec.json.encode({"message": text}),
        status_code=status,
        media_type="application/json",
        headers=dict(headers or {}),
    )


def _api_error(_: AnyRequest, error: ApiError) -> Response[bytes]:
    return error_reply(error.status, str(error), error.headers)


def _invalid(_: AnyRequest, error: Invalid) -> Response[bytes]:
    return error_reply(400, str(error))


def _not_found(_: AnyRequest, error: NotFound) -> Response[bytes]:
    return error_reply(404, str(error))


def _unavailable(_: AnyRequest, error: Unavailable) -> Response[bytes]:
    return error_reply(503, str(error), {"Retry-After": "1"})


def _conflict(_: AnyRequest, error: Conflict) -> Response[bytes]:
    return error_reply(409, str(error), NEVER_RETRY)


def _wrong_parameters(_: AnyRequest, error: ValidationException) -> Response[bytes]:
    issues = error.extra if isinstance(error.extra, list) else []
    texts = [f"{issue.get('key', 'request')}: {issue['message']}" for issue in issues]
    named = [text for text in texts if not text.startswith("data:")]  # how Litestar says "no body"
    return error_reply(400, "; ".join(named) or "a JSON body is required")


def _http(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    messages = {
        404: f"there is no {request.scope['path']}",
        405: f"{request.method} is not a method of {request.scope['path']}",
        413: "the request body is too large",
    }
    if error.status_code >= 500:
        logger.error("request_failed", **_log_context(request), exc_info=error)
    message = messages.get(error.status_code, error.detail)
    return error_reply(error.status_code, message, error.headers)


def _database_away(request: AnyRequest, error: Exception) -> Response[bytes]:
    logger.warning("database_away", **_log_context(request), error=str(error))
    return error_reply(503, "the database is away; try again", {"Retry-After": "1"})


def _not_storable(request: AnyRequest, error: Exception) -> Response[bytes]:
    """Text PostgreSQL cannot hold (NUL, lone surrogates) in a place that no decoder looked at, such as the URL."""
    logger.warning("not_storable", **_log_context(request), error=str(error))
    return error_reply(400, f"the request holds a value that cannot be stored: {error}")


def _backpressure(_: AnyRequest, error: Backpressure) -> Response[bytes]:
    return error_reply(503, str(error), {"Retry-After": str(error.retry_after_seconds)})


def _indeterminate(_: AnyRequest, error: Indeterminate) -> Response[bytes]:
    return error_reply(
        503, f"{error or 'the outcome is not known'}; try again", {"Retry-After": "1"}
    )


def _bug(request: AnyRequest, error: Exception) -> Response[bytes]:
    logger.error("request_failed", **_log_context(request), exc_info=error)
    return error_reply(500, "internal error; the request id leads to it in the server's log")


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    ApiError: _api_error,
    Invalid: _invalid,
    NotFound: _not_found,
    Conflict: _conflict,
    Unavailable: _unavailable,
    ValidationException: _wrong_parameters,
    HTTPException: _http,
    psycopg.OperationalError: _database_away,
    PoolTimeout: _database_away,
    PoolClosed: _database_away,
    psycopg.DataError: _not_storable,
    UnicodeEncodeError: _not_storable,
    Backpressure: _backpressure,
    Indeterminate: _indeterminate,
    Exception: _bug,
}
