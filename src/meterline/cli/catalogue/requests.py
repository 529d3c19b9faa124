"""Requests of the API that name what may not exist yet.

A body holds a `Ref` where the API wants an id, and a `Key` where the text of a uniqueness key has ids in it. They are
replaced just before the request goes out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from meterline.cli.catalogue.source import Place

KEY_LENGTH_MAX = 128


@dataclass(frozen=True, slots=True)
class Ref:
    """The id of the thing of `kind` that the file calls `name`; `place`: where it does so."""

    kind: str
    name: str
    place: Place = field(default=(), compare=False)


def contract_ref(customer: str, name: str, place: Place = ()) -> Ref:
    """Return the reference to a customer's contract; contracts have names within their customers only."""
    return Ref("contract", f"{name} of {customer}", place)


@dataclass(frozen=True, slots=True)
class Key:
    """A uniqueness key made of texts and ids, shortened to what the API takes."""

    parts: tuple[str | Ref, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A POST. `makes`: whose id the reply tells. Requests with equal `batch` go out as one, their `item`s in a list
    under the body's `batch` key.
    """

    path: str
    body: Mapping[str, Any]
    makes: Ref | None = None
    batch: str | None = None
    item: Mapping[str, Any] | None = None


Ids = Mapping[tuple[str, str], str]
"""The ids of what exists, by kind and name."""


def resolved(value: Any, ids: Ids) -> Any:
    """Return a body with ids for its references. Raises KeyError for one that is not there."""
    if isinstance(value, Ref):
        return ids[value.kind, value.name]
    if isinstance(value, Key):
        return key_text(":".join(str(resolved(part, ids)) for part in value.parts))
    if isinstance(value, Mapping):
        return {name: resolved(one, ids) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [resolved(one, ids) for one in value]
    return value


def key_text(text: str) -> str:
    """Return a uniqueness key no longer than the API takes: its end is a hash where it would be."""
    if len(text) <= KEY_LENGTH_MAX:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    return f"{text[: KEY_LENGTH_MAX - 33]}:{digest}"


def references(value: Any) -> Iterator[Ref]:
    """Yield every reference in a body."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, Key):
        yield from (part for part in value.parts if isinstance(part, Ref))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from references(one)
