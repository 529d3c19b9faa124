"""Schedules of dated amounts: from what a caller sends to items. What is wrong with it: `schedule_rules`.

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
from meterline.core.decimals import DECIMAL_PLACES_MAX, EXACT, ONE, plain
from meterline.core.money import USD_CENTS, CreditType

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
    dates = list(islice(schedule_dates(recurring), ITEMS_MAX))
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


def schedule_dates(recurring: RecurringSchedule) -> Iterator[datetime]:
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
