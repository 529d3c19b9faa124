"""A catalogue file, read and checked for its form."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

import msgspec

from meterline.cli.catalogue import source
from meterline.cli.catalogue.model import CatalogueFile
from meterline.cli.catalogue.source import Place, Source

Content = TypeVar("Content", bound=msgspec.Struct)

_FAULT = re.compile(r"^(?P<what>.*?) - at `\$(?P<path>.*)`$", re.DOTALL)
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]|\[\.\.\.\]")


def read(path: Path) -> tuple[Source, CatalogueFile]:
    """Return a file's text and content. Raises CommandError that names file, line and path."""
    text = source.read(path)
    return text, converted(text, CatalogueFile)


def converted(text: Source, kind: type[Content]) -> Content:
    """Return a file's content as `kind`. Raises CommandError that names file, line and path."""
    if not isinstance(text.content, dict):
        known = ", ".join(kind.__struct_fields__)
        raise text.fault((), f"must be a mapping of {known}")
    try:
        return msgspec.convert(text.content, kind)
    except msgspec.ValidationError as error:
        found = _FAULT.match(str(error))
        if found is None:
            raise text.fault((), str(error)) from error
        raise text.fault(_place(found["path"]), found["what"]) from error


def _place(path: str) -> Place:
    """Return msgspec's path as a place; a mapping's value, `[...]`, as the mapping."""
    return tuple(
        step["name"] if step["name"] is not None else int(step["index"])
        for step in _STEP.finditer(path)
        if step["name"] is not None or step["index"] is not None
    )
