"""Schedules of dated amounts: from what a caller sends to items, and what is wrong with it.

An item always has all three of amount, unit price and quantity, and its amount is exactly their product.
# invariant: the items of a DIVIDED or DIVIDED_ROUNDED schedule add up to its amount, to the last digit.
Source: docs/decisions/0011-charges-beside-usage.md.
"""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from uuid import UUID, uuid5

from meterline.core.contract.schedule import (
    AmountDistribution,
    DatedAmount,
    InvoiceSchedule,
    RecurringSchedule,
    ScheduleFrequency,
    ScheduleItem,
    ScheduleTerms,
)
from meterline.core.decimals import DECIMAL_PLACES_MAX, EXACT, ONE, decimal_issues, plain
from meterline.core.errors import Issue
from meterline.core.money import USD_CENTS, CreditType
from meterline.core.period import is_hour

# A hundred years of months: more dates than any contract has, few enough to be made at once.
ITEMS_MAX = 1200

_MONTHS = {
    ScheduleFrequency.MONTHLY: 1,
    ScheduleFrequency.QUARTERLY: 3,
    ScheduleFrequency.SEMI_ANNUAL: 6,
    ScheduleFrequency.ANNUAL: 12,
}


def schedule_items(
    schedule_id: UUID, recurring: RecurringSchedule, credit_type: CreditType
) -> tuple[ScheduleItem, ...]:
    """Return the items of a recurring schedule, by date. Their ids derive from `schedule_id` and the date.

    Dates are counted from the first one: 31 January, 28 February, 31 March. A division that does not end is cut off
    after `DECIMAL_PLACES_MAX` places, DIVIDED_ROUNDED at whole smallest units; the last item has the rest.
    """
    dates = list(islice(_dates(recurring), ITEMS_MAX))
    unit_price, quantity = _price_and_quantity(recurring)
    match recurring.amount_distribution:
        case AmountDistribution.EACH:
            prices = [unit_price] * len(dates)
        case AmountDistribution.DIVIDED:
            prices = _divided(unit_price, len(dates), DECIMAL_PLACES_MAX)
        case AmountDistribution.DIVIDED_ROUNDED:
            # Whole amounts need not be whole unit prices, so each share is one unit of its amount.
            prices = _divided(amount_of(recurring), len(dates), smallest_unit_places(credit_type))
            quantity = ONE
    shares = [
        DatedAmount(date, None, price, quantity) for date, price in zip(dates, prices, strict=True)
    ]
    return _items(schedule_id, shares)


def invoice_schedule(schedule_id: UUID, terms: ScheduleTerms) -> InvoiceSchedule:
    """Return the schedule that sound `terms` ask for, items in order of date (of one date: as given).

    `schedule_id`: the id of the charge or grant it belongs to, which the items' ids derive from.
    """
    if terms.recurring is not None:
        items = schedule_items(schedule_id, terms.recurring, terms.credit_type)
    else:
        given = sorted(terms.items or (), key=lambda item: item.timestamp)
        items = _items(schedule_id, given)
    return InvoiceSchedule(terms.credit_type, items, terms.do_not_invoice)


def smallest_unit_places(credit_type: CreditType) -> int:
    """Return after how many places amounts of `credit_type` are whole smallest units.

    US dollars are counted in cents, other currencies in whole units of a hundred parts; a custom unit is whole.
    """
    return 2 if credit_type.is_currency and credit_type.id != USD_CENTS.id else 0


def _dates(recurring: RecurringSchedule) -> Iterator[datetime]:
    months = _MONTHS.get(recurring.frequency)
    step = 0
    date = recurring.starting_at
    while date < recurring.ending_before:
        yield date
        step += 1
        if months is None:
            date = recurring.starting_at + step * timedelta(weeks=1)
        else:
            date = months_after(recurring.starting_at, step * months)


def months_after(instant: datetime, months: int) -> datetime:
    """Return `instant` that many months on, on the last day of a month too short for its day."""
    whole = instant.year * 12 + instant.month - 1 + months
    year, month = whole // 12, whole % 12 + 1
    return instant.replace(year=year, month=month, day=min(instant.day, monthrange(year, month)[1]))


def _price_and_quantity(given: DatedAmount | RecurringSchedule) -> tuple[Decimal, Decimal]:
    """An amount alone is the price of one."""
    if given.unit_price is not None and given.quantity is not None:
        return given.unit_price, given.quantity
    assert given.amount is not None, "schedule_issues asks for an amount"
    return given.amount, ONE


def amount_of(given: DatedAmount | RecurringSchedule) -> Decimal:
    """Return the amount that was given, or asked for by unit price and quantity."""
    return EXACT.multiply(*_price_and_quantity(given))


def _divided(whole: Decimal, parts: int, places: int) -> list[Decimal]:
    """`whole` in equal parts of at most `places` places; the last has what is left."""
    if not parts:
        return []
    scaled = EXACT.divide_int(EXACT.scaleb(whole, places), Decimal(parts))
    share = plain(EXACT.scaleb(scaled, -places))
    rest = EXACT.subtract(whole, EXACT.multiply(share, Decimal(parts - 1)))
    return [share] * (parts - 1) + [plain(rest)]


def _items(schedule_id: UUID, given: list[DatedAmount]) -> tuple[ScheduleItem, ...]:
    of_date: Counter[datetime] = Counter()
    items = []
    for item in given:
        ordinal = of_date[item.timestamp]
        of_date[item.timestamp] += 1
        unit_price, quantity = _price_and_quantity(item)
        items.append(
            ScheduleItem(
                item_id(schedule_id, item.timestamp, ordinal),
                item.timestamp,
                plain(EXACT.multiply(unit_price, quantity)),
                plain(unit_price),
                plain(quantity),
            )
        )
    return tuple(items)


def item_id(schedule_id: UUID, timestamp: datetime, ordinal: int = 0) -> UUID:
    """Return the id of the item of a schedule at `timestamp`, the `ordinal`-th of that date from 0."""
    return uuid5(schedule_id, f"schedule-item/{timestamp.isoformat()}/{ordinal}")


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
        dates += [(f"{at}.ending_before", date) for date in _dates(terms.recurring)]
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
    elif sum(1 for _ in islice(_dates(recurring), ITEMS_MAX + 1)) > ITEMS_MAX:
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
