"""End points for whoever runs the installation: alive, ready, figures. They need no token."""

from __future__ import annotations

import asyncio

from litestar import Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from meterline.api.components import Components
from meterline.api.errors import error_reply

READY_SECONDS_MAX = 5.0  # a probe that waits longer is as good as a failed one


@get("/healthz", sync_to_thread=False)
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@get("/readyz")
async def readyz(components: Components) -> Response[bytes] | dict[str, str]:
    """The database answers too."""
    try:
        async with asyncio.timeout(READY_SECONDS_MAX):
            async with components.database.installation() as connection:
                await connection.execute("SELECT 1")
        partitions = components.log.partitions
    except Exception as error:  # whatever is wrong, the answer is the same: not ready
        return error_reply(503, f"not ready: {error}", {"Retry-After": "1"})
    return {"status": "ready", "partitions": str(partitions)}


@get("/metrics", sync_to_thread=False, include_in_schema=False)
def metrics() -> Response[bytes]:
    """Figures of this process in Prometheus's text format."""
    return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})


routes = [healthz, readyz, metrics]
