"""Whether what a file wants is what the API shows.

The API shows more than it takes, and some of it otherwise: `product_id` comes back as `product: {id}`, decimals may be
text, instants may be written in more than one way. So each wanted field is looked for in what is shown, and what is
shown beside is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from meterline.cli.catalogue.amounts import Wrong, instant

# Sent for the platform's own use, and never shown again as they were.
NOT_SHOWN = frozenset({"temporary_id", "initial_quantity"})


def unlike(wanted: Any, shown: Any, name: str = "", *, strict: bool = False) -> Iterator[str]:
    """Yield the names of wanted fields that are shown otherwise.

    A field that is not shown at all counts as unlike where `strict`, and is passed over where not.
    """
    if isinstance(wanted, Mapping):
        yield from _unlike_fields(wanted, shown, name, strict)
    elif isinstance(wanted, list | tuple):
        if not isinstance(shown, list) or len(shown) != len(wanted):
            yield name
            return
        for number, (one, other) in enumerate(zip(wanted, shown, strict=True)):
            yield from unlike(one, other, f"{name}[{number}]", strict=strict)
    elif not same(wanted, shown):
        yield name


def _unlike_fields(wanted: Mapping[str, Any], shown: Any, name: str, strict: bool) -> Iterator[str]:
    if not isinstance(shown, Mapping):
        yield name
        return
    for field, value in wanted.items():
        if field in NOT_SHOWN:
            continue
        place = f"{name}.{field}" if name else field
        found = shown.get(field)
        if found is None and field.endswith("_id"):
            whole = shown.get(field.removesuffix("_id"))
            found = whole.get("id") if isinstance(whole, Mapping) else None
        if found is not None:
            yield from unlike(value, found, place, strict=strict)
        elif strict and value not in (None, [], {}, ()):
            yield place


def same(wanted: Any, shown: Any) -> bool:
    """Whether two plain values are equal: numbers by value, instants by time."""
    if wanted == shown:
        return True
    if isinstance(wanted, bool) or isinstance(shown, bool):
        return False
    numbers = number(wanted), number(shown)
    if None not in numbers:
        return numbers[0] == numbers[1]
    instants = _instant(wanted), _instant(shown)
    return None not in instants and instants[0] == instants[1]


def number(value: Any) -> Decimal | None:
    """Return a number, or the number a text writes, exactly; else None."""
    try:
        return Decimal(value) if isinstance(value, str | int | Decimal) else None
    except InvalidOperation:
        return None


def _instant(value: Any) -> datetime | None:
    try:
        return instant(value) if isinstance(value, str) else None
    except Wrong:
        return None
