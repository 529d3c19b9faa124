"""Group commit: what arrives while one append is under way goes together into the next.

One append is in flight at a time, so a request waits for at most two: the one under way and its own. Memory is
bounded by `bytes_limit`: beyond it requests are refused at once with Backpressure, and nothing of them is kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from meterline.stream.errors import Backpressure, Indeterminate
from meterline.stream.log import LogWriter, NewRecord

# Long enough for requests that arrive together to share a commit, short beside the commit itself.
LINGER_SECONDS = 0.002
BYTES_LIMIT = 64 * 1024 * 1024


@dataclass(slots=True)
class _Group:
    """Lines gathered for one append, by (environment, partition)."""

    lines: dict[tuple[int, int], list[bytes]] = field(default_factory=dict)
    waiters: list[asyncio.Future[None]] = field(default_factory=list)
    bytes: int = 0


@dataclass(slots=True)
class AppendCosts:
    """What appending has cost so far, for metrics and the benchmark."""

    appends: int = 0
    events: int = 0
    seconds: float = 0.0


class GroupCommit:
    """Packs the lines of concurrent requests into one record a partition and appends them at once."""

    def __init__(self, log: LogWriter, *, bytes_limit: int = BYTES_LIMIT) -> None:
        self._log = log
        self._bytes_limit = bytes_limit
        self._under_way = _Group()
        self._group = _Group()
        self._flusher: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()
        self.costs = AppendCosts()

    @property
    def partitions(self) -> int:
        return self._log.partitions

    async def submit(self, environment_id: int, lines: Iterable[tuple[int, bytes]]) -> None:
        """Return once every (partition, line) is durable. Raises Backpressure or Indeterminate."""
        lines = list(lines)
        size = sum(len(line) for _, line in lines)
        if self._group.bytes + self._under_way.bytes + size > self._bytes_limit:
            raise Backpressure("events arrive faster than the log keeps them")
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush_forever(), name="group-commit")
        group = self._group
        for partition, line in lines:
            group.lines.setdefault((environment_id, partition), []).append(line)
        group.bytes += size
        durable = asyncio.get_running_loop().create_future()
        group.waiters.append(durable)
        self._arrived.set()
        await durable

    async def close(self) -> None:
        """Finish what was submitted, then stop."""
        submitted = [*self._under_way.waiters, *self._group.waiters]
        waiting = [waiter for waiter in submitted if not waiter.done()]
        if waiting:
            await asyncio.wait(waiting)
        if self._flusher is not None:
            self._flusher.cancel()

    async def _flush_forever(self) -> None:
        while True:
            await self._arrived.wait()
            await asyncio.sleep(LINGER_SECONDS)
            group, self._group = self._group, _Group()
            self._arrived.clear()
            self._under_way = group
            failure = await self._append(group)
            self._under_way = _Group()
            for waiter in group.waiters:
                if waiter.done():  # the client went away; its events are kept all the same
                    continue
                if failure is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(failure)

    async def _append(self, group: _Group) -> Exception | None:
        records = [
            NewRecord(environment_id, partition, len(lines), b"\n".join(lines))
            for (environment_id, partition), lines in group.lines.items()
        ]
        started = time.perf_counter()
        try:
            await self._log.append(records)
        except (Backpressure, Indeterminate) as error:
            return error
        except (
            Exception
        ) as error:  # the flusher must outlive anything, or every later request would hang
            failure = Indeterminate(f"append failed: {error}")
            failure.__cause__ = error
            return failure
        self.costs.appends += 1
        self.costs.events += sum(record.events for record in records)
        self.costs.seconds += time.perf_counter() - started
        return None
