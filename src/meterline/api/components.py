"""What the HTTP edge is built from. Wiring makes one of these; tests make their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from meterline.store.database import Database
from meterline.stream.log import LogBacklog, LogWriter, RecordLookup


@dataclass(frozen=True, slots=True)
class Components:
    """The outside world as the API sees it. `clock` gives aware UTC instants, `new_id` unique ids."""

    database: Database
    log: LogWriter
    records: RecordLookup
    backlog: LogBacklog
    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]
