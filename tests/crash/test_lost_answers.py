"""A COMMIT whose answer is lost: neither the worker nor the client can know, and still nothing counts twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.crash.rig import PROGRESS_SECONDS_MAX, LossyProxy, Rig, eventually
from tests.support.load import Load
from tests.support.roles import events_metered

WAYS = ["before", "after", "meanwhile"]
# The worker commits by a simple query. The gateway's append is one statement that commits by itself; its values are
# zstd frames, which begin with this.
WORKER_COMMITS = b"Q\x00\x00\x00\x0bCOMMIT\x00"
GATEWAY_APPENDS = b"\x28\xb5\x2f\xfd"


@pytest.mark.parametrize("how", WAYS)
def test_the_workers_commit(rig: Rig, new_proxy: Callable[[], LossyProxy], how: str) -> None:
    proxy = new_proxy()
    rig.urls = {"work": proxy.url}
    rig.start("serve", "work")
    with Load(rig.url, rig.tokens.ingest) as load:
        load.wait_for(50)
        for times in range(1, 5):
            proxy.arm(WORKER_COMMITS, how)
            eventually(lambda at=times: proxy.fired == at, 15, "no COMMIT came by")  # type: ignore[misc]
            metered = events_metered(rig.database_url)
            load.wait_for(load.acknowledged_count + 50)
            eventually(
                lambda at=metered: events_metered(rig.database_url) > at,  # type: ignore[misc]
                PROGRESS_SECONDS_MAX,
                "no progress",
            )
        rig.settle(load)
    assert not rig.roles["work"].ended, "an outage is waited out, not died of"
    assert "answer of COMMIT was lost" in rig.roles["work"].output.read_text()


@pytest.mark.parametrize("log_environ", ["postgresql"], indirect=True)
@pytest.mark.parametrize("how", WAYS)
def test_the_gateways_commit(rig: Rig, new_proxy: Callable[[], LossyProxy], how: str) -> None:
    proxy = new_proxy()
    rig.urls = {"serve": proxy.url}
    rig.start("serve", "work")
    with Load(rig.url, rig.tokens.ingest) as load:
        load.wait_for(50)
        for times in range(1, 7):
            before = load.books.statuses[503]
            proxy.arm(GATEWAY_APPENDS, how)
            eventually(lambda at=times: proxy.fired == at, 15, "no append came by")  # type: ignore[misc]
            eventually(
                lambda at=before: load.books.statuses[503] > at,  # type: ignore[misc]
                10,
                "no client was told",
            )
            load.wait_for(load.acknowledged_count + 50, PROGRESS_SECONDS_MAX)
        rig.settle(load)
    assert not rig.roles["serve"].ended
    assert set(load.books.statuses) <= {200, 503}, load.books.statuses
