"""`meterline doctor`: what it says of a platform that is well, and of databases that are not."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from tests.support.platform import Platform

from meterline.cli.doctor import Finding, database_findings
from meterline.store.embedded import EmbeddedPostgres


def doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "meterline.cli.main", "doctor", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def findings(url: str, now: datetime | None = None) -> dict[str, Finding]:
    return {one.check: one for one in database_findings(url, now or datetime.now(UTC))}


def test_a_running_platform_is_well(platform: Platform) -> None:
    asked = doctor("--data-dir", str(platform.data_dir), "--json")
    found = {one["check"]: one for one in json.loads(asked.stdout)}
    assert {one["verdict"] for one in found.values()} <= {"ok", "warn"}, found
    assert asked.returncode == 0
    assert {"PostgreSQL", "migrations", "row-level security", "pipeline", "disk"} <= set(found)
    assert found["durability"]["verdict"] == "ok"


def test_the_table_is_for_people(platform: Platform) -> None:
    asked = doctor("--data-dir", str(platform.data_dir))
    assert asked.returncode == 0, asked.stdout
    assert "row-level security" in asked.stdout


def test_a_directory_without_platform_is_fit_or_not(short_dir: Path) -> None:
    asked = doctor("--data-dir", str(short_dir / "none"), "--port", "0")
    assert asked.returncode == 0, asked.stdout
    assert "none runs in" in asked.stdout
    assert not (short_dir / "none").exists()  # it only looked


def test_a_taken_port_is_a_failure(platform: Platform, short_dir: Path) -> None:
    asked = doctor("--data-dir", str(short_dir / "none"), "--port", str(platform.port))
    assert asked.returncode == 1
    assert "choose another --port" in asked.stdout


def test_a_database_that_is_empty_wants_its_migrations(empty_database_url: str) -> None:
    found = findings(empty_database_url)
    assert found["migrations"].verdict == "fail"
    assert "0001_installation" in found["migrations"].found
    assert "meterline migrate" in found["migrations"].remedy


def test_a_database_that_does_not_answer_is_said(empty_database_url: str) -> None:
    (found,) = findings(empty_database_url.replace("@/test_", "@/absent_")).values()
    assert (found.check, found.verdict) == ("database", "fail")


def test_an_unguarded_table_is_found(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE leak (environment_id integer NOT NULL)")
    found = findings(database_url)
    assert (found["row-level security"].verdict, found["row-level security"].found) == (
        "fail",
        "leak",
    )


def test_a_role_that_bypasses_policies_is_found(
    postgres: EmbeddedPostgres, database_url: str
) -> None:
    with psycopg.connect(postgres.administrator_url, autocommit=True) as administrator:
        administrator.execute("ALTER ROLE meterline_api BYPASSRLS")
        try:
            found = findings(database_url)
        finally:
            administrator.execute("ALTER ROLE meterline_api NOBYPASSRLS")
    assert found["roles"].verdict == "fail"
    assert "meterline_api" in found["roles"].found


def test_missing_time_partitions_are_found(database_url: str) -> None:
    assert findings(database_url)["time partitions"].verdict == "ok"
    later = findings(database_url, datetime.now(UTC) + timedelta(days=20))
    assert later["time partitions"].verdict == "fail"
    assert "log_record_p" in later["time partitions"].found


@pytest.mark.parametrize("setting", ["fsync"])
def test_a_server_that_may_lose_events_is_found(database_url: str, setting: str) -> None:
    """The session's server runs without fsync, for speed."""
    found = findings(database_url)
    assert found["durability"].verdict == "fail"
    assert f"{setting} = off" in found["durability"].found


def test_a_platform_without_workers_is_found(database_url: str) -> None:
    found = findings(database_url)
    assert found["pipeline"].verdict == "fail"
    assert "0 workers" in found["pipeline"].found


def test_customers_whose_books_cannot_be_settled_are_named(database_url: str) -> None:
    assert findings(database_url)["books"].verdict == "ok"
    with psycopg.connect(database_url, options="-c role=meterline_pipeline") as connection:
        connection.execute(
            "WITH made AS (INSERT INTO environment (name, kind) VALUES ('e', 'production')"
            "              RETURNING environment_id),"
            "     known AS (INSERT INTO customer (environment_id, customer_id, name, created_at, updated_at)"
            "               SELECT environment_id, gen_random_uuid(), 'c', now(), now() FROM made"
            "               RETURNING environment_id, customer_id)"
            " INSERT INTO books_due (environment_id, customer_id, failures, reason)"
            " SELECT environment_id, customer_id, 7, 'no such metric' FROM known"
        )
    found = findings(database_url)["books"]
    assert found.verdict == "warn"
    assert "failed 7 times: no such metric" in found.found
