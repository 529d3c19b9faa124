"""docs/sdk.md says what of Metronome's SDK works and which test calls it. Here it is held to that."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from metronome import Metronome

from meterline.api.v1.not_built import NOT_BUILT

ROOT = Path(__file__).parents[2]
ESSENTIAL = 62
EXPECTED = 36
_ROW = re.compile(
    r"^\| `(?P<call>v\d[\w.]+)` \| (?P<verb>[A-Z]+) (?P<path>\S+) \| (?P<shown>.+) \|$"
)


class Row(NamedTuple):
    """A line of a table. `shown`: a test, or "no"."""

    call: str
    verb: str
    path: str
    shown: str


def _tables() -> list[list[Row]]:
    sections = (ROOT / "docs/sdk.md").read_text().split("\n## ")
    tables = []
    for section in sections:
        rows = [
            Row(**found.groupdict()) for line in section.split("\n") if (found := _ROW.match(line))
        ]
        if rows:
            tables.append(rows)
    return tables


A, B = _tables()


def test_the_tables_are_whole() -> None:
    assert len({row.call for row in A}) == ESSENTIAL
    assert len({row.call for row in B}) == EXPECTED
    assert not {row.call for row in A} & {row.call for row in B}


@pytest.mark.parametrize("row", A + B, ids=lambda row: row.call)
def test_the_installed_sdk_has_the_call(row: Row) -> None:
    resource: object = Metronome(base_url="http://127.0.0.1", bearer_token="none")
    *names, method = row.call.split(".")
    for name in names:
        resource = getattr(resource, name)
    source = inspect.getsource(getattr(resource, method))
    assert f'"{row.path}"' in source


@pytest.mark.parametrize("row", A, ids=lambda row: row.call)
def test_every_essential_call_is_made_by_the_test_it_names(row: Row) -> None:
    assert row.call in _calls(row.shown), f"{row.shown} does not call {row.call}"
    assert not _is_refused(row)


@pytest.mark.parametrize("row", B, ids=lambda row: row.call)
def test_the_others_work_or_say_that_they_do_not(row: Row) -> None:
    if row.shown == "no":
        assert _is_refused(row)
    else:
        assert not _is_refused(row)
        assert row.call in _calls(row.shown), f"{row.shown} does not call {row.call}"


def _is_refused(row: Row) -> bool:
    refused = {(verb, re.sub(r":str}", "}", path)) for verb, path in NOT_BUILT}
    return (row.verb, row.path) in refused


@cache
def _calls(shown: str) -> frozenset[str]:
    """The SDK's methods that a test names: "tests/....py::test_name"."""
    path, name = shown.strip("`").split("::")
    tree = ast.parse((ROOT / path).read_text())
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name == name:
            known = {
                target.id: _chain(node.value, {})
                for node in ast.walk(function)
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            attributes = (node for node in ast.walk(function) if isinstance(node, ast.Attribute))
            return frozenset(_chain(node, known) for node in attributes)
    pytest.fail(f"there is no {shown}")


def _chain(node: ast.expr, known: Mapping[str, str]) -> str:
    """`sdk.v1.customers.create` -> "v1.customers.create"; a name may be `known` to stand for the beginning."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    for version in ("v1", "v2"):
        if version in names:
            return ".".join(names[names.index(version) :])
    if isinstance(node, ast.Name) and known.get(node.id):
        return ".".join([known[node.id], *names])
    return ""
