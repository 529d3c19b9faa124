"""A named point kills the process that was asked to die there, at the right time, and no other."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from meterline.stream import crash

PROGRAM = """
from meterline.stream.crash import point
for number in range(1, 6):
    point("cycle:read")
    print(number, flush=True)
    point("cycle:seen")
"""


def run(crash_at: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "METERLINE_CRASH_AT": crash_at},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.parametrize(
    ("crash_at", "printed"), [("cycle:read", 0), ("cycle:seen", 1), ("cycle:seen:3", 3)]
)
def test_it_dies_the_nth_time_it_passes(crash_at: str, printed: int) -> None:
    ended = run(crash_at)
    assert ended.returncode == -9
    assert len(ended.stdout.split()) == printed


@pytest.mark.parametrize("crash_at", ["", "cycle:committed", "cycle:seen:99"])
def test_it_lives_otherwise(crash_at: str) -> None:
    ended = run(crash_at)
    assert (ended.returncode, len(ended.stdout.split())) == (0, 5)


def test_without_the_variable_nothing_ever_dies() -> None:
    for name in crash.POINTS:
        crash.point(name)
