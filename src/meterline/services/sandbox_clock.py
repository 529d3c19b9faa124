"""Moving a sandbox's clock: what falls due by the new time is done before the answer.

Events that were accepted before are metered first, or an invoice that the move makes final would lack them. What the
move is killed in the midst of, the scheduler finishes: books are a function of time, whoever settles them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime

from meterline.services.environments import Principal, check_move, move_clock
from meterline.services.errors import Unavailable
from meterline.services.pipeline import marks_of
from meterline.services.scheduler import Settled, settle_environment
from meterline.store import pipeline
from meterline.store.database import Database, Row
from meterline.stream.log import LogBacklog

METERING_SECONDS_MAX = 15.0
POLL_SECONDS = 0.05


async def move(
    database: Database,
    log: LogBacklog,
    principal: Principal,
    to: datetime,
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> Settled:
    """Move the clock forward to `to` and settle everybody of whom something is due by then.

    Raises what `move_clock` raises, and Unavailable, with the clock where it was, while metering is behind.
    """
    await check_move(database, principal, to)
    await _wait_until_metered(database, log, monotonic)
    await move_clock(database, principal, to)
    return await settle_environment(database, principal.environment_id, to, wait=True)


async def _wait_until_metered(
    database: Database, log: LogBacklog, monotonic: Callable[[], float]
) -> None:
    """Return once whatever is in the log now is metered, whatever comes meanwhile."""
    backlogs = await log.behind(marks_of(await _partitions(database)))
    ends = {one.partition: one.next_offset for one in backlogs if one.events}
    deadline = monotonic() + METERING_SECONDS_MAX
    while ends:
        marks = marks_of(await _partitions(database))
        ends = {
            partition: end
            for partition, end in ends.items()
            if partition not in marks or marks[partition].offset < end
        }
        if ends and monotonic() > deadline:
            raise Unavailable("events accepted before are not metered yet; try again")
        await asyncio.sleep(POLL_SECONDS if ends else 0)


async def _partitions(database: Database) -> list[Row]:
    async with database.installation() as connection:
        return await pipeline.partitions(connection)
