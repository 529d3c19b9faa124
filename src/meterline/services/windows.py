"""Windows of time: a span of whole hours, cut by UTC hour, by UTC day, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from meterline.core.period import HOUR, Period

DAY = timedelta(days=1)

Cuts = tuple[datetime, ...]


class WindowSize(StrEnum):
    """How the span asked for is cut: by UTC hour, by UTC day, or not at all."""

    HOUR = "HOUR"
    DAY = "DAY"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of a span, numbered from 0 in order of time, and never made all at once.

    Days and hours lie on UTC midnights and hours; where the span starts or ends between two
    midnights its first or last day is a part of one.
    """

    span: Period
    size: WindowSize

    @property
    def count(self) -> int:
        """How many windows there are, at least one."""
        if self.size is WindowSize.NONE:
            return 1
        return -((self._origin - self.span.end) // self._step)

    def start(self, number: int) -> datetime:
        """The start of a window; that of window number `count` is the end of the last."""
        if number <= 0:
            return self.span.start
        if number >= self.count:
            return self.span.end
        return self._origin + number * self._step

    def cuts(self, first: int, last: int) -> Cuts:
        """The starts of windows `first` to `last`, and the end of `last`."""
        return tuple(self.start(number) for number in range(first, last + 2))

    @property
    def _step(self) -> timedelta:
        return DAY if self.size is WindowSize.DAY else HOUR

    @property
    def _origin(self) -> datetime:
        start = self.span.start
        return start.replace(hour=0) if self.size is WindowSize.DAY else start
