"""Named points at which a test may kill the process, to show that every gap between two steps is safe.

`METERLINE_CRASH_AT=name` or `name:n` ends the process with SIGKILL the n-th time it passes the point `name`. Unset, a
point costs one comparison.
"""

import os
import signal

_asked = os.environ.get("METERLINE_CRASH_AT", "")
_name, _, _count = _asked.rpartition(":")
_wanted, _remaining = (_name, int(_count)) if _count.isdecimal() else (_asked, 1)

POINTS = (
    "append:before",
    "append:after",
    "cycle:read",
    "cycle:prepared",
    "cycle:seen",
    "cycle:added",
    "cycle:moved",
    "cycle:committed",
    "growth:aimed",
    "growth:created",
    "growth:adopted",
    "growth:noted",
    "schedule:taken",
    "schedule:written",
    "schedule:committed",
)


def point(name: str) -> None:
    """Die here if a test asked for it."""
    global _remaining  # noqa: PLW0603 -- the count belongs to the process, as the environment variable does
    if name != _wanted:
        return
    assert name in POINTS, f"no such crash point: {name}"
    _remaining -= 1
    if _remaining == 0:
        os.kill(os.getpid(), signal.SIGKILL)
