"""Evaluates an alert: which readings there are, and whether one is beyond the threshold.

Spend, usage and totals alarm when they reach it from below; balances and days when they reach it from above.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from meterline.core.alert.alert import DAYS, Alert, AlertType, CustomerStatus
from meterline.core.alert.balances import balance_readings, days_readings
from meterline.core.alert.reading import Reading
from meterline.core.alert.situation import Situation
from meterline.core.alert.spending import invoice_readings, spend_readings, usage_readings

_RISING: Mapping[AlertType, Callable[[Alert, Situation], Iterator[Reading]]] = {
    AlertType.SPEND: spend_readings,
    AlertType.USAGE: usage_readings,
    AlertType.INVOICE_TOTAL: invoice_readings,
}


class Evaluation(NamedTuple):
    """Where a customer stands. `status` None: the alert is archived. `triggered_by`: which part of it alarms."""

    status: CustomerStatus | None
    triggered_by: str | None = None


def evaluate(alert: Alert, situation: Situation) -> Evaluation:
    """Return where the customer of `situation` stands by `alert`."""
    if alert.archived_at is not None:
        return Evaluation(None)
    rising = _RISING.get(alert.type)
    if rising is not None:
        beyond = [one for one in rising(alert, situation) if one.value >= one.threshold]
    else:
        falling = days_readings if alert.type in DAYS else balance_readings
        beyond = [one for one in falling(alert, situation) if one.value <= one.threshold]
    if not beyond:
        return Evaluation(CustomerStatus.OK)
    return Evaluation(CustomerStatus.IN_ALARM, beyond[0].subject)
