"""When a role that dies is started again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from meterline.cli.supervisor import (
    PAUSE_SECONDS_MAX,
    WELL_AFTER_SECONDS,
    Role,
    RoleKeepsFailing,
    Supervisor,
    child_environment,
)


def role(folder: Path, program: str) -> Role:
    return Role(
        name="test",
        command=[sys.executable, "-c", program],
        environment={},
        crash_file=folder / "test.stderr",
    )


def die(one: Role, at: float) -> int | None:
    one.start(at)
    assert one.process is not None
    one.process.wait()
    return one.notice_death(at)


def test_pauses_grow_while_it_keeps_dying_young(tmp_path: Path) -> None:
    one = role(tmp_path, "import sys; sys.exit(3)")
    pauses = []
    for at in range(8):
        assert die(one, float(at)) == 3
        pauses.append(one.pause)
        assert one.start_at == at + one.pause
    assert pauses == [
        0.2,
        0.4,
        0.8,
        1.6,
        3.2,
        PAUSE_SECONDS_MAX,
        PAUSE_SECONDS_MAX,
        PAUSE_SECONDS_MAX,
    ]


def test_one_that_lived_well_is_started_at_once(tmp_path: Path) -> None:
    one = role(tmp_path, "")
    die(one, 0.0)
    one.start(100.0)
    assert one.process is not None
    one.process.wait()
    assert one.notice_death(100.0 + WELL_AFTER_SECONDS) == 0
    assert one.pause == 0.0


def test_one_that_lives_is_let_be(tmp_path: Path) -> None:
    one = role(tmp_path, "import time; time.sleep(30)")
    one.start(0.0)
    assert one.notice_death(1.0) is None
    assert one.process is not None
    one.process.kill()
    one.process.wait()


def test_one_that_never_gets_going_ends_the_start_with_its_own_words(tmp_path: Path) -> None:
    clock = 0.0

    def sleep(seconds: float) -> None:
        nonlocal clock
        clock += 10
        if one.process is not None:
            one.process.wait()

    one = role(tmp_path, "import sys; sys.exit('no such thing')")
    supervisor = Supervisor([one], None, monotonic=lambda: clock, sleep=sleep)
    with pytest.raises(
        RoleKeepsFailing, match=r"`test` ended 5 times, last with status 1:\n.*no such thing"
    ):
        supervisor.run(ready=lambda: False, on_ready=lambda: None)


def test_ready_is_announced_once(tmp_path: Path) -> None:
    told: list[int] = []

    def sleep(_: float) -> None:
        supervisor.stopping = len(told) > 0 and next(turns) > 3

    turns = iter(range(10))
    supervisor = Supervisor([], None, sleep=sleep)
    supervisor.run(ready=lambda: True, on_ready=lambda: told.append(1))
    assert told == [1]


def test_a_child_knows_whom_not_to_outlive() -> None:
    made = child_environment({"PATH": "/bin"}, {"METERLINE_WORKERS": "2"}, pid=7)
    assert made == {"PATH": "/bin", "METERLINE_WORKERS": "2", "METERLINE_SUPERVISOR_PID": "7"}
