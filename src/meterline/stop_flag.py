"""Stopping at a signal, without a lock.

`threading.Event` takes a lock to be set. A handler runs on the main thread between any two of its steps, so it may
find that very lock taken by the code it interrupted, or by an earlier signal's handler, and then waits for ever.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from types import FrameType

_POLL_SECONDS = 0.05


class StopFlag:
    """Whether to stop: a plain flag that waiting looks at often."""

    def __init__(self) -> None:
        self._raised = False

    def at_signals(self, numbers: Iterable[signal.Signals]) -> StopFlag:
        """Be raised by any of these signals, however often they come."""
        for number in numbers:
            signal.signal(number, self._raise)
        return self

    def is_set(self) -> bool:
        return self._raised

    def wait(self, seconds: float | None = None) -> bool:
        """Return whether it is raised, once it is or after `seconds`."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self._raised:
            left = _POLL_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                break
            time.sleep(min(left, _POLL_SECONDS))
        return self._raised

    def _raise(self, _: int, __: FrameType | None) -> None:
        self._raised = True
