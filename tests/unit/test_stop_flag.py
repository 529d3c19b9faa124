"""A flag that signals raise: also twice at once, and into the middle of a wait."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from meterline.stop_flag import StopFlag

# Waits in short turns, as `work` and `demo` do, so that signals hit every part of a wait.
WAITER = """
import signal
from meterline.stop_flag import StopFlag
flag = StopFlag().at_signals((signal.SIGTERM, signal.SIGINT))
print("waiting", flush=True)
while not flag.wait(0.0005):
    pass
"""


def test_it_waits_no_longer_than_asked() -> None:
    started = time.monotonic()

    assert StopFlag().wait(0.1) is False

    assert 0.1 <= time.monotonic() - started < 1.0


def test_a_burst_of_signals_ends_a_waiter() -> None:
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", WAITER], stdout=subprocess.PIPE) as waiter:
            assert waiter.stdout is not None
            assert waiter.stdout.readline() == b"waiting\n"
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
                os.kill(waiter.pid, number)
            assert waiter.wait(timeout=10) == 0
