"""What alerts on spend, usage and invoices measure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from meterline.core.alert.alert import Alert
from meterline.core.alert.reading import Reading
from meterline.core.alert.situation import Situation
from meterline.core.decimals import EXACT, ZERO
from meterline.core.invoice.document import LineItem, LineType


def spend_readings(alert: Alert, situation: Situation) -> Iterator[Reading]:
    """Yield the usage charges of the current periods, before what grants pay, in the alert's own credit type.

    With group values: only of lines that have them, and by each combination of the keys that are given no value.
    """
    sums: dict[str | None, Decimal] = {}
    for invoice in situation.current_drafts(alert):
        if not alert.group_values:
            sums.setdefault(None, ZERO)
        for line in invoice.line_items:
            # Where a grant covers a line, the covered part is a usage line like any other; what it pays is not.
            if line.type is not LineType.USAGE or line.credit_type != alert.unit:
                continue
            matched = _matched(alert, line)
            if matched is not None:
                subject = ", ".join(matched) or None
                sums[subject] = EXACT.add(sums.get(subject, ZERO), line.total)
    for subject, spent in sums.items():
        yield Reading(spent, alert.threshold, subject)


def _matched(alert: Alert, line: LineItem) -> list[str] | None:
    """Which values a line has of the keys that have none given; None where it is not meant."""
    values = {**(line.pricing_group_values or {}), **(line.presentation_group_values or {})}
    found = []
    for wanted in alert.group_values:
        value = values.get(wanted.key)
        if value is None or wanted.value not in (None, value):
            return None
        if wanted.value is None:
            found.append(f"{wanted.key}={value}")
    return found


def usage_readings(alert: Alert, situation: Situation) -> Iterator[Reading]:
    """Yield the usage of the metric in the current periods, if there was any."""
    used = situation.usage.get(alert.id)
    if used is not None:
        yield Reading(used, alert.threshold)


def invoice_readings(alert: Alert, situation: Situation) -> Iterator[Reading]:
    """Yield the total of each draft that has begun, after grants, of the alert's currency and invoice types."""
    for invoice in situation.active_drafts(alert):
        if invoice.credit_type != alert.unit:
            continue
        if not alert.invoice_types or invoice.type in alert.invoice_types:
            yield Reading(invoice.total, alert.threshold, f"invoice {invoice.id}")
