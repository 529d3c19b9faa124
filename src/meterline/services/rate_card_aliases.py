"""Aliases of rate cards. An alias means one card at a time: giving it to another card moves it, for the span given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from meterline.core.errors import Invalid
from meterline.store import rate_card_aliases as store
from meterline.store.database import Connection

_EVER = datetime.min.replace(tzinfo=UTC)
_NEVER = datetime.max.replace(tzinfo=UTC)

Span = tuple[datetime | None, datetime | None]


@dataclass(frozen=True, slots=True)
class AliasSpan:
    """`name` means a card in starting_at <= t < ending_before; None is open."""

    name: str
    starting_at: datetime | None = None
    ending_before: datetime | None = None

    @property
    def span(self) -> Span:
        """The span alone."""
        return self.starting_at, self.ending_before


async def assign(connection: Connection, rate_card_id: UUID, aliases: Sequence[AliasSpan]) -> None:
    """Make `aliases` those of the card, and take them from others where they overlap. Raises Invalid."""
    _check(aliases)
    await store.lock(connection, (one.name for one in aliases))
    wanted = {(one.name, *one.span) for one in aliases}
    for row in await store.select_of_card(connection, rate_card_id):
        key = (row["alias"], row["starting_at"], row["ending_before"])
        if key in wanted:
            wanted.remove(key)
        else:
            await store.delete(connection, [row["alias_row"]])
    for alias in aliases:
        if (alias.name, *alias.span) in wanted:
            await _take(connection, rate_card_id, alias)


async def _take(connection: Connection, rate_card_id: UUID, alias: AliasSpan) -> None:
    for row in await store.select_of_names(connection, [alias.name]):
        older = (row["starting_at"], row["ending_before"])
        rest = without(older, alias.span)
        if rest != [older]:
            await store.delete(connection, [row["alias_row"]])
            for span in rest:
                await store.insert(connection, alias.name, row["rate_card_id"], span)
    await store.insert(connection, alias.name, rate_card_id, alias.span)


def without(span: Span, taken: Span) -> list[Span]:
    """What is left of `span` when `taken` is cut out of it."""
    start, end = span[0] or _EVER, span[1] or _NEVER
    taken_start, taken_end = taken[0] or _EVER, taken[1] or _NEVER
    pieces = [(start, min(end, taken_start)), (max(start, taken_end), end)]
    return [
        (None if first == _EVER else first, None if after == _NEVER else after)
        for first, after in pieces
        if first < after
    ]


def _check(aliases: Sequence[AliasSpan]) -> None:
    for index, alias in enumerate(aliases):
        if not alias.name:
            raise Invalid(f"aliases[{index}].name", "must not be empty")
        if (
            alias.starting_at is not None
            and alias.ending_before is not None
            and alias.ending_before <= alias.starting_at
        ):
            raise Invalid(f"aliases[{index}].ending_before", "must be after starting_at")
        for earlier in aliases[:index]:
            if earlier.name == alias.name and without(earlier.span, alias.span) != [earlier.span]:
                raise Invalid(f"aliases[{index}]", "overlaps an earlier span of the same name")
