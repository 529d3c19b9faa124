"""Readable output: money, quantities and tables for the terminal; exact JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

USD_CENTS_NAME = "USD (cents)"
CENT_PLACES = Decimal("0.01")
EXACT_JSON = msgspec.json.Encoder(decimal_format="number")


def amount(value: Any, credit_type: str = USD_CENTS_NAME) -> str:
    """Return money as people read it: USD cents become dollars, other units keep their name.

    Amounts under a dollar keep up to six places, because a rounded "$0.00" would hide real usage.
    """
    exact = Decimal(str(value))
    if credit_type != USD_CENTS_NAME:
        return f"{exact:,f} {credit_type}"
    dollars = exact / 100
    sign, dollars = ("-" if dollars < 0 else ""), abs(dollars)
    if dollars == 0 or dollars >= 1:
        return f"{sign}${dollars.quantize(CENT_PLACES):,f}"
    digits = f"{dollars.quantize(Decimal('0.000001')):f}".rstrip("0")
    whole, _, fraction = digits.partition(".")
    return f"{sign}${whole}.{fraction:<02}"


def unit_price(value: Any, credit_type: str = USD_CENTS_NAME) -> str:
    """Return a price in full: many are fractions of a cent, and rounding one would be a lie."""
    exact = Decimal(str(value))
    if credit_type != USD_CENTS_NAME:
        return f"{exact.normalize():,f} {credit_type}"
    return f"${(exact / 100).normalize():f}"


def quantity(value: Any) -> str:
    """Return a quantity with thousands separators and no trailing zeros; a dash for none."""
    if value is None:
        return "–"
    exact = Decimal(str(value)).normalize()
    return f"{exact:,f}"


def groups(values: Mapping[str, Any] | None) -> str:
    """Return group values as `model=x region=y`; an absent value is shown as ∅."""
    return " ".join(f"{k}={'∅' if v is None else v}" for k, v in sorted((values or {}).items()))


def show(
    title: str,
    columns: Iterable[tuple[str, bool]],
    rows: Iterable[Iterable[str]],
    *,
    caption: str | None = None,
    console: Console | None = None,
) -> None:
    """Print a table. columns: (heading, whether it holds numbers)."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption=caption,
        caption_justify="left",
        header_style="dim",
        box=None,
        pad_edge=False,
    )
    for heading, numeric in columns:
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=numeric)
    for row in rows:
        table.add_row(*row)
    (console or Console()).print(table)


def show_json(value: Any) -> None:
    """Print one JSON document. Decimals are printed in full, as numbers."""
    text = msgspec.json.format(EXACT_JSON.encode(value), indent=2).decode()
    Console(soft_wrap=True, highlight=False, markup=False).print(text)
