"""What can be asked of a database to tell whether it is fit to hold the platform. Read only."""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg
from psycopg.rows import TupleRow

from meterline.store.migrate import POSTGRES_VERSION_MIN, ROLES, load_migrations, pending
from meterline.store.partitions import PARTITIONED, partition_name

Connection = psycopg.Connection[TupleRow]

DURABILITY = ("fsync", "full_page_writes", "synchronous_commit")

# What guards a table here is in migration 0001; installation-wide tables have no environment_id.
_UNGUARDED = """
SELECT c.relname FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'environment_id' AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
ORDER BY c.relname
"""
_UNSETTLED = """
SELECT customer_id, failures, reason FROM books_due WHERE failures > 0 ORDER BY failures DESC, customer_id LIMIT %s
"""
_POWERFUL_ROLES = """
SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND (rolsuper OR rolbypassrls OR rolcanlogin)
"""


def server_version(connection: Connection) -> tuple[str, bool]:
    """Return the server's version, and whether it is new enough."""
    version = connection.info.server_version
    return f"{version // 10000}.{version % 10000}", version >= POSTGRES_VERSION_MIN


def lax_settings(connection: Connection) -> list[str]:
    """Return the settings by which acknowledged events could be lost at a power cut."""
    rows = connection.execute(
        "SELECT name, setting FROM pg_settings WHERE name = ANY(%s) ORDER BY name",
        [list(DURABILITY)],
    )
    return [f"{name} = {setting}" for name, setting in rows if setting == "off"]


def missing_migrations(connection: Connection) -> list[str]:
    """Return the migrations not applied yet. Raises MigrationRefused as `migrate` would."""
    return [f"{one.version:04d}_{one.name}" for one in pending(connection, load_migrations())]


def role_faults(connection: Connection) -> list[str]:
    """Return what is wrong with the two roles that see customers' rows."""
    rows = connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [list(ROLES)])
    known = {row[0] for row in rows}
    faults = [f"{role} does not exist" for role in ROLES if role not in known]
    powerful = connection.execute(_POWERFUL_ROLES, [list(ROLES)])
    return faults + [f"{row[0]} may bypass row-level security or log in" for row in powerful]


def unguarded_tables(connection: Connection) -> list[str]:
    """Return the tables with an environment_id that row-level security is not forced on."""
    return [row[0] for row in connection.execute(_UNGUARDED)]


def missing_partitions(connection: Connection, now: datetime) -> list[str]:
    """Return the time partitions that writers need today and tomorrow and that are not there."""
    missing = []
    for partitioning in PARTITIONED:
        for start, _ in partitioning.spans(now, now + timedelta(days=1)):
            name = partition_name(partitioning.table, start)
            row = connection.execute("SELECT to_regclass(%s)", [f"public.{name}"]).fetchone()
            if row is None or row[0] is None:
                missing.append(name)
    return missing


def unsettled_customers(connection: Connection, limit: int) -> list[str]:
    """Return customers whose books could not be settled, and why; those that failed most often first."""
    with connection.transaction():
        connection.execute("SET LOCAL ROLE meterline_pipeline")
        rows = connection.execute(_UNSETTLED, [limit]).fetchall()
    return [f"customer {row[0]} failed {row[1]} times: {row[2]}" for row in rows]


def clock_skew(connection: Connection, now: datetime) -> timedelta:
    """Return how far the server's clock is ahead of `now`."""
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    server_now: datetime = row[0]
    return server_now - now
