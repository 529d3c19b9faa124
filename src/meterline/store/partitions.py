"""Time partitions of the tables that grow with every event, made ahead and dropped whole.

Retention is `DROP TABLE` of a partition, never DELETE of rows. The ids of events are kept in spans
of 17 days aligned to 1970, so that the 34 days within which a repeat is recognised touch three
spans at most. New partitions are attached (SHARE UPDATE EXCLUSIVE on the parent) and old ones
detached concurrently, so neither stops the writers. Nobody is granted rights on a partition:
row-level security is checked on the parent.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

DEDUPLICATION_DAYS = 34
"""How long a transaction id is remembered. Source: metronome.md 4.1."""
DAYS_AHEAD = 7
DAYS_BACK = 1  # a record stamped just before midnight may be written after it

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Serialises the makers of partitions: "partitio" in ASCII, cut to 63 bits.
_ADVISORY_LOCK = int.from_bytes(b"partitio", "big") >> 1


@dataclass(frozen=True, slots=True)
class Partitioning:
    """A table cut in spans of `days`; a span is dropped once it ended `retention_days` ago."""

    table: str
    days: int
    retention_days: int

    def spans(self, first: datetime, last: datetime) -> list[tuple[datetime, datetime]]:
        """Return the half-open spans that hold `first` to `last`, both included."""
        numbers = range(self._number(first), self._number(last) + 1)
        return [(self._start(number), self._start(number + 1)) for number in numbers]

    def expired(self, partition_start: datetime, now: datetime) -> bool:
        """Tell whether nobody asks any longer for rows of the span begun at `partition_start`."""
        return partition_start + timedelta(days=self.days + self.retention_days) <= now

    def _number(self, instant: datetime) -> int:
        return (instant - _EPOCH).days // self.days

    def _start(self, number: int) -> datetime:
        return _EPOCH + timedelta(days=number * self.days)


PARTITIONED = (
    Partitioning("log_record", days=1, retention_days=35),
    Partitioning("seen_event", days=17, retention_days=DEDUPLICATION_DAYS),
    Partitioning("duplicate_event", days=17, retention_days=DEDUPLICATION_DAYS),
)


def ensure_partitions(database_url: str, now: datetime, *, lock_seconds: int = 10) -> None:
    """Make the partitions from yesterday to a week ahead of `now`, and drop the expired ones.

    Connects as the owner of the tables. Idempotent; to be called at start and at least daily.
    One that is in use for longer than `lock_seconds` is dropped next time.
    """
    with psycopg.connect(
        database_url, autocommit=True, application_name="partitions", options="-c timezone=UTC"
    ) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_LOCK])
        connection.execute(f"SET lock_timeout = '{lock_seconds}s'")
        for partitioning in PARTITIONED:
            existing = _partitions(connection, partitioning)
            first, last = now - timedelta(days=DAYS_BACK), now + timedelta(days=DAYS_AHEAD)
            for start, end in partitioning.spans(first, last):
                if not existing.get(start, False):
                    _attach(connection, partitioning, (start, end), exists=start in existing)
            for start, attached in existing.items():
                if partitioning.expired(start, now):
                    # Detaching waits for every transaction that has read the parent.
                    with suppress(psycopg.errors.LockNotAvailable):
                        _drop(connection, partitioning, start, attached=attached)


def partition_name(table: str, start: datetime) -> str:
    """Return e.g. log_record_p20261123."""
    return f"{table}_p{start:%Y%m%d}"


def _partitions(
    connection: psycopg.Connection[TupleRow], partitioning: Partitioning
) -> dict[datetime, bool]:
    """Return the start of each partition, and whether it is attached: a crash may leave it not."""
    rows = connection.execute(
        "SELECT c.relname, coalesce(NOT i.inhdetachpending, false) FROM pg_class AS c"
        " LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname ~ %s",
        [f"^{partitioning.table}_p[0-9]{{8}}$"],
    )
    return {_start_in(name): attached for name, attached in rows}


def _start_in(name: str) -> datetime:
    matched = re.search(r"_p(\d{8})$", name)
    assert matched is not None, name
    return datetime.strptime(matched[1], "%Y%m%d").replace(tzinfo=UTC)


def _attach(
    connection: psycopg.Connection[TupleRow],
    partitioning: Partitioning,
    span: tuple[datetime, datetime],
    *,
    exists: bool,
) -> None:
    start, end = span
    parent = sql.Identifier(partitioning.table)
    name = sql.Identifier(partition_name(partitioning.table, start))
    with connection.transaction():
        if not exists:
            like = sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES)")
            connection.execute(like.format(name, parent))
        connection.execute(
            sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                parent, name, sql.Literal(start), sql.Literal(end)
            )
        )


def _drop(
    connection: psycopg.Connection[TupleRow],
    partitioning: Partitioning,
    start: datetime,
    *,
    attached: bool,
) -> None:
    parent = sql.Identifier(partitioning.table)
    name = sql.Identifier(partition_name(partitioning.table, start))
    if attached:
        connection.execute(
            sql.SQL("ALTER TABLE {} DETACH PARTITION {} CONCURRENTLY").format(parent, name)
        )
    elif _detach_pending(connection, partition_name(partitioning.table, start)):
        connection.execute(
            sql.SQL("ALTER TABLE {} DETACH PARTITION {} FINALIZE").format(parent, name)
        )
    connection.execute(sql.SQL("DROP TABLE {}").format(name))


def _detach_pending(connection: psycopg.Connection[TupleRow], name: str) -> bool:
    row = connection.execute(
        "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = to_regclass(%s)", [name]
    ).fetchone()
    return row is not None and bool(row[0])
