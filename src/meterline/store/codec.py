"""Values of the core as JSON for jsonb columns, and back: the core's dataclasses are the schema.

Decimals are strings, so that no reader meets a float; instants are UTC; a set is a sorted list. A field that is added
to a dataclass needs a default, and rows written before it then read as that default. A field that is taken away is
passed over.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from psycopg.types.json import Jsonb

Value = TypeVar("Value")

_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODERS: dict[type[Any], msgspec.json.Decoder[Any]] = {}


def to_json(value: object) -> Any:
    """Return `value`, a dataclass of the core, as plain JSON values."""
    return msgspec.to_builtins(value, order="deterministic")


def from_json(kind: type[Value], obj: object) -> Value:
    """Return the `kind` that `obj` (as psycopg reads jsonb) stands for. Raises msgspec.ValidationError."""
    return msgspec.convert(obj, kind)


def to_bytes(value: object) -> bytes:
    """Return `value` as JSON text: the same as `to_json`, for COPY and for whole documents."""
    return _ENCODER.encode(value)


def from_bytes(kind: type[Value], text: bytes | str) -> Value:
    """Return the `kind` that JSON text stands for. Raises msgspec.ValidationError."""
    value: Value = _decoder(kind).decode(text)
    return value


def jsonb(value: object) -> Jsonb:
    """Return `value` as a parameter of a query."""
    return Jsonb(value, dumps=to_bytes)


def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    found = _DECODERS.get(kind)
    if found is None:
        found = _DECODERS[kind] = msgspec.json.Decoder(kind)
    return found
