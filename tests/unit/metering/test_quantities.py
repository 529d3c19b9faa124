"""Quantities are exact decimals of 18 + 18 digits, or none; sums of them never wrap."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest

from meterline.metering.quantities import DECIMAL, exact, may_overflow, parse

LARGEST = "9" * 18 + "." + "9" * 18
SMALLEST = "0." + "0" * 17 + "1"

READ = [
    "0",
    "7",
    "-7",
    "12.5",
    "000123.4500",
    LARGEST,
    "-" + LARGEST,
    SMALLEST,
    "1.5" + "0" * 40,
]
SPELLED = {
    "1e3": "1000",
    "1E-3": "0.001",
    "+5": "5",
    "5.": "5",
    ".5": "0.5",
    "-0": "0",
    "0e999": "0",
    "1e17": "1" + "0" * 17,
    "1e-18": SMALLEST,
    "+" + LARGEST: LARGEST,
    "123456789012345678901234567890e-12": "123456789012345678.90123456789",
}
JUNK = [
    "",
    " ",
    "x",
    " 1",
    "1 ",
    "1\n",
    "1_000",
    "1,5",
    "0x10",
    "1e",
    "--1",
    "NaN",
    "sNaN",
    "Infinity",
    "-inf",
    "true",
    "٣",
    "1e18",
    "1" + "0" * 18,
    "1e-19",
    "0." + "0" * 18 + "1",
    "1e400",
    "1e99999999999999999999",
    "9" * 400,
    "1." + "0" * 100,
]


def column(texts: list[str | None]) -> pl.Series:
    return pl.Series("n", texts, dtype=pl.String)


@pytest.mark.parametrize("text", READ)
def test_a_plain_decimal_is_read_exactly(text: str) -> None:
    assert exact(text) == Decimal(text)
    assert parse(column([text])).to_list() == [Decimal(text)]


@pytest.mark.parametrize(("text", "meant"), SPELLED.items())
def test_other_spellings_are_read_exactly(text: str, meant: str) -> None:
    assert exact(text) == Decimal(meant)
    assert parse(column([text])).to_list() == [Decimal(meant)]


@pytest.mark.parametrize("text", JUNK)
def test_junk_is_no_quantity(text: str) -> None:
    assert exact(text) is None
    assert parse(column([text])).to_list() == [None]


def test_what_a_text_means_does_not_depend_on_its_neighbours() -> None:
    together = parse(column([*READ, *SPELLED, *JUNK, None]))
    assert together.dtype == DECIMAL
    alone = [parse(column([text]))[0] for text in (*READ, *SPELLED, *JUNK)]
    assert together.to_list() == [*alone, None]


def test_null_stays_null_and_nothing_gives_nothing() -> None:
    assert parse(column([None, "1", None])).to_list() == [None, Decimal(1), None]
    assert parse(column([None])).to_list() == [None]
    assert parse(column([])).to_list() == []


@pytest.mark.parametrize(
    ("texts", "may"),
    [
        ([], False),
        ([None, None], False),
        (["0"] * 10_000, False),
        ([LARGEST] * 99, False),
        ([LARGEST] * 100 + ["1"], True),
        (["-" + LARGEST] * 101, True),
        (["1"] * 1_000 + [LARGEST], True),  # the bound is coarse, on the safe side
    ],
)
def test_it_is_known_beforehand_when_a_sum_could_overflow(
    texts: list[str | None], *, may: bool
) -> None:
    assert may_overflow(parse(column(texts))) is may


def test_polars_wraps_silently_inside_a_group_which_is_why() -> None:
    """Should this ever fail, the slow path for large sums has lost its reason."""
    frame = pl.DataFrame({"key": ["a"] * 200, "n": parse(column([LARGEST] * 200))})
    wrapped = frame.group_by("key").agg(pl.col("n").sum())["n"][0]
    assert wrapped != 200 * 10**18
    assert may_overflow(frame["n"])
