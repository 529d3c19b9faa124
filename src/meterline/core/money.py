"""Credit types: the units prices and amounts are in.

Amounts are exact Decimals in the unit's own measure and are not rounded before an invoice leaves
the house: US dollars are counted in **cents** under a well-known id, other currencies in whole
units, custom pricing units in whatever the vendor means by one. Source: Metronome's pricing units.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from meterline.core.decimals import EXACT, plain, total
from meterline.core.ids import derived_id

__all__ = ["EXACT", "FIAT", "USD_CENTS", "CreditType", "plain", "total"]


@dataclass(frozen=True, slots=True)
class CreditType:
    """A pricing unit: a currency (`is_currency`) or a custom unit such as "compute credits"."""

    id: UUID
    name: str
    is_currency: bool


USD_CENTS = CreditType(UUID("2714e483-4ff1-48e4-9e25-ac732e8f24f2"), "USD (cents)", True)

_CODES = [
    "AUD",
    "BRL",
    "CAD",
    "CHF",
    "CZK",
    "EUR",
    "GBP",
    "INR",
    "MXN",
    "NGN",
    "NOK",
    "NZD",
    "PLN",
    "SEK",
    "SGD",
    "TRY",
    "ZAR",
]

# Other currencies, in whole units, in alphabetical order; USD_CENTS is not among them.
FIAT = tuple(CreditType(derived_id("credit-type", code), code, True) for code in _CODES)
