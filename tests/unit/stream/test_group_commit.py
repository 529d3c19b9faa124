"""Requests that arrive together share an append; each learns what became of it, and memory is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from meterline.stream.errors import Backpressure, Indeterminate
from meterline.stream.group_commit import GroupCommit
from meterline.stream.log import NewRecord


class LogInMemory:
    """A log whose appends can be held up, and made to fail."""

    partitions = 8

    def __init__(self) -> None:
        self.appends: list[list[NewRecord]] = []
        self.kept: list[NewRecord] = []
        self.failure: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.began = asyncio.Event()
        self.under_way = 0

    async def append(self, records: Sequence[NewRecord]) -> None:
        assert self.under_way == 0, "one append at a time"
        self.under_way += 1
        try:
            self.appends.append(list(records))
            self.began.set()
            await self.open.wait()
            if self.failure is not None:
                raise self.failure
            self.kept += records
        finally:
            self.under_way -= 1


def run(scenario: Callable[[LogInMemory], Awaitable[None]]) -> None:
    async def start() -> None:
        await asyncio.wait_for(scenario(LogInMemory()), 20)

    asyncio.run(start())


async def submitted(group: GroupCommit, *sizes: int) -> list[asyncio.Task[None]]:
    """Start a request of one line for each size."""
    tasks = [
        asyncio.create_task(group.submit(1, [(place % 8, b"x" * size)]))
        for place, size in enumerate(sizes)
    ]
    await asyncio.sleep(0)
    return tasks


def test_requests_that_arrive_together_share_one_append_and_one_record_a_partition() -> None:
    async def scenario(log: LogInMemory) -> None:
        group = GroupCommit(log)
        await asyncio.gather(
            group.submit(1, [(0, b"a"), (3, b"b")]),
            group.submit(1, [(0, b"c")]),
            group.submit(2, [(0, b"d")]),
        )
        (append,) = log.appends
        assert sorted((one.environment_id, one.partition, one.value) for one in append) == [
            (1, 0, b"a\nc"),
            (1, 3, b"b"),
            (2, 0, b"d"),
        ]
        assert sum(one.events for one in append) == 4
        assert (group.costs.appends, group.costs.events, group.partitions) == (1, 4, 8)
        await group.close()

    run(scenario)


def test_what_arrives_during_an_append_goes_into_the_next_and_nothing_returns_early() -> None:
    async def scenario(log: LogInMemory) -> None:
        group = GroupCommit(log)
        log.open.clear()
        first = await submitted(group, 1)
        await log.began.wait()
        later = await submitted(group, 1, 1, 1)
        await asyncio.sleep(0.02)
        assert not any(task.done() for task in [*first, *later])
        assert len(log.appends) == 1
        log.open.set()
        await asyncio.gather(*first, *later)
        assert [sum(one.events for one in append) for append in log.appends] == [1, 3]
        await group.close()

    run(scenario)


def test_beyond_the_limit_a_request_is_refused_at_once_and_nothing_of_it_is_kept() -> None:
    async def scenario(log: LogInMemory) -> None:
        group = GroupCommit(log, bytes_limit=1_000)
        log.open.clear()
        held = await submitted(group, 400)
        await log.began.wait()
        held += await submitted(group, 500)  # gathers while the first is under way: both count
        with pytest.raises(Backpressure) as refused:
            await group.submit(1, [(0, b"y" * 100), (1, b"y")])
        assert refused.value.retry_after_seconds >= 1
        held += await submitted(group, 100)
        log.open.set()
        await asyncio.gather(*held)
        assert sum(one.value.count(b"x") for one in log.kept) == 1_000
        assert not any(b"y" in one.value for one in log.kept)
        await group.submit(1, [(0, b"z" * 1_000)])  # room again
        await group.close()

    run(scenario)


@pytest.mark.parametrize(
    ("failure", "seen"),
    [
        (Backpressure("disk full"), Backpressure),
        (Indeterminate("lost"), Indeterminate),
        (RuntimeError("a bug"), Indeterminate),
        (OSError(5, "input/output"), Indeterminate),
    ],
)
def test_a_failure_reaches_every_waiter_and_the_next_append_goes_on(
    failure: Exception, seen: type[Exception]
) -> None:
    async def scenario(log: LogInMemory) -> None:
        group = GroupCommit(log)
        log.failure = failure
        outcomes = await asyncio.gather(
            *(group.submit(1, [(place, b"a")]) for place in range(5)), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [seen] * 5
        assert (log.kept, group.costs.events) == ([], 0)
        log.failure = None
        await group.submit(1, [(0, b"b")])
        assert [one.value for one in log.kept] == [b"b"]
        await group.close()

    run(scenario)


def test_a_client_that_goes_away_takes_nobody_with_it() -> None:
    async def scenario(log: LogInMemory) -> None:
        group = GroupCommit(log)
        log.open.clear()
        leaving, staying = await submitted(group, 1, 2)
        await log.began.wait()
        waiting = await submitted(group, 3, 4)
        leaving.cancel()
        waiting[0].cancel()
        await asyncio.sleep(0)
        log.open.set()
        await asyncio.gather(staying, waiting[1])
        assert sorted(len(one.value) for one in log.kept) == [1, 2, 3, 4]
        assert leaving.cancelled()
        await group.close()

    run(scenario)


@pytest.mark.parametrize("under_way", [True, False])
def test_closing_keeps_what_was_submitted(*, under_way: bool) -> None:
    async def scenario(log: LogInMemory) -> None:
        group = GroupCommit(log)
        log.open.clear()
        tasks = await submitted(group, 1, 2)
        if under_way:
            await log.began.wait()
        closing = asyncio.create_task(group.close())
        await asyncio.sleep(0.02)
        assert not closing.done()
        log.open.set()
        await asyncio.gather(closing, *tasks)
        assert sorted(len(one.value) for one in log.kept) == [1, 2]

    run(scenario)


def test_closing_with_an_append_under_way_and_others_gathering_keeps_both() -> None:
    async def scenario(log: LogInMemory) -> None:
        group = GroupCommit(log)
        log.open.clear()
        tasks = await submitted(group, 1)
        await log.began.wait()
        tasks += await submitted(group, 2)
        closing = asyncio.create_task(group.close())
        log.open.set()
        await asyncio.gather(closing, *tasks)
        assert sorted(len(one.value) for one in log.kept) == [1, 2]

    run(scenario)


def test_closing_what_was_never_used_is_fine() -> None:
    run(lambda log: GroupCommit(log).close())


def test_thousands_of_requests_become_few_appends_and_each_line_is_kept_once() -> None:
    async def scenario(log: LogInMemory) -> None:
        group = GroupCommit(log)

        async def client(number: int) -> None:
            for turn in range(50):
                await group.submit(1, [((number + turn) % 8, b"%d-%d" % (number, turn))])

        await asyncio.gather(*(client(number) for number in range(40)))
        lines = [line for one in log.kept for line in one.value.split(b"\n")]
        assert sorted(lines) == sorted(
            b"%d-%d" % (number, turn) for number in range(40) for turn in range(50)
        )
        assert len(log.appends) <= 200
        await group.close()

    run(scenario)
