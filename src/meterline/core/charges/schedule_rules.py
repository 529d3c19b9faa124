"""What is wrong with a schedule of dated amounts; fields are named as callers send them."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

from meterline.core.charges.schedules import ITEMS_MAX, schedule_dates
from meterline.core.contract.schedule import DatedAmount, RecurringSchedule, ScheduleTerms
from meterline.core.decimals import EXACT, decimal_issues
from meterline.core.errors import Issue
from meterline.core.period import is_hour


def schedule_issues(
    terms: ScheduleTerms,
    field: str,
    *,
    earliest: datetime | None = None,
    latest: datetime | None = None,
    negative: bool = False,
) -> list[Issue]:
    """Return what is wrong with `terms`, sent as `field` ("schedule", "invoice_schedule").

    Dates must lie in earliest <= t <= latest, where those are given. `negative`: amounts below zero are allowed.
    """
    if (terms.items is None) == (terms.recurring is None):
        form = "not both" if terms.recurring else "one of them"
        return [Issue(field, f"must have schedule_items or recurring_schedule, {form}")]
    if terms.recurring is not None:
        at = f"{field}.recurring_schedule"
        issues = _recurring_issues(terms.recurring, at, negative=negative)
        if issues:
            return issues
        dates = [(f"{at}.starting_at", terms.recurring.starting_at)]
        dates += [(f"{at}.ending_before", date) for date in schedule_dates(terms.recurring)]
        return _bounds_issues(dates, earliest, latest)[:1]
    if not terms.items:
        return [Issue(f"{field}.schedule_items", "must have at least one item")]
    issues = []
    for position, item in enumerate(terms.items):
        at = f"{field}.schedule_items[{position}]"
        if not is_hour(item.timestamp):
            issues.append(Issue(f"{at}.timestamp", "must be on an hour boundary, in UTC"))
        issues += _bounds_issues([(f"{at}.timestamp", item.timestamp)], earliest, latest)
        issues += amount_issues(item, at, negative=negative)
    return issues


def amount_issues(
    given: DatedAmount | RecurringSchedule, field: str, *, negative: bool = False
) -> list[Issue]:
    """Return what is wrong with an amount: neither or half of a form given, or two that disagree."""
    if (given.unit_price is None) != (given.quantity is None):
        missing = "unit_price" if given.unit_price is None else "quantity"
        return [
            Issue(f"{field}.{missing}", "is required with the other of unit_price and quantity")
        ]
    if given.amount is None and given.unit_price is None:
        return [Issue(f"{field}.amount", "is required, or unit_price and quantity")]
    numbers = {
        "amount": given.amount,
        "unit_price": given.unit_price,
        "quantity": given.quantity,
    }
    issues = [
        issue
        for name, number in numbers.items()
        if number is not None
        for issue in decimal_issues(
            f"{field}.{name}", number, negative=negative and name != "quantity"
        )
    ]
    if issues or given.amount is None or given.unit_price is None or given.quantity is None:
        return issues
    if EXACT.multiply(given.unit_price, given.quantity) != given.amount:
        return [Issue(f"{field}.amount", "must be unit_price x quantity, or be left out")]
    return []


def _recurring_issues(recurring: RecurringSchedule, at: str, *, negative: bool) -> list[Issue]:
    issues = [
        Issue(f"{at}.{name}", "must be on an hour boundary, in UTC")
        for name in ("starting_at", "ending_before")
        if not is_hour(getattr(recurring, name))
    ]
    if recurring.ending_before <= recurring.starting_at:
        issues.append(Issue(f"{at}.ending_before", "must be after starting_at"))
    elif sum(1 for _ in islice(schedule_dates(recurring), ITEMS_MAX + 1)) > ITEMS_MAX:
        issues.append(Issue(f"{at}.ending_before", f"must leave at most {ITEMS_MAX} dates"))
    return issues + amount_issues(recurring, at, negative=negative)


def _bounds_issues(
    dates: list[tuple[str, datetime]], earliest: datetime | None, latest: datetime | None
) -> list[Issue]:
    issues = []
    for field, date in dates:
        if earliest is not None and date < earliest:
            issues.append(Issue(field, f"must not be before {earliest.isoformat()}"))
        if latest is not None and date > latest:
            issues.append(Issue(field, f"must not be after {latest.isoformat()}"))
    return issues
