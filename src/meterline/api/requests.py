"""What handlers share: the workspace of a request, page parameters, and values of the wire as the core wants them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec

from meterline.api.components import Components
from meterline.core.errors import Invalid
from meterline.services.environments import Principal, now
from meterline.services.errors import NotFound
from meterline.services.paging import PageRequest
from meterline.services.workspace import Workspace

LIMIT_MAX = 100

Choice = TypeVar("Choice", bound=StrEnum)

# Beyond these, arithmetic on periods could leave what dates can express.
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
CustomFieldKey = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
CustomFields = dict[CustomFieldKey, Annotated[str, msgspec.Meta(max_length=200)]]

# The cursor and page size of lists that take them in the query string, POST lists too.
NextPage = str | None
Limit = int | None


class Body(msgspec.Struct, kw_only=True):
    """A request's body. Unknown fields are ignored: newer SDKs send them."""


class Reply(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A reply or a part of one. Absent is left out rather than null."""


class Id(Reply):
    """The id of what was made or changed."""

    id: UUID


class IdReply(Reply):
    """{"data": {"id": ...}}"""

    data: Id


def id_reply(identity: UUID) -> IdReply:
    """The reply of what was made or changed."""
    return IdReply(data=Id(id=identity))


async def workspace_of(components: Components, principal: Principal) -> Workspace:
    """Dependency `workspace`: the environment of the request's token, at its time."""
    return Workspace(
        database=components.database,
        environment_id=principal.environment_id,
        now=await now(components.database, principal, components.clock()),
        new_id=components.new_id,
        actor="api",
    )


def page_request(
    listing: str, next_page: str | None, limit: int | None, *scope: object
) -> PageRequest:
    """The page asked for; `scope` are the filters a cursor is bound to."""
    name = ":".join([listing, *map(repr, scope)])
    return PageRequest.of(name, cursor=next_page, limit=limit, limit_max=LIMIT_MAX)


def body_page_request(
    listing: str,
    cursor: str | None,
    limit: Decimal | None,
    *scope: object,
    limit_max: int,
    cursor_field: str = "next_page",
) -> PageRequest:
    """Like `page_request`, for lists that take cursor and limit in the body."""
    if limit is not None and not (limit.is_finite() and limit == limit.to_integral_value()):
        raise Invalid("limit", "must be a whole number")
    if limit is not None and not 1 <= limit <= limit_max:  # before int(): it may have many digits
        raise Invalid("limit", f"must be from 1 to {limit_max}")
    name = ":".join([listing, *map(repr, scope)])
    return PageRequest.of(
        name,
        cursor=cursor,
        limit=None if limit is None else int(limit),
        limit_max=limit_max,
        cursor_field=cursor_field,
    )


def instant(field: str, given: datetime) -> datetime:
    """An instant in UTC. Raises Invalid outside 1970 to 2200."""
    try:
        at = given.astimezone(UTC)
    except OverflowError:
        at = None
    if at is None or not _EARLIEST <= at <= _LATEST:
        raise Invalid(field, "must be between the years 1970 and 2200")
    return at


def optional_instant(field: str, given: datetime | None) -> datetime | None:
    """Like `instant`; None stays None."""
    return None if given is None else instant(field, given)


def path_id(kind: str, text: str) -> UUID:
    """An id in the path. What is no id names nothing: raises NotFound."""
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound(kind, text[:80]) from error


def member(field: str, kind: type[Choice], text: str) -> Choice:
    """The member of an enum, in any case of letters. Raises Invalid naming the choices."""
    try:
        return kind(text.upper())
    except ValueError as error:
        raise Invalid(field, f"must be one of {', '.join(kind)}") from error


def comma_list(given: Sequence[str] | None) -> list[str] | None:
    """A query list as SDKs send it: joined by commas, or the key repeated."""
    if given is None:
        return None
    return [part for text in given for part in text.split(",") if part]
