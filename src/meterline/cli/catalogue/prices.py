"""Prices as a catalogue file says them. Amounts are as people write them: `usd` in dollars, `price` in the card's
currency or in `unit`, `percent` in hundredths; quoted or not, they are read exactly.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Part(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A mapping of the file. A key it does not know is refused: a misspelt price must not pass."""


class Tier(Part):
    """A step of a tiered price: it holds `size` units, or reaches `up_to` in all; the last has neither.

    `fee_usd` or `fee` is charged once, when the tier is entered.
    """

    usd: Decimal | None = None
    price: Decimal | None = None
    percent: Decimal | None = None
    size: Decimal | None = None
    up_to: Decimal | None = None
    fee_usd: Decimal | None = None
    fee: Decimal | None = None


class Price(Part):
    """What is charged: a price for `per` units, a percentage, or tiers of either.

    `model` names one beyond these: volume, package (the price of each begun package of `package_size`), and, for usage
    that is counted in the measure of the unit, percentage and graduated_percentage. `minimum_usd`, `maximum_usd`
    (`minimum`, `maximum` in other units): what a billing period costs at least and at most.
    """

    usd: Decimal | None = None
    price: Decimal | None = None
    percent: Decimal | None = None
    tiers: list[Tier] = []
    per: Decimal = Decimal(1)
    unit: str | None = None
    model: str | None = None
    package_size: Decimal | None = None
    minimum_usd: Decimal | None = None
    maximum_usd: Decimal | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
