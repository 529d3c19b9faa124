"""What holds of every table, whoever adds one: the catalogue itself is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

# Tables of the installation as a whole. They hold nothing of any customer; the list stays short.
INSTALLATION_WIDE = {
    "schema_migration",
    "log_partition",
    "log_routing",
    "stream_partition",
    "worker_slot",
}
ROLES = ("meterline_api", "meterline_pipeline")

Catalogue = psycopg.Connection[dict[str, Any]]

_TABLES = """
SELECT c.oid, c.relname AS name, c.relrowsecurity AS guarded, c.relforcerowsecurity AS forced
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""


@pytest.fixture(scope="module")
def catalogue(module_database_url: str) -> Iterator[Catalogue]:
    with psycopg.connect(module_database_url, row_factory=dict_row) as connection:
        yield connection


def guarded_tables(catalogue: Catalogue) -> list[dict[str, Any]]:
    rows = catalogue.execute(_TABLES).fetchall()
    return [row for row in rows if row["name"] not in INSTALLATION_WIDE]


def test_the_list_of_installation_wide_tables_names_tables_that_exist(catalogue: Catalogue) -> None:
    assert {row["name"] for row in catalogue.execute(_TABLES)} >= INSTALLATION_WIDE


def test_every_other_table_leads_with_its_environment(catalogue: Catalogue) -> None:
    assert len(guarded_tables(catalogue)) > 10
    for table in guarded_tables(catalogue):
        first = catalogue.execute(
            "SELECT attname, atttypid::regtype::text AS type, attnotnull FROM pg_attribute"
            " WHERE attrelid = %s AND attnum = 1",
            [table["oid"]],
        ).fetchone()
        assert first == {"attname": "environment_id", "type": "integer", "attnotnull": True}, table


def test_every_primary_key_leads_with_its_environment(catalogue: Catalogue) -> None:
    for table in guarded_tables(catalogue):
        keys = catalogue.execute(
            "SELECT conkey[1] AS first FROM pg_constraint WHERE conrelid = %s AND contype = 'p'",
            [table["oid"]],
        ).fetchall()
        assert [key["first"] for key in keys] in ([1], []), table


def test_every_foreign_key_stays_within_its_environment(catalogue: Catalogue) -> None:
    keys = catalogue.execute(
        "SELECT conrelid::regclass::text AS name, conkey[1] AS near, confkey[1] AS far"
        " FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
    ).fetchall()
    assert keys
    for key in keys:
        assert (key["near"], key["far"]) == (1, 1), key


def test_row_level_security_is_forced_with_one_policy_a_role(catalogue: Catalogue) -> None:
    expected = {
        "meterline_api": "(environment_id = current_environment())",
        "meterline_pipeline": "true",
    }
    for table in guarded_tables(catalogue):
        assert table["guarded"], table
        assert table["forced"], table
        policies = catalogue.execute(
            "SELECT polroles::regrole[]::text[] AS roles, polcmd AS command, polpermissive AS permissive,"
            " pg_get_expr(polqual, polrelid) AS seen, pg_get_expr(polwithcheck, polrelid) AS written"
            " FROM pg_policy WHERE polrelid = %s",
            [table["oid"]],
        ).fetchall()
        assert len(policies) == 2, table
        for policy in policies:
            (role,) = policy["roles"]
            assert policy["command"] == "*", table
            assert (policy["seen"], policy["written"]) == (expected[role], expected[role]), table


def test_the_api_reaches_customers_rows_through_guarded_tables_only(catalogue: Catalogue) -> None:
    """No right on a time partition, which has no policies of its own, nor to TRUNCATE, which asks none."""
    grants = catalogue.execute(
        "SELECT c.relname AS name, c.relispartition AS partition, g.privilege_type AS right,"
        " coalesce(r.rolname, 'public') AS role"
        " FROM pg_class AS c, aclexplode(c.relacl) AS g LEFT JOIN pg_roles AS r ON r.oid = g.grantee"
        " WHERE c.relnamespace = 'public'::regnamespace AND g.grantee <> c.relowner"
    ).fetchall()
    assert {grant["role"] for grant in grants} == set(ROLES)
    for grant in grants:
        assert not grant["partition"], grant
        assert grant["right"] in {"SELECT", "INSERT", "UPDATE", "DELETE"}, grant
        if grant["name"] in INSTALLATION_WIDE and grant["role"] == "meterline_api":
            assert grant["right"] == "SELECT", grant


def test_time_partitions_exist_and_belong_to_a_parent(catalogue: Catalogue) -> None:
    rows = catalogue.execute(
        "SELECT inhparent::regclass::text AS parent, count(*) AS partitions FROM pg_inherits AS i"
        " JOIN pg_class AS c ON c.oid = i.inhparent AND c.relkind = 'p' GROUP BY 1"
    ).fetchall()
    counts = {row["parent"]: row["partitions"] for row in rows}
    assert set(counts) == {"log_record", "seen_event", "duplicate_event"}
    assert counts["log_record"] == 9  # yesterday to seven days ahead


def test_the_roles_can_neither_log_in_nor_bypass_policies_nor_own_anything(
    catalogue: Catalogue,
) -> None:
    roles = catalogue.execute(
        "SELECT rolname, rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole OR rolcreatedb AS powerful,"
        " EXISTS (SELECT FROM pg_class WHERE relowner = r.oid) AS owner,"
        " EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid) AS member"
        " FROM pg_roles AS r WHERE rolname = ANY(%s) ORDER BY rolname",
        [list(ROLES)],
    ).fetchall()
    assert [role["rolname"] for role in roles] == list(ROLES)
    for role in roles:
        assert not role["powerful"], role
        assert not role["owner"], role
        assert not role["member"], role


def test_no_function_or_view_lends_its_owners_eyes(catalogue: Catalogue) -> None:
    lent = catalogue.execute(
        "SELECT proname AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
        " UNION ALL SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND (relkind = 'm' OR relkind = 'v' AND NOT coalesce(reloptions @> '{security_invoker=true}', false))"
    ).fetchall()
    assert lent == []


def test_the_tests_themselves_run_as_no_superuser(catalogue: Catalogue) -> None:
    row = catalogue.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    assert row == {"rolsuper": False}
