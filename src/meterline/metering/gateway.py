"""The ingest gateway: a request's bytes in, durable in the log on return. All of a request or nothing."""

from __future__ import annotations

from datetime import datetime

from meterline.metering import formats
from meterline.metering.event import IngestEvent, InvalidEvent, encode_line, stored
from meterline.stream.group_commit import GroupCommit
from meterline.stream.routing import event_id, partition_of

__all__ = ["IngestGateway", "InvalidEvent"]

_ESCAPED_NUL = b"\\u0000"


class IngestGateway:
    """Validates, routes and appends. Raises InvalidEvent, Backpressure or Indeterminate."""

    def __init__(self, group_commit: GroupCommit) -> None:
        self._group_commit = group_commit

    async def ingest(
        self, environment_id: int, body: bytes, *, content_type: str, now: datetime
    ) -> int:
        """Keep the events of `body`, 1 to 100 of them, and return their number.

        `content_type` chooses the shape: a JSON array of events, NDJSON, or CloudEvents (see `formats`).
        `now` is the environment's clock.
        """
        events: list[IngestEvent] = formats.decode(body, content_type)
        checked = stored(events, now, may_hold_nul=_ESCAPED_NUL in body)
        partitions = self._group_commit.partitions
        await self._group_commit.submit(
            environment_id,
            [
                (
                    partition_of(event_id(environment_id, event.transaction_id), partitions),
                    encode_line(event),
                )
                for event in checked
            ],
        )
        return len(checked)

    async def close(self) -> None:
        """Keep what was accepted for keeping, then stop."""
        await self._group_commit.close()
