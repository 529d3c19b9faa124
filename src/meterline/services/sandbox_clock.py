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
from meterline.services.scheduler import Settled, settle_environment
from meterline.store import pipeline
from meterline.store.database import Database

METERING_SECONDS_MAX = 15.0
POLL_SECONDS = 0.05


async def move(
    database: Database,
    principal: Principal,
    to: datetime,
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> Settled:
    """Move the clock forward to `to` and settle everybody of whom something is due by then.

    Raises what `move_clock` raises, and Unavailable, with the clock where it was, while metering is behind.
    """
    await check_move(database, principal, to)
    await _wait_until_metered(database, monotonic)
    await move_clock(database, principal, to)
    return await settle_environment(database, principal.environment_id, to, wait=True)


async def _wait_until_metered(database: Database, monotonic: Callable[[], float]) -> None:
    async with database.installation() as connection:
        ends = await pipeline.log_ends(connection)
    deadline = monotonic() + METERING_SECONDS_MAX
    while True:
        async with database.installation() as connection:
            behind = await pipeline.partitions_behind(connection, ends)
        if not behind:
            return
        if monotonic() > deadline:
            raise Unavailable("events accepted before are not metered yet; try again")
        await asyncio.sleep(POLL_SECONDS)
