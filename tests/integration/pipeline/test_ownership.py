"""Workers share the partitions, hand them over, and take those of one that is dead or stopped."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from tests.support.load import Load, create_metrics
from tests.support.roles import (
    RoleProcess,
    Tokens,
    events_metered,
    is_metered,
    running_role,
    start_role,
)

from meterline.store.ownership import LOCK_SPACE, WorkerLease
from meterline.stream.cycle import Claim
from meterline.stream.errors import Fenced

PARTITIONS = 8


class Member:
    """A lease, and what it owned when it last looked."""

    def __init__(self, url: str, worker_id: UUID | None = None) -> None:
        self.lease = WorkerLease(url, worker_id or uuid4(), partitions=PARTITIONS)
        self.claims: dict[int, Claim] = {}
        self.left = False

    def leave(self) -> None:
        """Leave once."""
        if not self.left:
            self.left = True
            self.lease.leave()

    def step(self) -> None:
        """What a cycle does between two batches."""
        if self.lease.changed():
            self.claims = self.lease.settle()


@pytest.fixture
def join(database_url: str, tokens: Tokens) -> Iterator[Callable[[], Member]]:
    joined: list[Member] = []

    def one() -> Member:
        joined.append(Member(database_url))
        return joined[-1]

    yield one
    for member in joined:
        member.leave()


def settle(members: Sequence[Member], seconds: float = 5) -> None:
    """Step until every partition has exactly one owner among `members`, in fair shares."""
    deadline = time.monotonic() + seconds
    while True:
        for member in members:
            member.step()
        owned = [partition for member in members for partition in member.claims]
        sizes = [len(member.claims) for member in members]
        if sorted(owned) == list(range(PARTITIONS)) and max(sizes) - min(sizes) <= 1:
            return
        assert time.monotonic() < deadline, sizes
        time.sleep(0.02)


def owners(url: str) -> dict[int, int | None]:
    with psycopg.connect(url, options="-c role=meterline_pipeline") as connection:
        return dict(connection.execute("SELECT partition, owner FROM stream_partition").fetchall())


def test_one_worker_owns_everything_at_once(join: Callable[[], Member]) -> None:
    alone = join()
    alone.step()
    assert set(alone.claims) == set(range(PARTITIONS))
    assert {claim.epoch for claim in alone.claims.values()} == {1}
    assert {claim.position.offset for claim in alone.claims.values()} == {0}


def test_partitions_move_as_workers_join_and_leave(
    database_url: str, join: Callable[[], Member]
) -> None:
    first = join()
    settle([first])
    second, third = join(), join()
    assert len({first.lease.slot, second.lease.slot, third.lease.slot}) == 3
    settle([first, second, third])
    second.leave()
    settle([first, third])
    assert set(owners(database_url).values()) == {first.lease.slot, third.lease.slot}
    fourth = join()
    assert fourth.lease.slot == second.lease.slot, "a free slot is used again"
    settle([first, third, fourth])
    assert not any(member.lease.changed() for member in (first, third, fourth))


def test_nobody_ever_owns_a_partition_that_another_has_not_given_up(
    database_url: str, join: Callable[[], Member]
) -> None:
    """The newcomer gets nothing until the first has settled, whatever its share should be."""
    first = join()
    settle([first])
    second = join()
    for _ in range(20):
        second.step()
        time.sleep(0.03)
    assert second.claims == {}
    settle([first, second])


def test_each_change_of_hands_bumps_the_epoch(
    database_url: str, join: Callable[[], Member]
) -> None:
    first = join()
    settle([first])
    before = {partition: claim.epoch for partition, claim in first.claims.items()}
    second = join()
    settle([first, second])
    for partition, claim in second.claims.items():
        assert claim.epoch > before[partition]
    assert len(second.claims) == PARTITIONS // 2


def test_a_claim_begins_where_the_last_commit_ended(
    database_url: str, join: Callable[[], Member]
) -> None:
    first = join()
    settle([first])
    with psycopg.connect(database_url, options="-c role=meterline_pipeline") as connection:
        connection.execute("UPDATE stream_partition SET next_offset = partition * 10")
    first.leave()
    second = join()
    settle([second])
    assert {partition: claim.position.offset for partition, claim in second.claims.items()} == {
        partition: partition * 10 for partition in range(PARTITIONS)
    }


def test_a_worker_whose_slot_was_leased_anew_is_fenced(
    database_url: str, join: Callable[[], Member]
) -> None:
    member = join()
    settle([member])
    with psycopg.connect(database_url, options="-c role=meterline_pipeline") as connection:
        connection.execute("UPDATE worker_slot SET worker_id = gen_random_uuid()")
    with pytest.raises(Fenced, match="leased by another"):
        _step_for(member, 3)


def test_a_worker_cut_off_from_postgres_notices(
    database_url: str, join: Callable[[], Member]
) -> None:
    member = join()
    settle([member])
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s",
            [LOCK_SPACE],
        )
    with pytest.raises(psycopg.OperationalError):
        _step_for(member, 3)
    successor = join()
    assert successor.lease.slot == member.lease.slot
    settle([successor])


def _step_for(member: Member, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        member.step()
        time.sleep(0.02)


@pytest.fixture
def two_workers(
    database_url: str, tokens: Tokens, tmp_path: Path
) -> Iterator[tuple[RoleProcess, RoleProcess]]:
    """Two real processes that share the partitions."""
    workers = [start_role("work", database_url, tmp_path) for _ in range(2)]
    try:
        _eventually(lambda: len(set(owners(database_url).values()) - {None}) == 2, 15)
        yield workers[0], workers[1]
    finally:
        for worker in workers:
            worker.stop()


def test_partitions_of_a_killed_process_are_taken_within_two_seconds(
    database_url: str, two_workers: tuple[RoleProcess, RoleProcess]
) -> None:
    victim, _ = two_workers
    both = set(owners(database_url).values())
    victim.kill()
    killed_at = time.monotonic()
    _eventually(lambda: len(set(owners(database_url).values())) == 1, 2)
    assert time.monotonic() - killed_at < 2
    assert set(owners(database_url).values()) < both


def test_a_worker_that_leaves_gives_its_partitions_back(
    database_url: str, two_workers: tuple[RoleProcess, RoleProcess]
) -> None:
    leaving, _ = two_workers
    assert leaving.stop() == 0
    _eventually(lambda: len(set(owners(database_url).values()) - {None}) == 1, 2)
    _eventually(lambda: None not in owners(database_url).values(), 2)


def test_a_worker_that_sleeps_too_long_is_fenced_and_counts_nothing_twice(
    database_url: str,
    tokens: Tokens,
    tmp_path: Path,
    two_workers: tuple[RoleProcess, RoleProcess],
) -> None:
    """Stopped in the middle of its work, woken when its partitions are another's."""
    sleeper, _ = two_workers
    create_metrics(database_url, tokens.environment_id)
    with (
        running_role("serve", database_url, tmp_path) as serve,
        Load(serve.url, tokens.ingest) as load,
    ):
        load.wait_for(300)
        before = set(owners(database_url).values())
        sleeper.signal(signal.SIGSTOP)
        _eventually(
            lambda: (
                len(set(owners(database_url).values())) == 1
                and None not in owners(database_url).values()
            ),
            20,
        )
        assert set(owners(database_url).values()) < before
        load.wait_for(load.acknowledged_count + 300)
        assert b"fenced" not in sleeper.output.read_bytes()
        sleeper.signal(signal.SIGCONT)
        _eventually(lambda: b"fenced" in sleeper.output.read_bytes() or _outage(sleeper), 15)
        load.wait_for(load.acknowledged_count + 300)
        _eventually(lambda: len(set(owners(database_url).values())) == 2, 10)
        load.stop()
        _eventually(lambda: is_metered(database_url), 20)
    load.check_counted_once(database_url)
    assert events_metered(database_url) >= load.acknowledged_count


def _outage(worker: RoleProcess) -> bool:
    """A server that gave up on the sleeper's transaction ends its session; that is as good as a fence."""
    return b"outage" in worker.output.read_bytes()


def _eventually(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
