"""Parking: what passed the door and still cannot be metered is set aside with its reason, and blocks nothing.

A line that is no event is parked whole. An event that one metric cannot read (a quantity that is no number) is parked
for that metric; the others count it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import psycopg

from meterline.metering import sql
from meterline.metering.columns import Columns
from meterline.metering.event import decode_line
from meterline.metering.fold import Folded, Refused
from meterline.stream.log import Record

# PostgreSQL's text cannot hold NUL; a line that is no event may hold anything.
_NUL = "\0"


def park(
    connection: psycopg.Connection[Any],
    records: Sequence[Record],
    batch: Columns,
    folded: Mapping[int, Folded],
    now: datetime,
) -> None:
    """Park the unreadable lines and the refused events of a batch, in its transaction."""
    rows = [
        _line_row(line.environment_id, (line.partition, line.offset), line.line, line.reason, now)
        for line in batch.unreadable
    ]
    for environment_id, one in folded.items():
        for refused in one.refused:
            rows.append(_refused_row(environment_id, refused, records, batch, now))
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(sql.PARK, rows)


def park_line(
    connection: psycopg.Connection[Any], record: Record, reason: str, now: datetime
) -> None:
    """Park a record of one line, whatever is wrong with it."""
    place = (record.partition, record.offset)
    connection.execute(sql.PARK, _line_row(record.environment_id, place, record.value, reason, now))


def _line_row(
    environment_id: int, place: tuple[int, int], line: bytes, reason: str, now: datetime
) -> dict[str, Any]:
    try:
        transaction_id = decode_line(line).transaction_id
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        transaction_id = None
    return {
        "environment_id": environment_id,
        "partition": place[0],
        "record_offset": place[1],
        "transaction_id": transaction_id,
        "metric_id": None,
        "reason": reason.replace(_NUL, "\N{REPLACEMENT CHARACTER}"),
        "event": line.decode(errors="replace").replace(_NUL, "\N{REPLACEMENT CHARACTER}"),
        "now": now,
    }


def _refused_row(
    environment_id: int,
    refused: Refused,
    records: Sequence[Record],
    batch: Columns,
    now: datetime,
) -> dict[str, Any]:
    event = batch.frame.row(refused.row, named=True)
    return {
        "environment_id": environment_id,
        "partition": event["partition"],
        "record_offset": event["record_offset"],
        "transaction_id": event["transaction_id"],
        "metric_id": refused.metric.id,
        "reason": refused.reason,
        "event": _line(event, records),
        "now": now,
    }


def _line(event: Mapping[str, Any], records: Sequence[Record]) -> str:
    """The event's own line of the log."""
    for record in records:
        if (record.partition, record.offset) == (event["partition"], event["record_offset"]):
            for line in record.value.split(b"\n"):
                try:
                    if decode_line(line).transaction_id == event["transaction_id"]:
                        return line.decode()
                except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
                    continue
    raise AssertionError("an event of the batch is in none of its records")
