"""Forty SIGKILLs of random processes of a running platform, under load."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import httpx
import psutil
import pytest
from tests.crash.rig import PROGRESS_SECONDS_MAX, eventually
from tests.support.load import Load, create_metrics
from tests.support.platform import TOKEN, Platform

from meterline.core.metric import Aggregation

KILLS = 40
VICTIMS = ("serve", "work", "rate", "backend", "postmaster")


def victim(platform: Platform, kind: str, rng: random.Random) -> int | None:
    """A process of that kind; None where there is none just now."""
    if kind not in ("backend", "postmaster"):
        pids = platform.pids(kind)
        return rng.choice(pids) if pids else None
    postmaster = platform.pids("postgres")
    if kind == "postmaster" or not postmaster:
        return postmaster[0] if postmaster else None
    try:
        # Sessions and the server's own helpers alike: writers, checkpointer.
        children = psutil.Process(postmaster[0]).children()
    except psutil.NoSuchProcess:
        return None
    return rng.choice(children).pid if children else None


def lag(platform: Platform) -> int | None:
    """The pipeline's own word; None while it cannot answer."""
    try:
        answer = httpx.get(
            f"{platform.url}/v1/pipeline", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5
        )
    except httpx.TransportError:
        return None
    return int(answer.json()["lag_events"]) if answer.status_code == 200 else None


@pytest.mark.timeout(300)
def test_forty_kills_lose_nothing_and_count_nothing_twice(
    new_platform: Callable[..., Platform],
) -> None:
    seed = 20261120
    rng = random.Random(seed)
    platform = new_platform("--workers", "2")
    platform.start()
    create_metrics(platform.database_url, 1)
    killed: list[str] = []
    with Load(platform.url, TOKEN, seed=seed, pause=0.05) as load:
        load.wait_for(100)
        while len(killed) < KILLS:
            kind = rng.choice(VICTIMS)
            pid = victim(platform, kind, rng)
            if pid is None:  # it has not come back yet
                assert platform.process is not None
                assert platform.process.poll() is None, f"the supervisor died after {killed[-5:]}"
                time.sleep(0.1)
                continue
            os.kill(pid, signal.SIGKILL)
            killed.append(kind)
            if rng.random() < 0.4:  # the next one while this one is being mended
                time.sleep(rng.random() * 0.5)
                continue
            before, at = load.acknowledged_count, time.monotonic()
            eventually(
                lambda count=before: load.acknowledged_count > count,  # type: ignore[misc]
                PROGRESS_SECONDS_MAX,
                f"no progress after {killed[-5:]}",
            )
            time.sleep(rng.random())
            assert time.monotonic() - at < PROGRESS_SECONDS_MAX + 1
        load.wait_for(load.acknowledged_count + 100)
        load.stop()
    eventually(lambda: lag(platform) == 0, 60, f"lag {lag(platform)}")
    load.check_counted_once(platform.database_url)
    assert set(killed) == set(VICTIMS)
    assert load.longest_silence() < PROGRESS_SECONDS_MAX
    check_api(platform, load)
    assert platform.process is not None
    assert platform.process.poll() is None, "the supervisor itself lives through it all"
    assert platform.stop() == 0


def check_api(platform: Platform, load: Load) -> None:
    """What the API says of all customers together, once they exist."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=platform.url, headers=headers, timeout=30) as http:
        shown = http.get("/v1/pipeline").json()
        assert shown["lag_unmetered"] == shown["lag_unrated"] == 0
        assert shown["events_appended"] == shown["events_metered"] >= load.acknowledged_count
        listed = http.get("/v1/billable-metrics").json()["data"]
        assert {one["aggregation_type"] for one in listed} == {Aggregation.COUNT, Aggregation.SUM}
