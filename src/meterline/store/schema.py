"""The schema as text: what the migrations make, in one place to read and to compare.

`schema.txt` beside this file is kept by `python -m meterline.store.schema`; a test holds it equal to what an empty
database becomes. It is a description, never a way to create: that is the migrations' alone.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from meterline.store.embedded import EmbeddedPostgres
from meterline.store.migrate import migrate

DESCRIPTION = Path(__file__).parent / "schema.txt"

# Each query gives lines of text. Time partitions are left out: they come and go.
_TABLES = """
SELECT c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity, pg_get_partkeydef(c.oid), c.reloptions
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY c.relname COLLATE "C"
"""
_COLUMNS = """
SELECT format('  %%s %%s%%s%%s%%s%%s', a.attname, format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attnotnull THEN ' not null' END,
    CASE a.attidentity WHEN 'a' THEN ' identity' ELSE ' default ' || pg_get_expr(d.adbin, d.adrelid) END,
    CASE WHEN a.attcollation <> t.typcollation THEN ' collate ' || l.collname END,
    CASE WHEN a.attstorage <> t.typstorage THEN ' storage ' || a.attstorage::text END)
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_CONSTRAINTS = """
SELECT '  constraint ' || pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = %s AND contype <> 'n'
"""
_INDEXES = """
SELECT '  index ' || pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %s
"""
_TRIGGERS = """
SELECT '  trigger ' || pg_get_triggerdef(oid) FROM pg_trigger
WHERE tgrelid = %s AND NOT tgisinternal
"""
_POLICIES = """
SELECT format('  policy %%s to %%s using %%s check %%s', p.polname,
    (SELECT string_agg(rolname, ', ' ORDER BY rolname) FROM pg_roles WHERE oid = ANY (p.polroles)),
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
FROM pg_policy AS p WHERE p.polrelid = %s
"""
_GRANTS = """
SELECT format('  grant %%s to %%s', string_agg(lower(g.privilege_type), ', ' ORDER BY g.privilege_type),
    coalesce(r.rolname, 'public'))
FROM pg_class AS c, aclexplode(c.relacl) AS g LEFT JOIN pg_roles AS r ON r.oid = g.grantee
WHERE c.oid = %s AND g.grantee <> c.relowner GROUP BY r.rolname
"""
_FUNCTIONS = """
SELECT pg_get_functiondef(oid) FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND prokind <> 'a'
"""
_OTHERS = """
SELECT format('%s %s', CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'sequence' END,
    c.relname) FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('v', 'm', 'S')
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'i')
"""


def describe(connection: psycopg.Connection[TupleRow]) -> str:
    """Return the description of the schema `public` of the connection's database."""
    blocks = []
    for oid, name, guarded, forced, partitioned_by, options in connection.execute(
        _TABLES
    ).fetchall():
        head = [f"table {name}"]
        head += [f"partitioned by {partitioned_by}"] if partitioned_by else []
        head += [f"with ({', '.join(sorted(options))})"] if options else []
        head += ["row-level security" + (" forced" if forced else "")] if guarded else []
        lines = [", ".join(head)]
        lines += _lines(connection, _COLUMNS, oid)
        for query in (_CONSTRAINTS, _INDEXES, _TRIGGERS, _POLICIES, _GRANTS):
            lines += sorted(_lines(connection, query, oid))
        blocks.append("\n".join(lines))
    blocks += sorted(_lines(connection, _OTHERS))
    blocks += sorted(_lines(connection, _FUNCTIONS))
    return "\n\n".join(block.strip() for block in blocks) + "\n"


def _lines(
    connection: psycopg.Connection[TupleRow], query: LiteralString, *values: int
) -> list[str]:
    return [row[0] for row in connection.execute(query, values or None)]


def main() -> None:
    """Write the description anew, from a database made for it."""
    with tempfile.TemporaryDirectory(prefix="meterline-schema-") as folder:
        Path(folder).chmod(0o711)
        server = EmbeddedPostgres(Path(folder) / "data", durable=False)
        server.start()
        try:
            migrate(server.url)
            with psycopg.connect(server.url) as connection:
                DESCRIPTION.write_text(describe(connection), encoding="utf-8")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
