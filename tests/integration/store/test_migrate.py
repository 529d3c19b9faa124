"""Migrations against a real PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from meterline.store.embedded import EmbeddedPostgres
from meterline.store.errors import MigrationRefused
from meterline.store.migrate import Migration, load_migrations, migrate
from meterline.store.schema import DESCRIPTION, describe

FIRST = Migration(1, "first", "CREATE TABLE first (a integer);")
SECOND = Migration(2, "second", "CREATE TABLE second (b integer);")


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row[0] for row in rows}


def test_files_are_applied_once_and_in_order(empty_database_url: str) -> None:
    assert migrate(empty_database_url, [FIRST]) == [FIRST]
    assert migrate(empty_database_url, [FIRST, SECOND]) == [SECOND]
    assert migrate(empty_database_url, [FIRST, SECOND]) == []
    assert tables(empty_database_url) == {"schema_migration", "first", "second"}


def test_runners_at_once_apply_each_file_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(migrate, [empty_database_url] * 6))
    assert sorted(len(applied) for applied in done) == [0] * 5 + [len(load_migrations())]


def test_a_changed_file_is_refused(empty_database_url: str) -> None:
    migrate(empty_database_url, [FIRST])
    changed = Migration(1, "first", FIRST.sql + "-- harmless?")
    with pytest.raises(MigrationRefused, match=r"0001_first\.sql was changed after it was applied"):
        migrate(empty_database_url, [changed, SECOND])
    assert "second" not in tables(empty_database_url)


def test_a_newer_database_is_refused(empty_database_url: str) -> None:
    migrate(empty_database_url, [FIRST, SECOND])
    with pytest.raises(MigrationRefused, match="0002, which this release does not know"):
        migrate(empty_database_url, [FIRST])


def test_a_file_slipped_in_before_applied_ones_is_refused(empty_database_url: str) -> None:
    migrate(empty_database_url, [SECOND])
    with pytest.raises(MigrationRefused, match="0001 is missing, yet 0002 is applied"):
        migrate(empty_database_url, [FIRST, SECOND])


def test_a_file_that_fails_leaves_nothing_of_itself(empty_database_url: str) -> None:
    broken = Migration(2, "broken", "CREATE TABLE half (a integer); SELECT 1 / 0;")
    with pytest.raises(MigrationRefused, match=r"0002_broken\.sql failed.*division by zero"):
        migrate(empty_database_url, [FIRST, broken])
    assert tables(empty_database_url) == {"schema_migration", "first"}
    assert migrate(empty_database_url, [FIRST, SECOND]) == [SECOND]


def test_a_user_who_may_not_create_roles_is_told_what_to_grant(
    postgres: EmbeddedPostgres, empty_database_url: str
) -> None:
    with psycopg.connect(postgres.administrator_url, autocommit=True) as administrator:
        administrator.execute("CREATE ROLE powerless LOGIN")
        try:
            url = empty_database_url.replace("meterline@", "powerless@")
            with pytest.raises(MigrationRefused, match="ALTER ROLE powerless CREATEROLE"):
                migrate(url)
        finally:
            administrator.execute("DROP ROLE powerless")


def test_a_user_who_may_not_create_tables_is_told_what_to_grant(
    postgres: EmbeddedPostgres, empty_database_url: str
) -> None:
    with psycopg.connect(postgres.administrator_url, autocommit=True) as administrator:
        administrator.execute("CREATE ROLE tableless LOGIN CREATEROLE")
        try:
            url = empty_database_url.replace("meterline@", "tableless@")
            with pytest.raises(
                MigrationRefused, match="GRANT CREATE ON SCHEMA public TO tableless"
            ):
                migrate(url)
        finally:
            administrator.execute("DROP ROLE tableless")


def test_an_administrator_may_have_made_the_roles(
    postgres: EmbeddedPostgres, postgres_url: str, empty_database_url: str
) -> None:
    """A user without CREATEROLE migrates where he is a member of roles that exist already."""
    database = empty_database_url.partition("@/")[2].partition("?")[0]
    with psycopg.connect(postgres.administrator_url, autocommit=True) as administrator:
        administrator.execute("CREATE ROLE member LOGIN")
        administrator.execute("GRANT meterline_api, meterline_pipeline TO member")
        administrator.execute(f"ALTER DATABASE {database} OWNER TO member")
        try:
            applied = migrate(empty_database_url.replace("meterline@", "member@"))
            assert len(applied) == len(load_migrations())
        finally:
            administrator.execute(f"DROP DATABASE {database} WITH (FORCE)")
            administrator.execute("DROP ROLE member")
            administrator.execute(f"CREATE DATABASE {database} OWNER meterline")


def test_the_committed_description_is_what_migrations_make(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        made = describe(connection)
    assert made == DESCRIPTION.read_text(encoding="utf-8"), (
        "the schema changed: run `.venv/bin/python -m meterline.store.schema` and commit schema.txt"
    )


def test_badly_named_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "1_short.sql").write_text("SELECT 1")
    with pytest.raises(MigrationRefused, match=r"1_short\.sql is not named"):
        load_migrations(tmp_path)


def test_two_files_of_one_number_are_refused(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("SELECT 1")
    (tmp_path / "0001_b.sql").write_text("SELECT 1")
    with pytest.raises(MigrationRefused, match="same number"):
        load_migrations(tmp_path)
