"""Property text to exact decimals, and sums of them that can never overflow unseen.

A quantity has at most 18 digits before the point and 18 after it. Columns hold decimals of 38 digits; Polars raises
when a whole column's sum overflows but wraps silently inside a group, so a batch whose largest value times its
rows could reach the limit is summed by Python's Decimal instead.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, Inexact, InvalidOperation

import polars as pl

DIGITS = 18
DECIMAL = pl.Decimal(38, DIGITS)
_LIMIT = Decimal(10) ** DIGITS
# A text has at most 100 characters, so nothing is ever rounded; were it, this raises.
_EXACT = Context(prec=120, traps=[Inexact, InvalidOperation])
# What a column of 38 digits with 18 after the point can hold.
_SUM_LIMIT = Decimal(10) ** 20
_PLAIN = r"^-?[0-9]{1,18}(\.[0-9]{1,18})?$"

UNREADABLE = f"not a decimal number of at most {DIGITS} digits before and {DIGITS} after the point"


def exact(text: str) -> Decimal | None:
    """Return the quantity that `text` spells, exponents included; None where it is none."""
    if len(text) > 100 or not text.isascii() or "_" in text or text != text.strip():
        return None
    try:
        quantity = Decimal(text)
    except InvalidOperation:
        return None
    # copy_abs, for abs() rounds to 28 digits, and so up to the limit.
    if not quantity.is_finite() or quantity.copy_abs() >= _LIMIT:
        return None
    if quantity and quantity.adjusted() < -DIGITS:
        return None
    shortest = quantity.normalize(_EXACT)
    exponent = shortest.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > DIGITS:
        return None
    return shortest


def parse(texts: pl.Series) -> pl.Series:
    """Return the quantities of `texts`; null where a text is null or spells none (told apart by the text)."""
    plain = texts.str.contains(_PLAIN)
    if plain.all(ignore_nulls=True):
        return texts.cast(DECIMAL)
    # Through text, not a list of Decimals: that drops values which fill the column's 36 digits.
    return pl.Series(
        texts.name, [_spelled(text) for text in texts.to_list()], dtype=pl.String
    ).cast(DECIMAL)


def _spelled(text: str | None) -> str | None:
    quantity = None if text is None else exact(text)
    return None if quantity is None else format(quantity, "f")


def limited(quantities: pl.Series, minimum: Decimal | None, maximum: Decimal | None) -> pl.Series:
    """Return what events of these quantities count: `core.metric.BillableMetric.counted` of each, null of null."""
    if minimum is None and maximum is None:
        return quantities
    counted = pl.col(quantities.name)
    if minimum is not None:
        counted = _sized(counted, minimum, lambda size, limit: size < limit)
    if maximum is not None:
        counted = _sized(counted, maximum, lambda size, limit: size > limit)
    return quantities.to_frame().select(counted.alias(quantities.name)).to_series()


def _sized(
    quantity: pl.Expr, limit: Decimal, is_beyond: Callable[[pl.Expr, pl.Expr], pl.Expr]
) -> pl.Expr:
    """Quantities whose size is beyond `limit` become it. Chosen among decimals of one type, never computed with."""
    above, below = pl.lit(limit, dtype=DECIMAL), pl.lit(limit.copy_negate(), dtype=DECIMAL)
    negative = pl.when(is_beyond(-quantity, above)).then(below).otherwise(quantity)
    positive = pl.when(is_beyond(quantity, above)).then(above).otherwise(quantity)
    return pl.when(quantity < 0).then(negative).otherwise(positive)


def may_overflow(quantities: pl.Series) -> bool:
    """Whether some group's sum could leave the column's range."""
    ends = [end for end in (quantities.min(), quantities.max()) if isinstance(end, Decimal)]
    return max((abs(end) for end in ends), default=Decimal(0)) * len(quantities) >= _SUM_LIMIT
