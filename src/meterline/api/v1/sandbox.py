"""/v1/sandbox/clock: the time in the token's environment; a sandbox's own clock can be moved forward.

Moving it back is 400; where there is none to move, production above all, 409.
"""

from __future__ import annotations

from datetime import datetime

from litestar import get

from meterline.api.components import Components
from meterline.api.requests import Body, Instant, Reply, instant
from meterline.api.wire import post
from meterline.services import sandbox_clock
from meterline.services.environments import Principal, now


class Clock(Reply):
    """{"now": ...}"""

    now: datetime


class MoveClock(Body):
    now: Instant


@get("/v1/sandbox/clock")
async def get_clock(components: Components, principal: Principal) -> Clock:
    """The time it is: the sandbox's clock, else the wall clock."""
    return Clock(now=await now(components.database, principal, components.clock()))


@post("/v1/sandbox/clock")
async def set_clock(components: Components, principal: Principal, data: MoveClock) -> Clock:
    """Move the clock forward, and do everything that falls due by then before answering.

    Invoices are issued, grants begin and expire, in the order of time. Whose books cannot be settled is in the
    server's log and is tried again later.
    """
    to = instant("now", data.now)
    await sandbox_clock.move(components.database, components.backlog, principal, to)
    return Clock(now=to)


routes = [get_clock, set_clock]
