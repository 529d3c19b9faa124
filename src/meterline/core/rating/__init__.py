"""Rating: (usage, prices) -> charges. Pure; `rate_plan` compiles the prices once, `charges` rates
each customer.
"""

from meterline.core.rating.charges import (
    Charge,
    Move,
    Unpriced,
    charges,
    moves,
    product_totals,
    unpriced,
)
from meterline.core.rating.compilation import PriceList, rate_plan
from meterline.core.rating.in_force import rate_in_force
from meterline.core.rating.models import price_model
from meterline.core.rating.piece import Piece, PieceKind, PriceModel
from meterline.core.rating.plan import RatePlan
from meterline.core.rating.resolution import RateSegment, rate_at, rate_segments
from meterline.core.rating.tier_walk import TierPosition, bands, walk

__all__ = [
    "Charge",
    "Move",
    "Piece",
    "PieceKind",
    "PriceList",
    "PriceModel",
    "RatePlan",
    "RateSegment",
    "TierPosition",
    "Unpriced",
    "bands",
    "charges",
    "moves",
    "price_model",
    "product_totals",
    "rate_at",
    "rate_in_force",
    "rate_plan",
    "rate_segments",
    "unpriced",
    "walk",
]
