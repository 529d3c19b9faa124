"""A price of the file as the terms of a rate in the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from meterline.cli.catalogue import amounts
from meterline.cli.catalogue.amounts import DOLLARS, Wrong
from meterline.cli.catalogue.prices import Price, Tier
from meterline.cli.catalogue.requests import Ref
from meterline.cli.catalogue.source import Place, Source
from meterline.core.decimals import EXACT, ZERO

MODELS = ("FLAT", "TIERED", "VOLUME", "PACKAGE", "PERCENTAGE", "GRADUATED_PERCENTAGE")


@dataclass(frozen=True, slots=True)
class PriceWriter:
    """Writes prices of one card. `currency`: the card's, the unit of prices that name none.

    `composite`: the product is charged as a percentage of others, for which the API has rate types of its own.
    """

    source: Source
    currency: str
    composite: bool = False

    def terms(self, price: Price, place: Place) -> dict[str, Any]:
        """Return rate_type and what belongs to it. Raises CommandError that names the place."""
        try:
            if self._is_custom(price):
                return {"rate_type": "CUSTOM", "custom_rate": self._custom(price, place)}
            if price.tiers:
                percent = price.tiers[0].percent is not None
                tiers = self._tiers(price, place)
                return {"rate_type": "TIERED_PERCENTAGE" if percent else "TIERED", "tiers": tiers}
            kind = "PERCENTAGE" if price.percent is not None else "FLAT"
            return {"rate_type": kind, "price": self._one(price, price, place)}
        except Wrong as wrong:
            raise self.source.fault(place, str(wrong)) from None

    def unit_id(self, unit: str | None, place: Place) -> str | Ref:
        """Return the credit type of a unit, or of the card's currency."""
        return credit_type(unit or self.currency, place)

    def _is_custom(self, price: Price) -> bool:
        limits = (price.minimum_usd, price.maximum_usd, price.minimum, price.maximum)
        percent = price.percent is not None or any(tier.percent is not None for tier in price.tiers)
        fees = any(tier.fee_usd is not None or tier.fee is not None for tier in price.tiers)
        return (
            price.model is not None
            or fees
            or any(limit is not None for limit in limits)
            or (percent and not self.composite)
        )

    def _custom(self, price: Price, place: Place) -> dict[str, Any]:
        model = (price.model or self._implied_model(price)).upper()
        if model not in MODELS:
            raise self.source.fault(
                (*place, "model"), f"must be one of {', '.join(MODELS).lower()}"
            )
        custom: dict[str, Any] = {"model": model}
        if price.tiers:
            custom["tiers"] = self._tiers(price, place)
        else:
            custom["price"] = self._one(price, price, place)
        if price.package_size is not None:
            custom["package_size"] = price.package_size
        for name in ("minimum", "maximum"):
            limit = self._amount(
                price, getattr(price, f"{name}_usd"), getattr(price, name), (*place, name)
            )
            if limit is not None:
                custom[f"{name}_spend"] = limit
        return custom

    @staticmethod
    def _implied_model(price: Price) -> str:
        if price.tiers:
            return "TIERED" if price.tiers[0].percent is None else "GRADUATED_PERCENTAGE"
        return "FLAT" if price.percent is None else "PERCENTAGE"

    def _tiers(self, price: Price, place: Place) -> list[dict[str, Any]]:
        if price.usd is not None or price.price is not None or price.percent is not None:
            raise Wrong("give either one price or tiers")
        sizes = tier_sizes(price.tiers)
        found = []
        for number, (tier, size) in enumerate(zip(price.tiers, sizes, strict=True)):
            at = (*place, "tiers", number)
            row: dict[str, Any] = {"price": self._one(price, tier, at)}
            if size is not None:
                row["size"] = size
            fee = self._amount(price, tier.fee_usd, tier.fee, at)
            if fee is not None:
                row["flat_fee"] = fee
            found.append(row)
        return found

    def _one(self, price: Price, tier: Price | Tier, place: Place) -> Decimal:
        """Return the price of one unit, in the unit's measure; a percentage as a fraction."""
        given = [one for one in (tier.usd, tier.price, tier.percent) if one is not None]
        if len(given) != 1:
            raise self.source.fault(place, "give exactly one of usd, price and percent, or tiers")
        if tier.percent is not None:
            return amounts.fraction(tier.percent)
        amount = self._amount(price, tier.usd, tier.price, place)
        assert amount is not None  # one of the two is given
        return amounts.a_unit(amount, price.per)

    def _amount(
        self, price: Price, dollars: Decimal | None, other: Decimal | None, place: Place
    ) -> Decimal | None:
        unit = price.unit or self.currency
        if dollars is not None and unit != DOLLARS:
            raise self.source.fault(place, f"usd is dollars, but the unit is {unit}: say price")
        amount = dollars if dollars is not None else other
        return None if amount is None else amounts.measured(amount, unit)


def tier_sizes(tiers: Sequence[Tier]) -> list[Decimal | None]:
    """Return the size of each tier, the last None. Raises Wrong where they make no sense."""
    reached, sizes = ZERO, []
    for number, tier in enumerate(tiers, start=1):
        if tier.size is not None and tier.up_to is not None:
            raise Wrong(f"tier {number}: give either size or up_to")
        size = tier.size
        if tier.up_to is not None:
            size = EXACT.subtract(tier.up_to, reached)
        if (size is None) != (number == len(tiers)):
            raise Wrong("every tier but the last needs a size or up_to")
        if size is not None:
            reached = EXACT.add(reached, size)
        sizes.append(size)
    return sizes


def credit_type(unit: str, place: Place) -> str | Ref:
    """Return the id of a currency, or a reference to a custom unit."""
    currency = amounts.CURRENCIES.get(unit)
    return Ref("unit", unit, place) if currency is None else str(currency.id)
