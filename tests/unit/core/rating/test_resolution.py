from tests.unit.core.builders import LONG_AGO, NOVEMBER, flat, rate, utc

from meterline.core.catalogue import Rate
from meterline.core.money import FIAT
from meterline.core.rating.resolution import rate_at, rate_segments

MID = utc(2026, 11, 15, 7)
LATE = utc(2026, 11, 20)


def stretches(*rates: Rate) -> list[tuple[int, str]]:
    """(first hour in November, price) of each segment."""
    segments = rate_segments(rates, NOVEMBER)
    return [
        (
            segment.period.first_hour - NOVEMBER.first_hour,
            str(segment.rate.terms.price),
        )
        for segment in segments
    ]


def test_no_rate_no_segment() -> None:
    assert rate_at([], MID) is None
    assert rate_segments([], NOVEMBER) == []


def test_a_later_start_takes_over_at_its_hour() -> None:
    assert stretches(rate(flat("1")), rate(flat("2"), starting_at=MID)) == [
        (0, "1"),
        (14 * 24 + 7, "2"),
    ]


def test_order_of_arrival_does_not_matter_for_different_starts() -> None:
    assert stretches(rate(flat("2"), starting_at=MID), rate(flat("1"))) == [
        (0, "1"),
        (14 * 24 + 7, "2"),
    ]


def test_of_equal_starts_the_last_added_wins() -> None:
    old, new = rate(flat("1")), rate(flat("2"))
    assert rate_at([old, new], MID) is new
    assert rate_at([new, old], MID) is old


def test_bounds_are_half_open() -> None:
    bounded = rate(flat("1"), starting_at=MID, ending_before=LATE)
    assert rate_at([bounded], MID) is bounded
    assert rate_at([bounded], LATE) is None


def test_a_gap_is_left_out() -> None:
    rates = rate(flat("1"), ending_before=MID), rate(flat("1"), starting_at=LATE)
    segments = rate_segments(rates, NOVEMBER)
    assert [(segment.period.start, segment.period.end) for segment in segments] == [
        (NOVEMBER.start, MID),
        (LATE, NOVEMBER.end),
    ]


def test_when_a_bounded_rate_ends_the_one_beneath_is_in_force_again() -> None:
    promotion = rate(flat("0"), starting_at=MID, ending_before=LATE)
    assert [price for _, price in stretches(rate(flat("1")), promotion)] == ["1", "0", "1"]


def test_equal_terms_do_not_cut() -> None:
    assert len(stretches(rate(flat("1")), rate(flat("1.0"), starting_at=MID))) == 1


def test_entitlement_and_unit_cut() -> None:
    unsold = rate(flat("1"), starting_at=MID, entitled=False)
    euros = rate(flat("1"), starting_at=LATE, credit_type=FIAT[0])
    segments = rate_segments([rate(flat("1")), unsold, euros], NOVEMBER)
    assert [segment.period.start for segment in segments] == [NOVEMBER.start, MID, LATE]
    assert [segment.rate.entitled for segment in segments] == [True, False, True]


def test_rates_outside_the_period_do_not_cut() -> None:
    over = rate(flat("9"), starting_at=LONG_AGO, ending_before=utc(2026, 11, 1))
    ahead = rate(flat("9"), starting_at=utc(2026, 12, 1))
    assert stretches(rate(flat("1")), over, ahead) == [(0, "1")]
