"""Pages that stay put: a cursor says after which row the next page starts, never how many to skip.

A list is ordered by a key that never changes for a row and ends with a unique column, so rows added or archived
meanwhile neither repeat nor hide others. A cursor is opaque, names the list it belongs to, and carries a checksum:
what was cut, changed or taken from another list is refused. It is no secret and opens nothing, for row-level
security decides what a page may show.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Generic, TypeVar

from meterline.core.errors import Invalid
from meterline.store.database import Row

_CHECKSUM_BYTES = 6

Key = tuple[str, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The rows wanted: at most `limit` of them, from after `after` in the list's order (None: the first)."""

    listing: str
    limit: int
    after: Key | None = None

    @classmethod
    def of(
        cls,
        listing: str,
        *,
        cursor: str | None,
        limit: int | None,
        limit_max: int = 100,
        cursor_field: str = "next_page",
    ) -> PageRequest:
        """Read a caller's cursor and limit. Raises Invalid for a limit out of range or a bad cursor."""
        if limit is not None and not 1 <= limit <= limit_max:
            raise Invalid("limit", f"must be from 1 to {limit_max}")
        after = _opened(listing, cursor, cursor_field) if cursor else None
        return cls(listing, limit or limit_max, after)

    @property
    def fetch(self) -> int:
        """How many rows to ask for: one more than the page shows whether there is a next one."""
        return self.limit + 1

    def after_row(self, length: int) -> Key | tuple[None, ...]:
        """The key to start after, as query parameters: `length` values, all None on the first page."""
        if self.after is None:
            return (None,) * length
        if len(self.after) != length:
            raise Invalid("next_page", "is not a cursor of this list")
        return self.after

    def page_of(self, rows: Sequence[T], key: Callable[[T], Key]) -> Page[T]:
        """Cut `fetch` rows to a page."""
        if len(rows) <= self.limit:
            return Page(list(rows), None)
        shown = list(rows[: self.limit])
        return Page(shown, _sealed(self.listing, key(shown[-1])))


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows, and the cursor of what follows them (None: nothing)."""

    rows: list[T]
    next_page: str | None


def age_key(id_column: str) -> Callable[[Row], Key]:
    """The key of lists ordered by creation."""
    return lambda row: (row["created_at"].isoformat(), str(row[id_column]))


def _checksum(listing: str, body: bytes) -> bytes:
    return blake2b(body, digest_size=_CHECKSUM_BYTES, key=listing.encode()[:64]).digest()


def _sealed(listing: str, key: Key) -> str:
    body = json.dumps(key, ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(_checksum(listing, body) + body).decode().rstrip("=")


def _opened(listing: str, cursor: str, field: str) -> Key:
    try:
        sealed = base64.b64decode(
            cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        )
    except (UnicodeEncodeError, binascii.Error) as error:
        raise Invalid(field, "is not a cursor of this list") from error
    checksum, body = sealed[:_CHECKSUM_BYTES], sealed[_CHECKSUM_BYTES:]
    if checksum != _checksum(listing, body):
        raise Invalid(field, "is not a cursor of this list")
    return tuple(json.loads(body))
