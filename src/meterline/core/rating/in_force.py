"""The rate a contract pays at an instant, for what is not usage: subscriptions and composites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from meterline.core.catalogue import Rate
from meterline.core.contract.override import Override, Prioritization
from meterline.core.rating.compilation import PriceList


def rate_in_force(  # noqa: PLR0913, PLR0917  (what names a rate is four things)
    price_list: PriceList,
    overrides: Sequence[Override],
    prioritization: Prioritization,
    product_id: UUID,
    billing_frequency: str | None,
    pricing_group_values: Mapping[str, str],
    instant: datetime,
) -> Rate | None:
    """Return the rate of a product at `instant`, with the override that acts on it in its terms and unit.

    None where it is not sold: no rate, or one that is not entitled. Source: Metronome's rate card overrides.
    """
    raise NotImplementedError
