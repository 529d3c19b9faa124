"""Schedules of dated amounts: from what a caller sends to items, and what is wrong with it.

Source: docs/decisions/0011-charges-beside-usage.md.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from meterline.core.contract.schedule import (
    InvoiceSchedule,
    RecurringSchedule,
    ScheduleItem,
    ScheduleTerms,
)
from meterline.core.errors import Issue
from meterline.core.money import CreditType


def schedule_items(
    schedule_id: UUID, recurring: RecurringSchedule, credit_type: CreditType
) -> tuple[ScheduleItem, ...]:
    """Return the items of a recurring schedule, by date. Their ids derive from `schedule_id` and the date."""
    raise NotImplementedError


def invoice_schedule(schedule_id: UUID, terms: ScheduleTerms) -> InvoiceSchedule:
    """Return the schedule that sound `terms` ask for, items in order of date (of one date: as given).

    `schedule_id`: the id of the charge or grant it belongs to, which the items' ids derive from.
    """
    raise NotImplementedError


def schedule_issues(
    terms: ScheduleTerms,
    field: str,
    *,
    earliest: datetime | None = None,
    latest: datetime | None = None,
) -> list[Issue]:
    """Return what is wrong with `terms`, sent as `field` ("schedule", "invoice_schedule").

    Dates must lie in earliest <= t <= latest, where those are given.
    """
    raise NotImplementedError
