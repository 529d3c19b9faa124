"""A measured value, beside the threshold it is held against."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class Reading(NamedTuple):
    """`value` and `threshold` in one measure. `subject`: what was measured, where it is not all of it."""

    value: Decimal
    threshold: Decimal
    subject: str | None = None
