"""The log grows under load: nothing is refused, lost or counted twice, whatever dies meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psycopg
import pytest
from tests.crash.rig import Rig
from tests.support.load import Load
from tests.support.roles import LOG_PARTITIONS

from meterline.stream.crash import POINTS

GROWN = 3 * LOG_PARTITIONS
STEPS = [name for name in POINTS if name.startswith("growth:")]


def grow(rig: Rig, to: int, *flags: str, crash_at: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command as an operator would."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "meterline.cli.main", "partitions", "grow", "--to", str(to)),
            *("--database-url", rig.database_url, *flags),
        ],
        env={**os.environ, **rig.log_environ, "METERLINE_CRASH_AT": crash_at},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def events_by_partition(rig: Rig) -> list[int]:
    """How many events of each partition are metered."""
    with psycopg.connect(rig.database_url, options="-c role=meterline_pipeline") as connection:
        rows = connection.execute("SELECT events FROM stream_partition ORDER BY partition")
        return [events for (events,) in rows]


def test_the_log_grows_while_events_flow(rig: Rig) -> None:
    rig.start("serve", "work", "work-2")
    with Load(rig.url, rig.tokens.ingest) as load:
        load.wait_for(500)
        done = grow(rig, GROWN)
        assert done.returncode == 0, done.stderr
        assert f"the log has {GROWN} partitions" in done.stdout
        load.wait_for(load.acknowledged_count + 1000, 30)
        rig.settle(load)
    assert set(load.books.statuses) == {200}, "nothing was refused"
    metered = events_by_partition(rig)
    assert len(metered) == GROWN
    assert min(metered) > 0, "every partition is used"


# The steps are the same for both logs; only the one in which the log itself grows is another's affair.
@pytest.mark.parametrize(
    ("log_environ", "name"),
    [*(("postgresql", name) for name in STEPS), ("kafka", "growth:created")],
    indirect=["log_environ"],
)
def test_growing_goes_on_where_it_was_killed(rig: Rig, name: str) -> None:
    rig.start("serve", "work", "work-2")
    with Load(rig.url, rig.tokens.ingest) as load:
        load.wait_for(200)
        assert grow(rig, GROWN, crash_at=name).returncode == -signal.SIGKILL
        load.wait_for(load.acknowledged_count + 200)
        other = grow(rig, GROWN + 1)
        assert other.returncode != 0
        assert f"growing to {GROWN}" in other.stderr
        assert grow(rig, GROWN).returncode == 0
        load.wait_for(load.acknowledged_count + 400)
        rig.settle(load)
    assert set(load.books.statuses) == {200}
    assert len(events_by_partition(rig)) == GROWN


def test_a_worker_dies_while_the_log_grows(rig: Rig) -> None:
    rig.start("serve", "work", "work-2")
    with Load(rig.url, rig.tokens.ingest) as load:
        load.wait_for(200)
        assert grow(rig, GROWN, crash_at="growth:adopted").returncode == -signal.SIGKILL
        rig.roles["work"].kill()
        load.wait_for(load.acknowledged_count + 200)
        rig.start("work")
        assert grow(rig, GROWN).returncode == 0
        rig.settle(load)


def test_what_growing_would_do_and_what_it_refuses(rig: Rig) -> None:
    would = grow(rig, GROWN, "--dry-run")
    assert would.returncode == 0
    assert f"from {LOG_PARTITIONS} to {GROWN} partitions: each splits in 3" in would.stdout
    assert grow(rig, LOG_PARTITIONS).stdout.strip().endswith(f"{LOG_PARTITIONS} partitions")
    shrink = grow(rig, 2)
    assert shrink.returncode != 0
    assert "can only get more" in shrink.stderr
    assert "would drop the events" in shrink.stderr
    with psycopg.connect(rig.database_url, options="-c role=meterline_pipeline") as connection:
        row = connection.execute("SELECT partitions, target FROM log_routing").fetchone()
    assert row == (LOG_PARTITIONS, None)
