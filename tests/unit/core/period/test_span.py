from datetime import UTC, datetime, timedelta, timezone

import pytest
from tests.unit.core.builders import NOVEMBER, utc

from meterline.core.errors import Invalid
from meterline.core.period import Period, hour_index, hour_start


def test_hours_are_numbered_from_1970() -> None:
    assert hour_index(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert hour_index(datetime(1970, 1, 2, 0, 59, 59, 999_999, tzinfo=UTC)) == 24
    assert hour_index(datetime(1969, 12, 31, 23, 59, tzinfo=UTC)) == -1
    assert hour_start(hour_index(utc(2026, 11, 23, 17))) == utc(2026, 11, 23, 17)


def test_another_zone_names_the_same_hour() -> None:
    kolkata = timezone(timedelta(hours=5, minutes=30))
    assert hour_index(datetime(2026, 11, 1, 5, 30, tzinfo=kolkata)) == hour_index(utc(2026, 11, 1))


@pytest.mark.parametrize(
    "start",
    [
        datetime(2026, 11, 1),  # noqa: DTZ001 - a naive instant is what is refused
        datetime(2026, 11, 1, 0, 30, tzinfo=UTC),
        datetime(2026, 11, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(2026, 11, 1, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_a_period_starts_on_a_utc_hour(start: datetime) -> None:
    with pytest.raises(Invalid) as refused:
        Period(start, utc(2026, 12, 1))
    assert refused.value.field == "start"


@pytest.mark.parametrize("end", [utc(2026, 11, 1), utc(2026, 10, 1)])
def test_a_period_is_never_empty(end: datetime) -> None:
    with pytest.raises(Invalid, match="after the start"):
        Period(utc(2026, 11, 1), end)


def test_a_period_is_half_open() -> None:
    assert NOVEMBER.start in NOVEMBER
    assert NOVEMBER.end not in NOVEMBER


def test_clipping() -> None:
    mid = utc(2026, 11, 10, 5)
    assert NOVEMBER.clipped(starting_at=mid, ending_before=None) == Period(mid, NOVEMBER.end)
    assert NOVEMBER.clipped(starting_at=utc(2020, 1, 1), ending_before=mid) == Period(
        NOVEMBER.start, mid
    )
    assert NOVEMBER.clipped(starting_at=NOVEMBER.end, ending_before=None) is None
    assert NOVEMBER.clipped(starting_at=utc(2020, 1, 1), ending_before=NOVEMBER.start) is None
