"""Rows of `alert`: thresholds as they were set. `terms` is the core's `Alert` as the codec writes it.

What can change is in columns beside it: archiving, and who has the uniqueness key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from meterline.core.alert import Alert
from meterline.store import codec
from meterline.store.database import Connection, Row

INSERT = """
    INSERT INTO alert (
        environment_id, alert_id, customer_id, uniqueness_key, terms, created_at, created_by)
    VALUES (
        current_environment(), %(alert_id)s, %(customer_id)s, %(uniqueness_key)s, %(terms)s, %(created_at)s,
        %(created_by)s)
    ON CONFLICT DO NOTHING
"""
ARCHIVE = """
    UPDATE alert
    SET archived_at = coalesce(archived_at, %(now)s),
        uniqueness_key = CASE WHEN %(release)s THEN NULL ELSE uniqueness_key END
    WHERE alert_id = %(alert_id)s
"""
SELECT = """
    SELECT uniqueness_key, terms, archived_at FROM alert
    WHERE alert_id = %s AND (customer_id IS NULL OR customer_id = %s)
"""
SELECT_PAGE = """
    SELECT uniqueness_key, terms, archived_at FROM alert
    WHERE (customer_id IS NULL OR customer_id = %(customer_id)s)
      AND (CASE WHEN archived_at IS NULL THEN %(enabled)s ELSE %(archived)s END)
      AND (%(at)s::timestamptz IS NULL OR (created_at, alert_id) > (%(at)s, %(after_id)s::uuid))
    ORDER BY created_at, alert_id
    LIMIT %(fetch)s
"""
SELECT_CONTRACT_FIELDS = (
    "SELECT contract_id AS id, custom_fields FROM contract WHERE customer_id = %s"
)
SELECT_GRANT_FIELDS = (
    "SELECT grant_id AS id, custom_fields FROM account_grant WHERE customer_id = %s"
)


async def insert(connection: Connection, alert: Alert, actor: str) -> bool:
    """Add an alert; False where its uniqueness key is used."""
    values = {
        "alert_id": alert.id,
        "customer_id": alert.customer_id,
        "uniqueness_key": alert.uniqueness_key,
        "terms": codec.jsonb(alert),
        "created_at": alert.created_at,
        "created_by": actor,
    }
    return (await connection.execute(INSERT, values)).rowcount == 1


async def archive(
    connection: Connection, alert_id: UUID, now: datetime, *, release_key: bool
) -> bool:
    """Archive an alert (one that is stays as it was); False when there is none of that id."""
    values = {"alert_id": alert_id, "now": now, "release": release_key}
    return (await connection.execute(ARCHIVE, values)).rowcount == 1


async def select(connection: Connection, alert_id: UUID, customer_id: UUID) -> Alert | None:
    """The alert, if it is one of the customer's or of every customer."""
    row = await (await connection.execute(SELECT, (alert_id, customer_id))).fetchone()
    return None if row is None else _alert_of(row)


async def select_page(
    connection: Connection,
    customer_id: UUID,
    *,
    enabled: bool,
    archived: bool,
    after: Sequence[str | None],
    fetch: int,
) -> list[Alert]:
    """The alerts on a customer by age, after (created_at, id)."""
    values = {
        "customer_id": customer_id,
        "enabled": enabled,
        "archived": archived,
        "at": after[0],
        "after_id": after[1],
        "fetch": fetch,
    }
    rows = await (await connection.execute(SELECT_PAGE, values)).fetchall()
    return [_alert_of(row) for row in rows]


async def contract_fields(connection: Connection, customer_id: UUID) -> dict[UUID, dict[str, str]]:
    """The custom fields of a customer's contracts."""
    rows = await (await connection.execute(SELECT_CONTRACT_FIELDS, (customer_id,))).fetchall()
    return {row["id"]: row["custom_fields"] for row in rows}


async def grant_fields(connection: Connection, customer_id: UUID) -> dict[UUID, dict[str, str]]:
    """The custom fields of a customer's commits and credits."""
    rows = await (await connection.execute(SELECT_GRANT_FIELDS, (customer_id,))).fetchall()
    return {row["id"]: row["custom_fields"] for row in rows}


def _alert_of(row: Row) -> Alert:
    archived_at = row["archived_at"]
    return replace(
        codec.from_json(Alert, row["terms"]),
        uniqueness_key=row["uniqueness_key"],
        archived_at=None if archived_at is None else archived_at.astimezone(UTC),
    )
