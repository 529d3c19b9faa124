"""The seen index: which events are new, recorded in the cycle's own transaction.

`SeenIndex` is narrow so that a faster one can take its place. This one is a PostgreSQL table, partitioned by
arrival and dropped partition by partition once it is older than the window; nothing is ever deleted row by row.
Ids are unique because only the fenced owner of a log partition writes the ids that are routed to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import numpy as np
import numpy.typing as npt
import polars as pl
import psycopg

from meterline.metering import sql

# An id already accepted is ignored for so long (API page of POST /v1/ingest).
WINDOW = timedelta(days=34)

_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER = b"\xff\xff"
# A row of COPY's binary format: the number of fields, then each field behind its length.
_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("place_bytes", ">i4"),
        ("place", ">i4"),
        ("environment_bytes", ">i4"),
        ("environment", ">i4"),
        ("id_bytes", ">i4"),
        ("id", "V16"),
        ("partition_bytes", ">i4"),
        ("partition", ">i4"),
        ("offset_bytes", ">i4"),
        ("offset", ">i8"),
    ]
)


class SeenIndex(Protocol):
    """Tells repeats from first arrivals."""

    def admit(
        self, connection: psycopg.Connection[Any], events: pl.DataFrame, now: datetime
    ) -> npt.NDArray[np.bool_]:
        """Return for each row of `events` whether it is new, and record the new ones in the transaction.

        `events` has environment_id, id (16 bytes), partition and record_offset, in log order: of several rows
        with one id the first is new. `now` is when they arrived.
        """


@dataclass(frozen=True, slots=True)
class PostgresSeen:
    """The seen index as a table."""

    window: timedelta = WINDOW

    def admit(
        self, connection: psycopg.Connection[Any], events: pl.DataFrame, now: datetime
    ) -> npt.NDArray[np.bool_]:
        new = events["id"].is_first_distinct().to_numpy().copy()
        first = events.filter(pl.Series(new))
        with connection.cursor() as cursor:
            with cursor.copy(sql.COPY_ARRIVALS) as copy:
                copy.write(_arrivals(first))
            cursor.execute(sql.REPEATED_ARRIVALS, {"since": now - self.window})
            repeated = [place for (place,) in cursor]
            if repeated:
                cursor.execute(sql.DROP_ARRIVALS, {"places": repeated}, binary=True)
                new[np.flatnonzero(new)[repeated]] = False
            cursor.execute(sql.KEEP_ARRIVALS, {"now": now})
            if not new.all():
                self._record_duplicates(cursor, events.filter(pl.Series(~new)), now)
        return new

    def _record_duplicates(
        self, cursor: psycopg.Cursor[Any], repeats: pl.DataFrame, now: datetime
    ) -> None:
        cursor.execute(
            sql.RECORD_DUPLICATES,
            {
                "now": now,
                "environments": repeats["environment_id"].to_list(),
                "ids": [UUID(bytes=identity) for identity in repeats["id"].to_list()],
                "partitions": repeats["partition"].to_list(),
                "offsets": repeats["record_offset"].to_list(),
            },
            binary=True,
        )


def _arrivals(events: pl.DataFrame) -> bytes:
    """The rows in COPY's binary form, sorted by id, so that neighbours in the index are written together."""
    rows = np.zeros(events.height, _ROW)
    identities = np.frombuffer(b"".join(events["id"].to_list()), dtype="V16")
    rows["fields"] = 5
    rows["place_bytes"] = rows["environment_bytes"] = rows["partition_bytes"] = 4
    rows["id_bytes"], rows["offset_bytes"] = 16, 8
    rows["place"] = np.arange(events.height)
    rows["environment"] = events["environment_id"].to_numpy()
    rows["id"] = identities
    rows["partition"] = events["partition"].to_numpy()
    rows["offset"] = events["record_offset"].to_numpy()
    order = np.argsort(identities.view(">u8")[::2], kind="stable")
    return _COPY_HEADER + rows[order].tobytes() + _COPY_TRAILER
