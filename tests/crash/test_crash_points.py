"""Death at every named point of an append and of a cycle: what was acknowledged is counted, once."""

from __future__ import annotations

import time

import pytest
from tests.crash.rig import PROGRESS_SECONDS_MAX, Rig, eventually
from tests.support.load import Load
from tests.support.roles import events_metered

from meterline.stream.crash import POINTS

APPEND = [name for name in POINTS if name.startswith("append:")]
CYCLE = [name for name in POINTS if name.startswith("cycle:")]
ELSEWHERE = [name for name in POINTS if name.startswith(("schedule:", "growth:"))]


def test_every_point_belongs_to_a_test() -> None:
    """Of the scheduler: test_schedule.py; of growing: test_growth.py."""
    assert sorted(APPEND + CYCLE + ELSEWHERE) == sorted(POINTS)
    assert APPEND
    assert CYCLE


@pytest.mark.parametrize("name", APPEND)
def test_the_gateway_dies(rig: Rig, name: str) -> None:
    rig.start("work")
    rig.start("serve", crash_at=f"{name}:5")
    with Load(rig.url, rig.tokens.ingest) as load:
        rig.wait_for_death("serve")
        rig.start("serve", crash_at=f"{name}:1")
        rig.wait_for_death("serve")
        before = load.acknowledged_count
        rig.start("serve")
        load.wait_for(before + 200, PROGRESS_SECONDS_MAX)
        rig.settle(load)
    assert load.books.statuses.total() > load.books.statuses[200], "nobody noticed"


@pytest.mark.parametrize("name", CYCLE)
def test_the_worker_dies(rig: Rig, name: str) -> None:
    rig.start("serve")
    rig.start("work", crash_at=f"{name}:4")
    with Load(rig.url, rig.tokens.ingest) as load:
        rig.wait_for_death("work")
        rig.start("work", crash_at=f"{name}:1")
        rig.wait_for_death("work")
        metered = events_metered(rig.database_url)
        rig.start("work")
        died_at = time.monotonic()
        eventually(
            lambda: events_metered(rig.database_url) > metered, PROGRESS_SECONDS_MAX, "no progress"
        )
        assert time.monotonic() - died_at < PROGRESS_SECONDS_MAX
        load.wait_for(load.acknowledged_count + 100)
        rig.settle(load)


def test_one_of_two_workers_dies_at_every_point_in_turn(rig: Rig) -> None:
    """The other one takes its partitions over, with the load going on."""
    rig.start("serve", "work")
    with Load(rig.url, rig.tokens.ingest) as load:
        for name in CYCLE:
            rig.start("work-2", crash_at=f"{name}:2")
            rig.wait_for_death("work-2")
            metered = events_metered(rig.database_url)
            eventually(
                lambda at=metered: events_metered(rig.database_url) > at,  # type: ignore[misc]
                PROGRESS_SECONDS_MAX,
                "no progress",
            )
        rig.settle(load)
