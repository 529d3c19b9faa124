"""Alerts: thresholds on what a customer spends, uses and has left, and where he stands by them."""

from meterline.core.alert.alert import (
    Alert,
    AlertStatus,
    AlertType,
    BalanceSpecifier,
    CustomerStatus,
    CustomFieldFilter,
    FilteredEntity,
    GroupValue,
    SeatFilter,
)
from meterline.core.alert.evaluation import Evaluation, evaluate
from meterline.core.alert.narrowing import Narrowing, narrowed
from meterline.core.alert.rules import alert_issues
from meterline.core.alert.situation import Situation, usage_period

__all__ = [
    "Alert",
    "AlertStatus",
    "AlertType",
    "BalanceSpecifier",
    "CustomFieldFilter",
    "CustomerStatus",
    "Evaluation",
    "FilteredEntity",
    "GroupValue",
    "Narrowing",
    "SeatFilter",
    "Situation",
    "alert_issues",
    "evaluate",
    "narrowed",
    "usage_period",
]
