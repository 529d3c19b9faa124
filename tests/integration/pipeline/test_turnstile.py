"""One event by two partitions at once: it is counted once, because the commit of the stray one goes through alone."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import polars as pl
import psycopg
import pytest

from meterline.metering.turnstile import MustBeAlone, Turnstile, has_strays
from meterline.store import routing
from meterline.stream.routing import event_id, partition_of

PARTITIONS = 4
OPTIONS = "-c role=meterline_pipeline"


def events(names: list[str], partition: int | None = None) -> pl.DataFrame:
    """Columns of events, in their own partitions or all in `partition`."""
    identities = [event_id(1, name) for name in names]
    homes = [partition_of(one, PARTITIONS) for one in identities]
    places = homes if partition is None else [partition] * len(names)
    return pl.DataFrame(
        {
            "id": pl.Series(identities, dtype=pl.Binary),
            "partition": pl.Series(places, dtype=pl.Int32),
        }
    )


@pytest.fixture
def routed_url(database_url: str) -> str:
    with psycopg.connect(database_url, autocommit=True, options=OPTIONS) as connection:
        routing.begin(connection, PARTITIONS, "postgresql")
    return database_url


def test_strays_are_told_by_the_routing_itself() -> None:
    names = [f"event-{number}" for number in range(2_000)]
    assert not has_strays(events(names), PARTITIONS)
    assert not has_strays(events([]), PARTITIONS)
    for name in names[:200]:
        home = partition_of(event_id(1, name), PARTITIONS)
        for partition in range(PARTITIONS):
            assert has_strays(events([name], partition), PARTITIONS) == (partition != home)
    assert has_strays(events(names), PARTITIONS * 3)


def test_the_number_of_partitions_is_found_at_the_turnstile(routed_url: str) -> None:
    turnstile = Turnstile()
    stray = events(["a"], (partition_of(event_id(1, "a"), PARTITIONS) + 1) % PARTITIONS)
    with psycopg.connect(routed_url, options=OPTIONS) as connection:
        assert not turnstile.is_for_one(stray), "nothing is known yet"
        with pytest.raises(MustBeAlone):
            turnstile.enter(connection, stray, alone=False)
        connection.rollback()
        assert turnstile.is_for_one(stray)
        turnstile.enter(connection, stray, alone=True)


def test_commits_go_side_by_side_and_a_stray_one_alone(routed_url: str) -> None:
    with (
        psycopg.connect(routed_url, options=OPTIONS) as one,
        psycopg.connect(routed_url, options=OPTIONS) as other,
        psycopg.connect(routed_url, options=OPTIONS) as stray,
    ):
        assert routing.enter(one, alone=False) == PARTITIONS
        assert routing.enter(other, alone=False) == PARTITIONS  # does not wait
        through = threading.Event()

        def alone() -> None:
            routing.enter(stray, alone=True)
            through.set()

        thread = threading.Thread(target=alone)
        thread.start()
        assert not through.wait(0.3)
        one.commit()
        assert not through.wait(0.3)
        other.commit()
        assert through.wait(5)
        thread.join()


def test_one_event_by_two_partitions_at_once_is_new_once(routed_url: str) -> None:
    """Two workers race with the same events, hundreds of times; without the turnstile both would take some for new."""
    from meterline.metering.seen import PostgresSeen
    from meterline.metering.sql import CREATE_STAGING

    rounds, batch = 60, 40
    admitted: list[int] = []
    barrier = threading.Barrier(2)
    now = datetime.now(UTC)
    failures: list[BaseException] = []

    def work(partition: int | None) -> None:
        try:
            turnstile = Turnstile()
            with psycopg.connect(routed_url, autocommit=True, options=OPTIONS) as connection:
                connection.execute(CREATE_STAGING)
                for number in range(rounds):
                    frame = events([f"{number}/{one}" for one in range(batch)], partition)
                    frame = frame.with_columns(
                        pl.lit(1, dtype=pl.Int32).alias("environment_id"),
                        pl.Series("record_offset", np.arange(batch), dtype=pl.Int64),
                    )
                    barrier.wait(20)
                    admitted.append(_admit(turnstile, connection, frame, now, PostgresSeen()))
        except BaseException as failure:
            failures.append(failure)
            barrier.abort()

    with psycopg.connect(routed_url, autocommit=True) as connection:
        connection.execute(
            "SET ROLE meterline_pipeline; INSERT INTO environment (name, kind) VALUES ('one', 'production')"
        )
    workers = [threading.Thread(target=work, args=(place,)) for place in (None, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert failures == []
    assert sum(admitted) == rounds * batch
    with psycopg.connect(routed_url, options=OPTIONS) as connection:
        ids = [one for (one,) in connection.execute("SELECT event_id FROM seen_event").fetchall()]
    assert len(ids) == len(set(ids)) == rounds * batch
    assert UUID(bytes=event_id(1, "0/0")) in ids


def _admit(
    turnstile: Turnstile,
    connection: psycopg.Connection[tuple[object, ...]],
    frame: pl.DataFrame,
    now: datetime,
    seen: object,
) -> int:
    alone = turnstile.is_for_one(frame)
    while True:
        try:
            with connection.transaction():
                turnstile.enter(connection, frame, alone=alone)
                return int(seen.admit(connection, frame, now).sum())  # type: ignore[attr-defined]
        except MustBeAlone:
            alone = True
