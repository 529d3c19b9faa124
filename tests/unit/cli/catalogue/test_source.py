"""Texts as values that know their line: the traps of YAML 1.1 are shut, and numbers are exact."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from meterline.cli.catalogue import source
from meterline.cli.client import CommandError


def content(tmp_path: Path, text: str, name: str = "a.yaml") -> Any:
    path = tmp_path / name
    path.write_text(text)
    return source.read(path).content


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("NO", "NO"),
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("190:20:30", "190:20:30"),
        ("010", "010"),
        ("0o10", "0o10"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        (".inf", ".inf"),
        (".NaN", ".NaN"),
        ("=", "="),
        ("<<", "<<"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("0", 0),
        ("-17", -17),
        ("+3", 3),
        ("0.1", Decimal("0.1")),
        ("0.10", Decimal("0.10")),
        ("1e3", Decimal("1e3")),
        (".5", Decimal(".5")),
        (
            "12345678901234567890.123456789012345678",
            Decimal("12345678901234567890.123456789012345678"),
        ),
        ('"0.50"', "0.50"),
        ("'true'", "true"),
        ('"NO"', "NO"),
        ("|-\n  NO", "NO"),
    ],
)
def test_scalars_mean_what_the_core_schema_says(
    tmp_path: Path, written: str, meant: object
) -> None:
    found = content(tmp_path, f"a: {written}\n")["a"]
    assert found == meant
    assert type(found) is type(meant)
    assert str(found) == str(meant)  # digits, trailing zeros and all


def test_huge_integers_stay_exact(tmp_path: Path) -> None:
    digits = "9" * 60
    assert content(tmp_path, f"a: {digits}")["a"] == Decimal(digits)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2\n", "a.yaml:2: a: is given twice"),
        ("a: !!python/object:os.system x\n", "tags such as"),
        ("a: !!int '3'\n", "tags such as"),
        ("a: &x [*x]\n", "too much is nested or aliased"),
        ("? [a]\n: 1\n", "a key must be text"),
        ("a: [1\n", "not valid YAML"),
        ("a: 1\n---\nb: 2\n", "a.yaml:2: not valid YAML"),
        ("a: \x01\n", "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
    ],
)
def test_what_is_not_read_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CommandError, match=words.replace("[", r"\[")):
        content(tmp_path, text)


def test_a_bomb_of_aliases_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    with pytest.raises(CommandError, match="too much"):
        content(tmp_path, "\n".join(lines))


def test_an_alias_is_a_copy(tmp_path: Path) -> None:
    found = content(tmp_path, "a: &t [{usd: 1}]\nb: *t\n")
    assert found["a"] == found["b"]
    assert found["a"] is not found["b"]


def test_a_fault_names_file_line_and_path(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("rate_cards:\n  - name: x\n    rates:\n      - {usd: 1,\n         per: 2}\n")
    read = source.read(path)
    place = ("rate_cards", 0, "rates", 0, "per")
    assert str(read.fault(place, "is odd")) == f"{path}:5: rate_cards[0].rates[0].per: is odd"
    assert str(read.fault((*place, "deeper"), "is odd")).startswith(f"{path}:5: ")
    assert str(read.fault(("absent",), "is odd")) == f"{path}:1: absent: is odd"


def test_toml_and_json_are_exact_too(tmp_path: Path) -> None:
    assert content(tmp_path, "a = 0.10", "a.toml")["a"] == Decimal("0.10")
    assert content(tmp_path, '{"a": 0.1}', "a.json")["a"] == Decimal("0.1")
    assert content(tmp_path, "a = 2026-01-01", "a.toml")["a"] == "2026-01-01"
    assert (
        content(tmp_path, "a = 2026-01-01T00:00:00Z", "a.toml")["a"] == "2026-01-01T00:00:00+00:00"
    )


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [("a.toml", "name = ", "not valid TOML"), ("a.json", "{", "not valid JSON")],
)
def test_broken_texts_are_named(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        content(tmp_path, text, name)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"gone\.yaml cannot be read"):
        source.read(tmp_path / "gone.yaml")
