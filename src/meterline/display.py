"""Figures as people read them, alike on pages and in the terminal. Exact decimals in, text out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

USD_CENTS_NAME = "USD (cents)"
CENT = Decimal("0.01")
SMALL_PRICE = Decimal("0.001")
MICRODOLLAR = Decimal("0.000001")
MAGNITUDES = ((Decimal(10) ** 12, "T"), (Decimal(10) ** 9, "B"), (Decimal(10) ** 6, "M"))


def amount(value: Any, credit_type: str = USD_CENTS_NAME) -> str:
    """Return money: USD cents become dollars, other units keep their name.

    Under a dollar up to six places stay, because a rounded "$0.00" would hide real usage.
    """
    exact = Decimal(str(value))
    if credit_type != USD_CENTS_NAME:
        return f"{quantity(exact)} {credit_type}"
    dollars = exact / 100
    sign, dollars = ("-" if dollars < 0 else ""), abs(dollars)
    if dollars == 0 or dollars >= 1:
        return f"{sign}${dollars.quantize(CENT):,f}"
    whole, _, fraction = f"{dollars.quantize(MICRODOLLAR):f}".rstrip("0").partition(".")
    return f"{sign}${whole}.{fraction:0<2}"


def unit_price(value: Any, credit_type: str = USD_CENTS_NAME) -> str:
    """Return a price in full: rounding one would be a lie.

    Dollar prices with more zeros than anybody counts are given for a million units.
    """
    exact = Decimal(str(value))
    if credit_type != USD_CENTS_NAME:
        return f"{quantity(exact)} {credit_type}"
    dollars = exact / 100
    if dollars and abs(dollars) < SMALL_PRICE:
        return f"${_with_cents(dollars * 1_000_000)}/million"
    return f"${_with_cents(dollars)}"


def _with_cents(dollars: Decimal) -> str:
    """Return all digits of `dollars`, and at least two after the point if there is any."""
    whole, point, fraction = f"{dollars.normalize():,f}".partition(".")
    return f"{whole}.{fraction:0<2}" if point else whole


def quantity(value: Any) -> str:
    """Return a quantity with thousands separators and no trailing zeros; a dash for none."""
    if value is None:
        return "–"
    return f"{Decimal(str(value)).normalize():,f}"


def compact(value: Any) -> str:
    """Return a large quantity in three or four digits, such as 1.24 B; small ones in full."""
    exact = Decimal(str(value))
    for size, name in MAGNITUDES:
        if abs(exact) >= size:
            return f"{exact / size:.2f} {name}"
    return f"{exact:,.0f}" if abs(exact) >= 1000 else quantity(round(exact, 2))


def duration(seconds: float | None) -> str:
    """Return a short time: 340 ms, 2.1 s, 4 min, 3 h; a dash for none."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.0f} h"
