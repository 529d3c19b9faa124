"""Live figures: one poll an interval for however many pages are open, and server-sent events out of it.

A channel reads its figures while somebody watches and a while longer, so that a page opened again
has its history. Readings are numbered by the millisecond they were taken in: a browser that comes
back with `Last-Event-ID` is sent what it missed, also by another process.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import structlog
from litestar.response import ServerSentEvent, ServerSentEventMessage

logger = structlog.get_logger()

HEARTBEAT_SECONDS = 15.0
FIRST_READING_SECONDS_MAX = 10.0
READING_SHARE = 9  # so many times as long as a reading took nothing is read
# A stream ends now and then, and the browser comes back at once: so its session is looked at again.
STREAM_SECONDS_MAX = 300.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """Figures and when they were read."""

    at: datetime
    figures: T

    @property
    def number(self) -> int:
        """The reading's place in time: milliseconds since 1970."""
        return int(self.at.timestamp() * 1000)


class Channel(Generic[T]):
    """Readings of one thing, shared by everyone who watches it."""

    def __init__(
        self,
        read: Callable[[], Awaitable[T]],
        clock: Callable[[], datetime],
        *,
        interval_seconds: float,
        readings_kept: int,
        idle_seconds: float,
    ) -> None:
        self._read = read
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._idle_seconds = idle_seconds
        self._readings: deque[Reading[T]] = deque(maxlen=readings_kept)
        self._news = asyncio.Condition()
        self._watchers = 0
        self._wanted_until = 0.0
        self._task: asyncio.Task[None] | None = None
        self.trouble: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether it reads now."""
        return self._task is not None and not self._task.done()

    def readings(self, after: int | None = None) -> list[Reading[T]]:
        """Return the readings kept, oldest first; only those later than number `after` if given."""
        return [one for one in self._readings if after is None or one.number > after]

    async def latest(self) -> Reading[T]:
        """Return the newest reading, waiting for the first. Raises what the first one raised."""
        if not self._has_fresh_reading() and not self.is_running:
            await self._take()
        self._keep_alive()
        if not self._readings:  # another reader has started it and waits as well
            async with asyncio.timeout(FIRST_READING_SECONDS_MAX), self._news:
                await self._news.wait_for(lambda: self._readings)
        return self._readings[-1]

    async def news(self) -> AsyncGenerator[Reading[T] | None]:
        """Yield each new reading; None as a heartbeat when there is none for a while, or trouble."""
        self._watchers += 1
        try:
            while True:
                self._keep_alive()
                try:
                    async with asyncio.timeout(HEARTBEAT_SECONDS), self._news:
                        await self._news.wait()
                except TimeoutError:
                    yield None
                else:
                    yield None if self.trouble else self._readings[-1]
        finally:
            self._watchers -= 1
            self._keep_alive()

    def _has_fresh_reading(self) -> bool:
        age = (self._clock() - self._readings[-1].at).total_seconds() if self._readings else None
        return age is not None and age < self._interval_seconds

    def _keep_alive(self) -> None:
        self._wanted_until = asyncio.get_running_loop().time() + self._idle_seconds
        if not self.is_running:
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        # `latest` may just have taken the first: two at once would make a rate of next to no time.
        due = loop.time() + (self._interval_seconds if self._has_fresh_reading() else 0.0)
        await asyncio.sleep(due - loop.time())
        while self._watchers or loop.time() < self._wanted_until:
            began = loop.time()
            try:
                await self._take()
            except Exception as error:
                # The database may be away for a moment: the pages say so and the next turn tries
                # again.
                self.trouble = "The figures stand still: the database does not answer."
                logger.warning("live_reading_failed", error=str(error))
                async with self._news:
                    self._news.notify_all()
            # Pages are guests of the database: reading takes a tenth of its time at most.
            pause = READING_SHARE * (loop.time() - began)
            due = max(due + self._interval_seconds, loop.time() + pause)
            await asyncio.sleep(due - loop.time())

    async def _take(self) -> None:
        figures = await self._read()
        reading = Reading(self._clock(), figures)
        self.trouble = None
        if not self._readings or reading.number > self._readings[-1].number:
            self._readings.append(reading)
        async with self._news:
            self._news.notify_all()

    async def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


Messages = Callable[[list[Reading[T]], str | None], Awaitable[list[ServerSentEventMessage]]]


def stream(
    channel: Channel[T], messages: Messages[T], last_event_id: str | None
) -> ServerSentEvent:
    """Return the event stream of a channel: first what was missed, then each reading as it comes.

    messages: turns new readings (none when there is trouble, then its text) into what is sent.
    """
    return ServerSentEvent(_events(channel, messages, last_event_id))


async def _events(
    channel: Channel[T], messages: Messages[T], last_event_id: str | None
) -> AsyncIterator[ServerSentEventMessage]:
    known = int(last_event_id) if last_event_id and last_event_id.isdigit() else None
    sent = known if known is not None else (await channel.latest()).number
    yield ServerSentEventMessage(comment="open", data=None)
    deadline = asyncio.get_running_loop().time() + STREAM_SECONDS_MAX
    async with contextlib.aclosing(channel.news()) as news:
        async for _ in news:
            fresh = channel.readings(after=sent)
            if fresh or channel.trouble:
                for message in await messages(fresh, channel.trouble):
                    yield message
                sent = fresh[-1].number if fresh else sent
            else:
                yield ServerSentEventMessage(comment="beat", data=None)
            if asyncio.get_running_loop().time() > deadline:
                return
