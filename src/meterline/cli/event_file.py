"""Usage events out of a CSV or NDJSON file: columns, time shift, repeatable transaction ids.

A row without a transaction id gets one from its source name, line number and mapped content.
Sending the same file again (after a crash, or by mistake) so repeats the same ids, and the platform
counts each event once.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any

from meterline.cli.client import CommandError

TRANSACTION_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Mapping:
    """Which columns make an event. A value of the form `=text` is a constant instead of a column.

    `properties` maps a property's name to its column; empty: every column not used otherwise.
    """

    customer: str = "customer_id"
    event_type: str = "event_type"
    timestamp: str | None = "timestamp"
    transaction_id: str | None = "transaction_id"
    properties: dict[str, str] = field(default_factory=dict)

    def columns(self) -> set[str]:
        """Return the columns that are fields of the event, not properties."""
        fields = (self.customer, self.event_type, self.timestamp, self.transaction_id)
        return {name for name in fields if name and not name.startswith("=")}


@dataclass(frozen=True, slots=True)
class Line:
    """An event with the line it came from, so that a refusal can name it."""

    number: int
    event: dict[str, Any]


def read(
    path: Path,
    mapping: Mapping,
    *,
    now: datetime,
    shift: timedelta = timedelta(0),
    source: str | None = None,
) -> Iterator[Line]:
    """Yield the file's events. `shift` is added to all timestamps; `now` dates rows without.

    Raises CommandError naming the line that cannot be an event.
    """
    for number, row in _rows(path):
        try:
            yield Line(number, _event(row, mapping, source or path.name, number, now, shift))
        except ValueError as error:
            raise CommandError(f"{path.name}, line {number}: {error}") from error


def latest_timestamp(path: Path, mapping: Mapping) -> datetime | None:
    """Return the latest timestamp of the file, None when no row has one."""
    latest: datetime | None = None
    for number, row in _rows(path):
        text = _pick(row, mapping.timestamp)
        if text is None:
            continue
        try:
            at = instant(text)
        except ValueError as error:
            raise CommandError(f"{path.name}, line {number}: {error}") from error
        latest = at if latest is None else max(latest, at)
    return latest


def count_lines(path: Path) -> int:
    """Return the number of lines, quickly; for the progress bar."""
    try:
        with path.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error


def instant(text: str) -> datetime:
    """Return an aware instant of ISO 8601 text; without a zone it is UTC. Raises ValueError."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time (ISO 8601, such as 2026-01-31T12:00:00Z)"
        ) from None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, columns) of either format, by the file's suffix or first character."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            start = file.read(1)
            file.seek(0)
            if path.suffix.lower() in {".ndjson", ".jsonl", ".json"} or start == "{":
                yield from _json_rows(path, file)
            else:
                yield from _csv_rows(path, file)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 text: {error}") from error


def _json_rows(path: Path, file: Iterator[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_float=Decimal)
        except ValueError as error:
            raise CommandError(f"{path.name}, line {number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise CommandError(f"{path.name}, line {number}: not a JSON object")
        yield number, row


def _csv_rows(path: Path, file: Iterator[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(file)
    try:
        for row in reader:
            if None in row or None in row.values():
                columns = len(reader.fieldnames or ())
                raise CommandError(
                    f"{path.name}, line {reader.line_num}: the header has {columns} columns, "
                    "this line another number"
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise CommandError(f"{path.name}, line {reader.line_num}: {error}") from error


def _event(
    row: dict[str, Any], mapping: Mapping, source: str, number: int, now: datetime, shift: timedelta
) -> dict[str, Any]:
    text = _pick(row, mapping.timestamp)
    if text is None and mapping.timestamp not in (None, "timestamp"):
        raise ValueError(f"no value in the timestamp column {mapping.timestamp!r}")
    at = instant(text) if text is not None else now
    content = {
        "customer_id": _required(row, mapping.customer, "customer"),
        "event_type": _required(row, mapping.event_type, "event type"),
        "properties": _properties(row, mapping),
    }
    identity = _pick(row, mapping.transaction_id)
    if identity is None:
        if mapping.transaction_id not in (None, "transaction_id"):
            raise ValueError(f"no value in the transaction id column {mapping.transaction_id!r}")
        # The time as it stands in the file, not as shifted: the shift differs from run to run.
        identity = _identity(source, number, text, content)
    shifted = (at + shift).isoformat().replace("+00:00", "Z")
    return {"transaction_id": identity, "timestamp": shifted, **content}


def _identity(source: str, number: int, text: str | None, content: dict[str, Any]) -> str:
    told = json.dumps([source, number, text, content], sort_keys=True, default=str)
    return blake2b(told.encode(), digest_size=TRANSACTION_ID_BYTES).hexdigest()


def _pick(row: dict[str, Any], column: str | None) -> str | None:
    """Return the column's text, the constant after `=`, or None when absent or empty."""
    if column is None:
        return None
    value = column[1:] if column.startswith("=") else row.get(column)
    return None if value is None or value == "" else str(value)


def _required(row: dict[str, Any], column: str, what: str) -> str:
    value = _pick(row, column)
    if value is None:
        if not column.startswith("=") and column not in row:
            known = ", ".join(map(str, row))
            raise ValueError(f"there is no {what} column {column!r} (columns: {known})")
        raise ValueError(f"no value in the {what} column {column!r}")
    return value


def _properties(row: dict[str, Any], mapping: Mapping) -> dict[str, Any]:
    if mapping.properties:
        missing = [
            column
            for column in mapping.properties.values()
            if not column.startswith("=") and column not in row
        ]
        if missing:
            raise ValueError(f"there is no column {missing[0]!r} (columns: {', '.join(row)})")
        chosen = {name: _property(row, column) for name, column in mapping.properties.items()}
    elif isinstance(row.get("properties"), dict):
        chosen = row["properties"]
    else:
        chosen = {name: value for name, value in row.items() if name not in mapping.columns()}
    return {name: value for name, value in chosen.items() if value is not None and value != ""}


def _property(row: dict[str, Any], column: str) -> Any:
    return column[1:] if column.startswith("=") else row[column]
