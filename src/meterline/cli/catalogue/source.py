"""The text of a catalogue file as plain values, each of which knows its line.

YAML is read by the core schema of YAML 1.2, whatever the traps of 1.1: NO, on and 1:30 are text, and so are digits with
a leading zero and dates. Numbers with a fraction are exact decimals, never floats. There are no tags, no merge keys and
no repeated keys; aliases are copies, and bounded. JSON is read exactly as well. TOML does not tell lines, so a fault in
it is named by its path alone.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from meterline.cli.client import CommandError

Place = tuple[str | int, ...]
"""Where in a file: ("rate_cards", 0, "rates", 2, "usd")."""

# A price list has some thousands of values; aliases that make more of them are a mistake or an attack.
VALUES_MAX = 500_000
DEPTH_MAX = 50

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))


@dataclass(frozen=True, slots=True)
class Source:
    """A file's content, and the line each place of it begins on (empty where the format does not tell)."""

    path: Path
    content: Any
    lines: Mapping[Place, int] = field(default_factory=dict)

    def fault(self, place: Place, message: str) -> CommandError:
        """Return the error that names file, line and path of `place`, or of what it lies in."""
        known = place
        while known and known not in self.lines:
            known = known[:-1]
        where = f"{self.path}:{self.lines[known]}" if known in self.lines else str(self.path)
        return CommandError(
            f"{where}: {spelled(place)}: {message}" if place else f"{where}: {message}"
        )


def spelled(place: Place) -> str:
    """Return a place as people write it: rate_cards[0].rates[2].usd."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def read(path: Path) -> Source:
    """Return the content of a YAML, TOML or JSON file, told by its suffix. Raises CommandError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
    if path.suffix in {".yaml", ".yml"}:
        return _read_yaml(path, text)
    try:
        if path.suffix == ".json":
            return Source(path, json.loads(text, parse_float=Decimal))
        return Source(path, _with_text_dates(tomllib.loads(text, parse_float=Decimal)))
    except ValueError as error:
        kind = path.suffix[1:].upper() or "TOML"
        raise CommandError(f"{path} is not valid {kind}: {error}") from error


def _read_yaml(path: Path, text: str) -> Source:
    try:
        # The base loader resolves nothing: every plain scalar is text, and what it means is decided here. libyaml's
        # would be five times as fast, and takes the process down where a text is nested deeply enough.
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = f"{error.problem or error.context}"
        raise CommandError(f"{path}{line}: not valid YAML: {problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise CommandError(f"{path} is not valid YAML: {error}") from error
    if root is None:
        return Source(path, None)
    reader = _YamlReader(path)
    content = reader.value(root, ())
    return Source(path, content, reader.lines)


@dataclass(slots=True)
class _YamlReader:
    path: Path
    lines: dict[Place, int] = field(default_factory=dict)
    values: int = 0

    def value(self, node: yaml.Node, place: Place) -> Any:
        """Return what a node stands for, and remember its line."""
        self.values += 1
        self.lines.setdefault(place, node.start_mark.line + 1)
        if self.values > VALUES_MAX or len(place) > DEPTH_MAX:
            raise self._fault(node, place, "too much is nested or aliased")
        if node.tag not in _PLAIN_TAGS:
            raise self._fault(node, place, f"tags such as {node.tag} are not read")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*place, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return scalar(node.value) if node.style is None else node.value

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._fault(key_node, place, "a key must be text")
            key = str(key_node.value)
            if key in found:
                raise self._fault(key_node, (*place, key), "is given twice")
            self.lines[*place, key] = key_node.start_mark.line + 1
            found[key] = self.value(value_node, (*place, key))
        return found

    def _fault(self, node: yaml.Node, place: Place, message: str) -> CommandError:
        line = {place: node.start_mark.line + 1}
        return Source(self.path, None, line).fault(place, message)


def scalar(text: str) -> str | int | bool | Decimal | None:
    """Return what a plain YAML scalar means: null, a boolean, a number, or the text itself."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        # As a decimal when long: int() of thousands of digits is slow, and nothing here has so many.
        return int(text) if len(text) <= 30 else Decimal(text)
    return Decimal(text) if _DECIMAL.fullmatch(text) else text


def _with_text_dates(value: Any) -> Any:
    """TOML has dates of its own; the API takes text."""
    if isinstance(value, dict):
        return {key: _with_text_dates(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_text_dates(one) for one in value]
    return value.isoformat() if isinstance(value, date | datetime | time) else value
