"""Rating: (usage, prices) -> charges. Pure; `rate_plan` compiles the prices once, `charges` rates
each customer.
"""

from meterline.core.rating.charges import Charge, Unpriced, charges, product_totals, unpriced
from meterline.core.rating.compilation import PriceList, rate_plan
from meterline.core.rating.piece import Piece, PriceModel
from meterline.core.rating.plan import RatePlan
from meterline.core.rating.resolution import RateSegment, rate_at, rate_segments
from meterline.core.rating.tier_walk import TierPosition, bands, walk

__all__ = [
    "Charge",
    "Piece",
    "PriceList",
    "PriceModel",
    "RatePlan",
    "RateSegment",
    "TierPosition",
    "Unpriced",
    "bands",
    "charges",
    "product_totals",
    "rate_at",
    "rate_plan",
    "rate_segments",
    "unpriced",
    "walk",
]
