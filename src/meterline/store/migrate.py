"""Brings a database to this release's schema: numbered SQL files, forward only, no other way.

Runners take turns under an advisory lock; each file is one transaction together with its row in
`schema_migration`, so a crash leaves whole files applied and no halves. An applied file never
changes: its SHA-256 is kept and compared at every start. Needs a session (not a
transaction-pooling proxy), PostgreSQL >= 15 and the right to create two roles.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from meterline.store.errors import MigrationRefused

MIGRATIONS = Path(__file__).parent / "migrations"
POSTGRES_VERSION_MIN = (
    150000  # as server_version_num: security invoker views, CREATE on public revoked
)
ROLES = ("meterline_api", "meterline_pipeline")

# Any constant does, so long as every release uses the same: "meterline" in ASCII, cut to 63 bits.
_ADVISORY_LOCK = int.from_bytes(b"meterlin", "big") >> 1
# Beyond this a migration that queues behind somebody's long transaction gives up, rather than
# block all others.
_LOCK_TIMEOUT = "30s"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: `0003_pipeline.sql` has version 3 and name `pipeline`."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return sha256(self.sql.encode()).hexdigest()


def load_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """Return the folder's migrations by version. Raises MigrationRefused for a bad name."""
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        matched = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", path.name)
        if matched is None:
            raise MigrationRefused(f"{path.name} is not named NNNN_name.sql")
        migrations.append(Migration(int(matched[1]), matched[2], path.read_text(encoding="utf-8")))
    versions = [migration.version for migration in migrations]
    if len(set(versions)) != len(versions):
        raise MigrationRefused(f"two migrations have the same number: {versions}")
    return migrations


def migrate(database_url: str, migrations: Sequence[Migration] | None = None) -> list[Migration]:
    """Apply what is missing and return it, oldest first; safe to run from many processes at once.

    Raises MigrationRefused when the server is too old, a role cannot be created, an applied file
    has changed, or the database is ahead of this release.
    """
    wanted = load_migrations() if migrations is None else list(migrations)
    with psycopg.connect(database_url, autocommit=True, application_name="migrate") as connection:
        _require_version(connection)
        connection.execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_LOCK])
        connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
        missing = pending(connection, wanted)
        if missing:
            _require_roles(connection)
            _require_table(connection)
        for migration in missing:
            _apply(connection, migration)
        return missing


def pending(
    connection: psycopg.Connection[TupleRow], wanted: Sequence[Migration]
) -> list[Migration]:
    """Return the migrations not applied yet, and check those that are. Raises MigrationRefused."""
    row = connection.execute("SELECT to_regclass('public.schema_migration')").fetchone()
    applied: dict[int, str] = {}
    if row is not None and row[0] is not None:
        found = connection.execute("SELECT version, checksum FROM public.schema_migration")
        applied = dict(found)
    by_version = {migration.version: migration for migration in wanted}
    for version, checksum in sorted(applied.items()):
        if version not in by_version:
            raise MigrationRefused(
                f"the database has migration {version:04d}, which this release does not know: "
                "it was used by a newer Meterline; run that one"
            )
        if by_version[version].checksum != checksum:
            raise MigrationRefused(
                f"migration {version:04d}_{by_version[version].name}.sql was changed after it "
                "was applied: restore the file; a change of the schema goes into a new one"
            )
    newest = max(applied, default=0)
    missing = [migration for migration in wanted if migration.version not in applied]
    if missing and missing[0].version < newest:
        raise MigrationRefused(
            f"migration {missing[0].version:04d} is missing, yet {newest:04d} is applied: "
            "migrations are applied in order"
        )
    return missing


def _require_table(connection: psycopg.Connection[TupleRow]) -> None:
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS public.schema_migration ("
            " version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
    except psycopg.errors.InsufficientPrivilege as error:
        user = connection.info.user
        raise MigrationRefused(
            f"the database user {user} may not create tables ({error}): make it the owner of the "
            f"database, or run as an administrator: GRANT CREATE ON SCHEMA public TO {user};"
        ) from error


def _apply(connection: psycopg.Connection[TupleRow], migration: Migration) -> None:
    with connection.transaction():
        try:
            # The files are ours, so their text is as trusted as a literal.
            connection.execute(migration.sql.encode())
        except psycopg.Error as error:
            raise MigrationRefused(
                f"migration {migration.version:04d}_{migration.name}.sql failed, "
                f"and nothing of it was kept: {error}"
            ) from error
        connection.execute(
            "INSERT INTO public.schema_migration (version, name, checksum) VALUES (%s, %s, %s)",
            [migration.version, migration.name, migration.checksum],
        )


def _require_version(connection: psycopg.Connection[TupleRow]) -> None:
    version = connection.info.server_version
    if version < POSTGRES_VERSION_MIN:
        raise MigrationRefused(
            f"PostgreSQL {version // 10000} is too old: "
            f"Meterline needs {POSTGRES_VERSION_MIN // 10000} or newer"
        )


def _require_roles(connection: psycopg.Connection[TupleRow]) -> None:
    """Check that the two roles can be created, before the first file fails for want of it."""
    row = connection.execute(
        "SELECT r.rolsuper OR r.rolcreaterole OR (SELECT count(*) = %s FROM pg_roles AS needed"
        " WHERE needed.rolname = ANY(%s) AND pg_has_role(current_user, needed.oid, 'MEMBER'))"
        " FROM pg_roles AS r WHERE r.rolname = current_user",
        [len(ROLES), list(ROLES)],
    ).fetchone()
    if row is None or not row[0]:
        user = connection.info.user
        raise MigrationRefused(
            f"the database user {user} may not create roles. Grant it that "
            f"(ALTER ROLE {user} CREATEROLE), or run as an administrator: "
            f"CREATE ROLE {ROLES[0]} NOLOGIN; CREATE ROLE {ROLES[1]} NOLOGIN; "
            f"GRANT {ROLES[0]}, {ROLES[1]} TO {user};"
        )
