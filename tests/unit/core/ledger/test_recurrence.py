"""Recurring grants: their periods, amounts and ids."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import islice, pairwise
from typing import Any

import pytest
from tests.unit.core.builders import uid, utc
from tests.unit.core.ledger.grants import CONTRACT

from meterline.core.contract import Contract
from meterline.core.contract.recurring import (
    GrantProration,
    RecurrenceFrequency,
    RecurringAmount,
    RecurringGrant,
)
from meterline.core.contract.subscription import FiatRounding, ProrationRounding
from meterline.core.ledger.grant import GrantKind
from meterline.core.ledger.recurrence import (
    Seat,
    child_grant,
    child_grant_id,
    recurrence_periods,
    seat_increase_amount,
)
from meterline.core.money import USD_CENTS

TEN = RecurringAmount(USD_CENTS, Decimal(10), Decimal(1))


def recurring(starting_at: datetime, **fields: Any) -> RecurringGrant:
    """A recurring credit of 10 cents a period."""
    given: dict[str, Any] = {
        "id": uid(40),
        "kind": GrantKind.CREDIT,
        "product_id": uid(90),
        "priority": Decimal(1),
        "access": TEN,
        "duration_periods": 1,
    }
    return RecurringGrant(**(given | {"starting_at": starting_at} | fields))


def spans(some: RecurringGrant, contract: Contract = CONTRACT, count: int = 4) -> list[str]:
    """Its first periods, as month-day to month-day."""
    return [
        f"{one.period.start:%m-%d}/{one.period.end:%m-%d}"
        for one in islice(recurrence_periods(some, contract), count)
    ]


def amounts(some: RecurringGrant, contract: Contract = CONTRACT, count: int = 40) -> list[str]:
    """What its first grants grant."""
    return [
        str(child_grant(some, contract, one).segments[0].amount)
        for one in islice(recurrence_periods(some, contract), count)
    ]


class TestPeriods:
    """When grants are made."""

    def test_without_a_frequency_by_usage_statement(self):
        some = recurring(utc(2026, 1, 15))
        assert spans(some) == ["01-15/02-01", "02-01/03-01", "03-01/04-01", "04-01/05-01"]

    def test_with_a_frequency_from_its_own_start(self):
        some = recurring(utc(2026, 1, 31, 6), frequency=RecurrenceFrequency.MONTHLY)
        assert spans(some) == ["01-31/02-28", "02-28/03-31", "03-31/04-30", "04-30/05-31"]
        first = next(recurrence_periods(some, CONTRACT))
        assert first.period == first.whole
        assert first.period.start.hour == first.period.end.hour == 6

    @pytest.mark.parametrize(
        ("frequency", "expected"),
        [
            (RecurrenceFrequency.DAILY, ["01-15/01-16", "01-16/01-17"]),
            (RecurrenceFrequency.WEEKLY, ["01-15/01-22", "01-22/01-29"]),
            (RecurrenceFrequency.QUARTERLY, ["01-15/04-15", "04-15/07-15"]),
            (RecurrenceFrequency.ANNUAL, ["01-15/01-01"]),
        ],
    )
    def test_frequencies(self, frequency: RecurrenceFrequency, expected: list[str]):
        assert spans(recurring(utc(2026, 1, 15), frequency=frequency), count=2) == expected

    def test_they_end_with_the_contract_or_before(self):
        some = recurring(utc(2026, 11, 1))
        assert spans(some) == ["11-01/12-01", "12-01/01-01"]
        assert spans(replace(some, ending_before=utc(2026, 11, 20))) == ["11-01/11-20"]

    def test_none_is_made_from_its_archiving_on(self):
        some = recurring(utc(2026, 1, 1), archived_at=utc(2026, 3, 1))
        assert spans(some) == ["01-01/02-01", "02-01/03-01"]

    def test_an_open_contract_has_no_last(self):
        contract = replace(CONTRACT, ending_before=None)
        assert len(spans(recurring(utc(2026, 1, 1)), contract, 500)) == 500

    def test_periods_tile_its_life(self):
        for frequency in (None, *RecurrenceFrequency):
            some = recurring(utc(2026, 1, 31, 5), frequency=frequency)
            periods = [one.period for one in recurrence_periods(some, CONTRACT)]
            assert periods[0].start == some.starting_at
            assert periods[-1].end == CONTRACT.ending_before
            assert all(one.end == other.start for one, other in pairwise(periods))


class TestProration:
    """Cut periods: from the 22nd of January (10 of 31 days), to the 8th of April (7 of 30)."""

    SOME = recurring(
        utc(2026, 1, 22),
        ending_before=utc(2026, 4, 8),
        access=RecurringAmount(USD_CENTS, Decimal(930), Decimal(1)),
    )

    @pytest.mark.parametrize(
        ("proration", "expected"),
        [
            (GrantProration.NONE, ["930", "930", "930", "930"]),
            (GrantProration.FIRST, ["300", "930", "930", "930"]),
            (GrantProration.LAST, ["930", "930", "930", "217"]),
            (GrantProration.FIRST_AND_LAST, ["300", "930", "930", "217"]),
        ],
    )
    def test_which_are_prorated(self, proration: GrantProration, expected: list[str]):
        assert amounts(replace(self.SOME, proration=proration)) == expected

    def test_a_period_cut_at_both_ends(self):
        """From the 8th to the 21st of January: 14 of 31 days; with FIRST alone 24, with LAST alone 21."""
        some = replace(self.SOME, starting_at=utc(2026, 1, 8), ending_before=utc(2026, 1, 22))
        assert amounts(some) == ["420"]
        assert amounts(replace(some, proration=GrantProration.FIRST)) == ["720"]
        assert amounts(replace(some, proration=GrantProration.LAST)) == ["630"]

    @pytest.mark.parametrize(
        ("places", "method", "expected"),
        [
            (0, FiatRounding.HALF_UP, "323"),
            (0, FiatRounding.FLOOR, "322"),
            (0, FiatRounding.CEILING, "323"),
            (-2, FiatRounding.FLOOR, "300"),
            (-2, FiatRounding.CEILING, "400"),
            (2, FiatRounding.HALF_UP, "322.58"),
            (2, FiatRounding.CEILING, "322.59"),
        ],
    )
    def test_rounding(self, places: int, method: FiatRounding, expected: str):
        """10 of 31 days of 1,000: 322.5806..."""
        some = replace(
            self.SOME,
            access=RecurringAmount(USD_CENTS, Decimal(1000), Decimal(1)),
            access_rounding=ProrationRounding(places, method),
        )
        assert amounts(some)[:2] == [expected, "1000"]

    def test_the_invoice_has_a_rounding_of_its_own(self):
        some = replace(
            self.SOME,
            kind=GrantKind.PREPAID,
            invoice=RecurringAmount(USD_CENTS, Decimal(100), Decimal(5)),
            invoice_rounding=ProrationRounding(0, FiatRounding.FLOOR),
        )
        child = child_grant(some, CONTRACT, next(recurrence_periods(some, CONTRACT)))
        assert child.invoice is not None
        (item,) = child.invoice.items
        assert (item.amount, item.timestamp) == (Decimal(161), utc(2026, 1, 22))
        assert child.segments[0].amount == 300


class TestChild:
    """The grant of a period."""

    def test_it_has_the_terms_of_its_maker(self):
        some = recurring(utc(2026, 3, 1), name="Monthly", rollover_fraction=Decimal("0.1"))
        one = next(recurrence_periods(some, CONTRACT))
        child = child_grant(some, CONTRACT, one)
        assert child == child_grant(some, CONTRACT, one)
        assert child.id == child_grant_id(some, utc(2026, 3, 1))
        assert child.recurring_grant_id == some.id
        assert (child.name, child.priority, child.contract_id) == ("Monthly", 1, CONTRACT.id)
        assert child.created_at == utc(2026, 3, 1)
        assert child.rollover_fraction == Decimal("0.1")
        (part,) = child.segments
        assert (part.starting_at, part.ending_before) == (utc(2026, 3, 1), utc(2026, 4, 1))

    @pytest.mark.parametrize(
        ("periods", "ends"),
        [(1, utc(2026, 4, 1)), (3, utc(2026, 6, 1)), (99, utc(2027, 1, 1))],
    )
    def test_it_lives_for_its_duration_at_most_as_long_as_the_contract(self, periods, ends):
        some = recurring(utc(2026, 3, 10), duration_periods=periods)
        one = next(recurrence_periods(some, CONTRACT))
        assert child_grant(some, CONTRACT, one).segments[0].ending_before == ends

    def test_a_longer_one_outlives_its_maker(self):
        some = recurring(utc(2026, 3, 1), duration_periods=2, ending_before=utc(2026, 3, 15))
        (one,) = recurrence_periods(some, CONTRACT)
        assert one.access_ends == utc(2026, 5, 1)

    def test_pooled_is_times_the_seats(self):
        some = recurring(utc(2026, 3, 1), access=RecurringAmount(USD_CENTS, Decimal(10)))
        one = next(recurrence_periods(some, CONTRACT))
        child = child_grant(some, CONTRACT, one, quantity=Decimal(7))
        assert child.segments[0].amount == 70

    def test_each_seat_has_its_own(self):
        some = recurring(utc(2026, 3, 1))
        one = next(recurrence_periods(some, CONTRACT))
        ann = child_grant(some, CONTRACT, one, seat=Seat("ann", "user"))
        bob = child_grant(some, CONTRACT, one, seat=Seat("bob", "user"))
        assert ann.id != bob.id != child_grant_id(some, utc(2026, 3, 1))
        assert ann.segments[0].id != bob.segments[0].id
        assert (ann.seat_group_key, ann.seat_id, ann.segments[0].amount) == ("user", "ann", 10)

    @pytest.mark.parametrize(("is_prorated", "expected"), [(True, "5"), (False, "10")])
    def test_a_seat_that_joins_later(self, is_prorated: bool, expected: str):
        some = recurring(utc(2026, 4, 1), prorates_seat_increases=is_prorated)
        one = next(recurrence_periods(some, CONTRACT))
        child = child_grant(some, CONTRACT, one, seat=Seat("ann", "user", utc(2026, 4, 16)))
        (part,) = child.segments
        assert (str(part.amount), part.starting_at) == (expected, utc(2026, 4, 16))

    @pytest.mark.parametrize(("is_prorated", "expected"), [(True, "15"), (False, "30")])
    def test_more_seats_in_a_pool(self, is_prorated: bool, expected: str):
        some = recurring(
            utc(2026, 4, 1),
            access=RecurringAmount(USD_CENTS, Decimal(10)),
            prorates_seat_increases=is_prorated,
        )
        one = next(recurrence_periods(some, CONTRACT))
        added = seat_increase_amount(some, one, Decimal(3), utc(2026, 4, 16))
        assert str(added) == expected
