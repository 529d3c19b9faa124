"""Periods of whole hours, the rollup buckets that tile them, and the schedules that cut a contract
into them.
"""

from meterline.core.period.schedule import (
    ANNUAL,
    MONTHLY,
    QUARTERLY,
    WEEKLY,
    Frequency,
    StatementDay,
    StatementSchedule,
)
from meterline.core.period.span import EPOCH, HOUR, Period, hour_index, hour_start, is_hour
from meterline.core.period.tiles import Grain, Tile, tiles

__all__ = [
    "ANNUAL",
    "EPOCH",
    "HOUR",
    "MONTHLY",
    "QUARTERLY",
    "WEEKLY",
    "Frequency",
    "Grain",
    "Period",
    "StatementDay",
    "StatementSchedule",
    "Tile",
    "hour_index",
    "hour_start",
    "is_hour",
    "tiles",
]
