"""Windows tile their span, whatever its ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterline.core.period import HOUR, Period
from meterline.services.windows import Windows, WindowSize

MIDNIGHT = datetime(2026, 2, 27, tzinfo=UTC)


@given(st.integers(0, 200), st.integers(1, 200), st.sampled_from(WindowSize))
def test_windows_tile_the_span_and_lie_on_the_clock(
    first: int, hours: int, size: WindowSize
) -> None:
    span = Period(MIDNIGHT + first * HOUR, MIDNIGHT + (first + hours) * HOUR)
    windows = Windows(span, size)
    cuts = windows.cuts(0, windows.count - 1)
    assert (cuts[0], cuts[-1]) == (span.start, span.end)
    assert len(cuts) == windows.count + 1
    for start, end in pairwise(cuts):
        assert start < end
    inner = cuts[1:-1]
    if size is WindowSize.NONE:
        assert not inner
    if size is WindowSize.DAY:
        assert all(cut.hour == 0 for cut in inner)
        assert all(end - start == timedelta(days=1) for start, end in pairwise(inner))
    if size is WindowSize.HOUR:
        assert windows.count == hours
    assert windows.cuts(windows.count - 1, windows.count - 1) == cuts[-2:]


@pytest.mark.parametrize(
    ("size", "count", "second"),
    [
        (WindowSize.NONE, 1, datetime(2026, 3, 1, 2, tzinfo=UTC)),
        (WindowSize.DAY, 3, datetime(2026, 2, 28, tzinfo=UTC)),
        (WindowSize.HOUR, 29, datetime(2026, 2, 27, 22, tzinfo=UTC)),
    ],
)
def test_a_span_between_midnights(size: WindowSize, count: int, second: datetime) -> None:
    span = Period(datetime(2026, 2, 27, 21, tzinfo=UTC), datetime(2026, 3, 1, 2, tzinfo=UTC))
    windows = Windows(span, size)
    assert windows.count == count
    assert windows.start(1) == second
