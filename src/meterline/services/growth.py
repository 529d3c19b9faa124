"""Growing the log: more partitions while events flow, in steps that can each be done again after a kill.

1 aim: the target is noted, so that there is one growth at a time. 2 create: the log gets the partitions. 3 adopt: from
one commit to the next the installation routes over the new number; workers share the new partitions at their next
heartbeat, gateways follow within FOLLOW_SECONDS. 4 drain: what was routed by the old number is metered; commits that
hold such events go through the turnstile alone, which is all that growth costs.

Nothing is refused and nothing waits. Why nothing is counted twice: see `meterline.store.routing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from meterline.core.errors import Invalid
from meterline.services.errors import Conflict
from meterline.store import pipeline, routing
from meterline.store.database import Database
from meterline.stream.crash import point

logger = structlog.get_logger()

# How often a gateway looks at the number of partitions.
FOLLOW_SECONDS = 0.5
DRAIN_LOOK_SECONDS = 0.1


class GrowingLog(Protocol):
    """A log as growing needs it. `name` tells it from others."""

    @property
    def name(self) -> str: ...

    async def grow(self, partitions: int) -> None:
        """Have so many partitions, ready to be written. Safe to repeat."""

    async def ends(self) -> dict[int, int]:
        """The offset of the next record of every partition."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Where a growth stands. `left`: records routed by the old number that are not metered yet."""

    step: str
    partitions: int
    target: int
    left: int = 0


Progress = Callable[[Growth], None]


async def plan(database: Database, log: GrowingLog, target: int) -> Growth:
    """Return what growing to `target` would do, or what is left to do of it.

    Raises Invalid for a shrink, and Conflict while the log grows to another number.
    """
    async with database.installation() as connection:
        row = await routing.routing(connection)
    partitions, aimed_at = row["partitions"], row["target"]
    if row["log"] != log.name:
        raise Conflict(f"the event log of this database is {row['log']}, and not {log.name}")
    if aimed_at is not None and aimed_at != target:
        raise Conflict(f"the log is growing to {aimed_at} partitions: finish that first")
    if target < partitions:
        raise Invalid(
            "to",
            f"the log has {partitions} partitions and can only get more: taking one away would drop the events in it,"
            " and their order. Fewer workers can share as many partitions",
        )
    return Growth(row["step"] or ("done" if target == partitions else "aim"), partitions, target)


async def grow(database: Database, log: GrowingLog, target: int, progress: Progress) -> None:
    """Grow the log to `target` partitions, from wherever an earlier attempt stopped. Raises as `plan`."""
    growth = await plan(database, log, target)
    while growth.step != "done":
        progress(growth)
        await _STEPS[growth.step](database, log, growth, progress)
        growth = await plan(database, log, target)
    progress(growth)


async def _aim(database: Database, _: GrowingLog, growth: Growth, __: Progress) -> None:
    async with database.installation() as connection:
        await routing.aim(connection, growth.target)
    point("growth:aimed")


async def _create(database: Database, log: GrowingLog, growth: Growth, _: Progress) -> None:
    await log.grow(growth.target)
    point("growth:created")
    async with database.installation() as connection:
        await routing.adopt(connection)
    point("growth:adopted")
    logger.info("partitions_adopted", partitions=growth.target)


async def _drain(database: Database, log: GrowingLog, growth: Growth, progress: Progress) -> None:
    await asyncio.sleep(2 * FOLLOW_SECONDS)  # gateways follow
    ends = await log.ends()
    async with database.installation() as connection:
        await routing.note_ends(connection, ends)
        noted: dict[str, int] = (await routing.routing(connection))["ends"]
    point("growth:noted")
    while left := await _left(database, noted):
        progress(Growth("drain", growth.partitions, growth.target, left))
        await asyncio.sleep(DRAIN_LOOK_SECONDS)
    async with database.installation() as connection:
        await routing.finish(connection)
    logger.info("partitions_grown", partitions=growth.target)


async def _left(database: Database, ends: dict[str, int]) -> int:
    async with database.installation() as connection:
        rows = await pipeline.partitions(connection)
    metered = {str(row["partition"]): row["next_offset"] for row in rows}
    return sum(max(0, end - metered.get(partition, 0)) for partition, end in ends.items())


_STEPS: dict[str, Callable[[Database, GrowingLog, Growth, Progress], Awaitable[None]]] = {
    "aim": _aim,
    "create": _create,
    "drain": _drain,
}


async def follow(
    database: Database, current: Callable[[], int], adopt: Callable[[int], Awaitable[None]]
) -> None:
    """Tell a gateway when the number of partitions changes, until cancelled. Outages are waited out."""
    while True:
        await asyncio.sleep(FOLLOW_SECONDS)
        try:
            async with database.installation() as connection:
                partitions = (await routing.routing(connection))["partitions"]
            if partitions != current():
                await adopt(partitions)
        except Exception as error:  # the next look does it; until then the old number is as right
            logger.warning("routing_not_followed", error=str(error))
