"""The one place that builds everything: it alone knows which log, which server and which settings go together.

One function a role. Each blocks until SIGTERM or SIGINT, and is all that its process does.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import structlog

from meterline.event_log import event_log
from meterline.settings import Settings
from meterline.stop_flag import StopFlag
from meterline.store import routing
from meterline.store.migrate import migrate
from meterline.store.partitions import ensure_partitions

if TYPE_CHECKING:
    from meterline.store.database import Database

UPKEEP_SECONDS = 3600.0
# Requests under way at SIGTERM get this long; the supervisor waits a little longer before it kills.
DRAIN_SECONDS = 3
# Spend stage and scheduler give way to ingest and metering, which somebody waits for and which fall behind for good.
RATE_NICENESS = 5
# Each role makes ten thousands of short-lived rows or events a second, none of them in a cycle: looking for those
# cycles as often as Python does by default takes up to an eighth of its time.
ALLOCATIONS_A_COLLECTION = 50_000

logger = structlog.get_logger()


def wall_clock() -> datetime:
    """Return the time it is. The rest of the program gets this as an argument."""
    return datetime.now(UTC)


def prepare(settings: Settings) -> None:
    """Bring the database to this release: migrations, time partitions, the log's partitions. Idempotent."""
    applied = migrate(settings.database_url)
    for migration in applied:
        logger.info("migration_applied", version=migration.version, name=migration.name)
    ensure_partitions(settings.database_url, wall_clock())
    log = event_log(settings)
    log.create()
    reader = log.open_reader()
    try:
        partitions = len(reader.ends())
    finally:
        reader.close()
    with psycopg.connect(
        settings.database_url, autocommit=True, options="-c role=meterline_pipeline"
    ) as connection:
        routing.begin(connection, partitions, log.growing().name)


@asynccontextmanager
async def open_api(settings: Settings) -> AsyncIterator[object]:
    """The ASGI application over open connections, for as long as the context lasts."""
    from meterline.api.app import create_app
    from meterline.api.components import Components
    from meterline.api.ingest_door import IngestDoor
    from meterline.services.growth import follow
    from meterline.store.database import Database

    log = event_log(settings)
    async with (
        Database(settings.database_url, connections_max=settings.database_connections) as database,
        log.open_writer() as writer,
        log.open_lookup() as records,
        log.open_backlog() as backlog,
    ):
        components = Components(
            database=database,
            log=writer,
            records=records,
            backlog=backlog,
            clock=wall_clock,
            new_id=uuid4,
        )
        following = asyncio.create_task(
            follow(database, lambda: writer.partitions, writer.route_over), name="routing"
        )
        try:
            yield IngestDoor(create_app(components))
        finally:
            following.cancel()


def run_serve(settings: Settings) -> None:
    """The HTTP edge: API, pages and ingest gateway."""
    import uvicorn
    import uvloop

    gc.set_threshold(ALLOCATIONS_A_COLLECTION)

    async def serve() -> None:
        async with open_api(settings) as app:
            server = uvicorn.Server(
                uvicorn.Config(
                    app,  # type: ignore[arg-type]  # Litestar's own ASGI types differ in name only
                    host=settings.http_host,
                    port=settings.http_port,
                    http="httptools",
                    ws="none",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    timeout_graceful_shutdown=DRAIN_SECONDS,
                )
            )
            await server.serve()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def run_work(settings: Settings) -> None:
    """Metering: from the log to usage. Looks after the time partitions as well, for want of a better place."""
    from meterline.metering.worker import run_worker
    from meterline.stream.cycle import Pace

    gc.set_threshold(ALLOCATIONS_A_COLLECTION)
    stop = StopFlag().at_signals((signal.SIGTERM, signal.SIGINT))
    upkeep = threading.Thread(
        target=_upkeep, args=(settings.database_url, stop), name="upkeep", daemon=True
    )
    upkeep.start()
    run_worker(
        settings.database_url,
        event_log(settings).open_reader,
        new_id=uuid4,
        stopping=stop.is_set,
        pace=Pace(),
    )


def run_rate(settings: Settings) -> None:
    """The spend stage: from usage to spend of the customers it touches."""
    from meterline.services import spend_stage

    os.nice(RATE_NICENESS)
    gc.set_threshold(ALLOCATIONS_A_COLLECTION)

    async def rate(database: Database, stop: asyncio.Event) -> None:
        async with event_log(settings).open_backlog() as backlog:
            await spend_stage.run(database, backlog, rater_id=uuid4(), clock=wall_clock, stop=stop)

    _run_with_database(settings, rate)


def run_schedule(settings: Settings) -> None:
    """The scheduler: what falls due in customers' books."""
    from meterline.services import scheduler

    os.nice(RATE_NICENESS)
    gc.set_threshold(ALLOCATIONS_A_COLLECTION)

    async def schedule(database: Database, stop: asyncio.Event) -> None:
        await scheduler.run(database, clock=wall_clock, stop=stop)

    _run_with_database(settings, schedule)


def _run_with_database(
    settings: Settings, work: Callable[[Database, asyncio.Event], Awaitable[None]]
) -> None:
    """Run `work` over open connections; a signal sets its event."""
    from meterline.store.database import Database

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with Database(
            settings.database_url, connections_max=settings.database_connections
        ) as database:
            await work(database, stop)

    asyncio.run(run())


def _upkeep(database_url: str, stop: StopFlag) -> None:
    """Make and drop time partitions, at once and then hourly: seven days ahead, so a failure has time to heal."""
    while True:
        try:
            ensure_partitions(database_url, wall_clock())
        except psycopg.Error as error:  # away, or a lock taken: the next round does it
            logger.warning("upkeep_failed", error=str(error))
        if stop.wait(UPKEEP_SECONDS):
            return


RUN: dict[str, Callable[[Settings], None]] = {
    "serve": run_serve,
    "work": run_work,
    "rate": run_rate,
    "schedule": run_schedule,
}
"""What each role's process runs."""
