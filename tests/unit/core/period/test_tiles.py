from tests.unit.core.builders import NOVEMBER, utc

from meterline.core.period import Period, hour_index, tiles


def runs(period: Period) -> list[tuple[str, int, int]]:
    first = period.first_hour
    return [(tile.grain, tile.first_hour - first, tile.end_hour - first) for tile in tiles(period)]


def test_a_calendar_month_is_one_bucket() -> None:
    assert tiles(NOVEMBER) == (("m", hour_index(NOVEMBER.start), hour_index(NOVEMBER.end)),)


def test_hours_within_a_day() -> None:
    assert runs(Period(utc(2026, 11, 3, 5), utc(2026, 11, 3, 9))) == [("h", 0, 4)]


def test_hours_over_midnight_without_a_whole_day() -> None:
    assert runs(Period(utc(2026, 11, 3, 23), utc(2026, 11, 4, 1))) == [("h", 0, 2)]


def test_days_within_a_month() -> None:
    assert runs(Period(utc(2026, 11, 3), utc(2026, 11, 5))) == [("d", 0, 48)]


def test_days_over_the_end_of_a_month() -> None:
    assert runs(Period(utc(2026, 11, 30), utc(2026, 12, 2))) == [("d", 0, 48)]


def test_every_grain_at_both_ends() -> None:
    period = Period(utc(2026, 1, 30, 22), utc(2026, 4, 2, 3))
    assert runs(period) == [
        ("h", 0, 2),
        ("d", 2, 26),
        ("m", 26, 26 + (28 + 31) * 24),
        ("d", 26 + 59 * 24, 26 + 60 * 24),
        ("h", 26 + 60 * 24, 26 + 60 * 24 + 3),
    ]


def test_a_leap_february_is_one_bucket() -> None:
    assert runs(Period(utc(2024, 2, 1), utc(2024, 3, 1))) == [("m", 0, 29 * 24)]
