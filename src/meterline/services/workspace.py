"""One environment as a use case sees it: its rows, its time, its new ids, and who acts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from meterline.store.database import Connection, Database


@dataclass(frozen=True, slots=True)
class Workspace:
    """What every use case of the catalogue takes first.

    `now` is the environment's time (a sandbox has its own clock), read once a request.
    `actor` is shown as `created_by`.
    """

    database: Database
    environment_id: int
    now: datetime
    new_id: Callable[[], UUID]
    actor: str

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """One transaction that sees this environment alone."""
        return self.database.transaction(self.environment_id)

    def snapshot(self) -> AbstractAsyncContextManager[Connection]:
        """Like `transaction`, for reading only: all of it sees the same instant."""
        return self.database.snapshot(self.environment_id)
