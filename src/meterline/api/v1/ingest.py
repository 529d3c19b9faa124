"""POST /v1/ingest: events in. 200 with an empty body means that all of them are durable.

The body is read as bytes and decoded by a decoder built once; nothing of a refused request is kept. 4xx: do not send
it again. 503: nothing, or not surely anything, was kept; send it again, repeats are recognised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Request
from prometheus_client import Counter

from meterline.api.components import Components
from meterline.api.errors import ApiError
from meterline.api.wire import post
from meterline.metering.encodings import TooLarge, expand
from meterline.metering.event import InvalidEvent
from meterline.metering.gateway import IngestGateway
from meterline.services.environments import Principal, now

PATH = "/v1/ingest"
SCOPE = "ingest"

_accepted = Counter("meterline_ingest_events", "Events acknowledged")
_refused = Counter("meterline_ingest_refused", "Requests refused, by status", ["status"])


@post(PATH, scope=SCOPE, summary="Send 1 to 100 usage events")
async def ingest(
    request: Request[Principal, Any, Any], components: Components, gateway: IngestGateway
) -> None:
    """Keep the events of the request durably, all of them or none."""
    await accept(components, gateway, request.user, request.headers, await request.body())


async def accept(
    components: Components,
    gateway: IngestGateway,
    principal: Principal,
    headers: Mapping[str, str],
    body: bytes,
) -> None:
    """Keep the events of `body`. Raises ApiError 400 or 413, Backpressure or Indeterminate."""
    try:
        accepted = await gateway.ingest(
            principal.environment_id,
            expand(body, headers.get("content-encoding", "")),
            content_type=headers.get("content-type", ""),
            now=await now(components.database, principal, components.clock()),
        )
    except InvalidEvent as error:
        _refused.labels("400").inc()
        raise ApiError(400, str(error)) from error
    except TooLarge as error:
        _refused.labels("413").inc()
        raise ApiError(413, str(error)) from error
    _accepted.inc(accepted)


routes = [ingest]
