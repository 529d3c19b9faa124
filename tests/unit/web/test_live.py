import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from litestar.response import ServerSentEventMessage

from meterline.web.live import Channel, Reading, _events

START = datetime(2026, 11, 23, tzinfo=UTC)


class Source:
    """Counts how often it is read; fails while told to."""

    def __init__(self) -> None:
        self.reads = 0
        self.fails = False

    async def read(self) -> int:
        self.reads += 1
        if self.fails:
            raise ConnectionError("away")
        return self.reads

    def clock(self) -> datetime:
        return START + timedelta(seconds=self.reads)

    def channel(self, **options: float) -> Channel[int]:
        settings = {"interval_seconds": 0.01, "idle_seconds": 0.05} | options
        return Channel(self.read, self.clock, readings_kept=5, **settings)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.005)


def test_many_watchers_cost_one_read_an_interval() -> None:
    async def watch() -> None:
        source = Source()
        channel = source.channel()
        watchers = [asyncio.ensure_future(anext(channel.news())) for _ in range(20)]
        assert len({reading.number for reading in await asyncio.gather(*watchers) if reading}) == 1
        assert source.reads <= 3
        await channel.close()

    asyncio.run(watch())


def test_reading_stops_when_nobody_watches() -> None:
    async def watch() -> None:
        source = Source()
        channel = source.channel()
        await channel.latest()
        assert channel.is_running
        await until(lambda: not channel.is_running)
        reads = source.reads
        await asyncio.sleep(0.05)
        assert source.reads == reads

    asyncio.run(watch())


def test_trouble_is_told_and_ends() -> None:
    async def watch() -> None:
        source = Source()
        channel = source.channel(idle_seconds=5)
        await channel.latest()
        source.fails = True
        await until(lambda: channel.trouble is not None)
        assert (await channel.latest()).figures > 0  # the last good figures stay
        source.fails = False
        await until(lambda: channel.trouble is None)
        await channel.close()

    asyncio.run(watch())


def test_a_browser_that_comes_back_gets_what_it_missed() -> None:
    async def watch() -> None:
        source = Source()
        channel = source.channel(idle_seconds=5)
        first = await channel.latest()
        await until(lambda: len(channel.readings()) >= 4)
        told: list[Reading[int]] = []

        async def messages(
            fresh: list[Reading[int]], _: str | None
        ) -> list[ServerSentEventMessage]:
            told.extend(fresh)
            return [ServerSentEventMessage(data="x", id=str(fresh[-1].number))]

        stream = _events(channel, messages, str(first.number))
        await anext(stream)  # the comment that opens the stream
        message = await anext(stream)
        assert message.id == str(told[-1].number)
        assert [one.number for one in told[:3]] == [
            one.number for one in channel.readings(after=first.number)[:3]
        ]
        await stream.aclose()  # type: ignore[attr-defined]
        await channel.close()

    asyncio.run(watch())
