"""Rows of `contract`.

`terms` holds `usage_statement_schedule` {frequency, billing_anchor_date}, `usage_filters` [{group_key, group_values,
starting_at}] in order of arrival, and what is only shown again: `net_payment_terms_days` and the like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from meterline.core.contract import Contract, UsageFilter
from meterline.core.period import Frequency, StatementSchedule
from meterline.store.database import Connection, Row

INSERT = """
    INSERT INTO contract (
        environment_id, contract_id, customer_id, name, rate_card_id, starting_at, ending_before,
        uniqueness_key, terms, custom_fields, created_at, created_by)
    VALUES (
        current_environment(), %(contract_id)s, %(customer_id)s, %(name)s, %(rate_card_id)s,
        %(starting_at)s, %(ending_before)s, %(uniqueness_key)s, %(terms)s, %(custom_fields)s,
        %(now)s, %(actor)s)
    ON CONFLICT (environment_id, uniqueness_key) DO NOTHING
"""
SELECT = "SELECT * FROM contract WHERE contract_id = %s AND customer_id = %s"
SELECT_OF_CUSTOMERS = """
    SELECT * FROM contract WHERE customer_id = ANY(%s::uuid[]) AND archived_at IS NULL
    ORDER BY customer_id, starting_at, contract_id
"""
SELECT_PAGE = """
    SELECT * FROM contract
    WHERE customer_id = %(customer_id)s
      AND (archived_at IS NULL OR %(archived)s)
      AND (%(covering)s::timestamptz IS NULL
           OR (starting_at <= %(covering)s
               AND (ending_before IS NULL OR ending_before > %(covering)s)))
      AND (%(from)s::timestamptz IS NULL OR starting_at >= %(from)s)
      AND (%(at)s::timestamptz IS NULL OR (created_at, contract_id) > (%(at)s, %(id)s::uuid))
    ORDER BY created_at, contract_id
    LIMIT %(fetch)s
"""
LOCK = SELECT + " FOR UPDATE"
UPDATE_END = "UPDATE contract SET ending_before = %s WHERE contract_id = %s"
UPDATE_TERMS = "UPDATE contract SET terms = %s WHERE contract_id = %s"
ARCHIVE = "UPDATE contract SET archived_at = coalesce(archived_at, %s) WHERE contract_id = %s"


async def insert(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Add a contract; False when its uniqueness_key is used."""
    prepared = {
        **values,
        "terms": Jsonb(values["terms"]),
        "custom_fields": Jsonb(values["custom_fields"]),
    }
    return (await connection.execute(INSERT, prepared)).rowcount == 1


async def select(connection: Connection, contract_id: UUID, customer_id: UUID) -> Row | None:
    """A customer's contract, archived or not."""
    return await (await connection.execute(SELECT, (contract_id, customer_id))).fetchone()


async def lock(connection: Connection, contract_id: UUID, customer_id: UUID) -> Row | None:
    """Like `select`, held against other writers until the transaction ends."""
    return await (await connection.execute(LOCK, (contract_id, customer_id))).fetchone()


async def select_page(
    connection: Connection, *, filters: dict[str, Any], after: tuple[str | None, ...], fetch: int
) -> list[Row]:
    """A customer's contracts by age. `filters`: customer_id, archived, covering, from."""
    parameters = {**filters, "at": after[0], "id": after[1], "fetch": fetch}
    return await (await connection.execute(SELECT_PAGE, parameters)).fetchall()


async def select_of_customers(connection: Connection, ids: Sequence[UUID]) -> list[Row]:
    """The contracts of these customers that are not archived, by customer and start."""
    return await (await connection.execute(SELECT_OF_CUSTOMERS, (list(ids),))).fetchall()


async def update_end(
    connection: Connection, contract_id: UUID, ending_before: datetime | None
) -> None:
    """Move a contract's end; None opens it."""
    await connection.execute(UPDATE_END, (ending_before, contract_id))


async def update_terms(connection: Connection, contract_id: UUID, terms: Mapping[str, Any]) -> None:
    """Replace a contract's terms."""
    await connection.execute(UPDATE_TERMS, (Jsonb(dict(terms)), contract_id))


async def archive(connection: Connection, contract_id: UUID, now: datetime) -> None:
    """Archive a contract."""
    await connection.execute(ARCHIVE, (now, contract_id))


def contract_of(row: Row) -> Contract:
    """The contract of a row."""
    terms = row["terms"]
    return Contract(
        id=row["contract_id"],
        customer_id=row["customer_id"],
        rate_card_id=row["rate_card_id"],
        starting_at=row["starting_at"].astimezone(UTC),
        ending_before=None
        if row["ending_before"] is None
        else row["ending_before"].astimezone(UTC),
        schedule=schedule_of(terms["usage_statement_schedule"]),
        usage_filters=tuple(filter_of(one) for one in terms.get("usage_filters", [])),
        name=row["name"],
        net_payment_terms_days=terms.get("net_payment_terms_days"),
        archived_at=row["archived_at"],
    )


def schedule_of(fields: Mapping[str, str]) -> StatementSchedule:
    """The schedule kept in `terms`."""
    anchor = datetime.fromisoformat(fields["billing_anchor_date"]).astimezone(UTC)
    return StatementSchedule(Frequency(fields["frequency"]), anchor)


def schedule_fields(schedule: StatementSchedule) -> dict[str, str]:
    """The schedule as `terms` keep it."""
    anchor = schedule.anchor.isoformat()
    return {"frequency": schedule.frequency, "billing_anchor_date": anchor}


def filter_of(fields: Mapping[str, Any]) -> UsageFilter:
    """A usage filter kept in `terms`."""
    return UsageFilter(
        fields["group_key"],
        frozenset(fields["group_values"]),
        datetime.fromisoformat(fields["starting_at"]).astimezone(UTC),
    )


def filter_fields(given: UsageFilter) -> dict[str, Any]:
    """A usage filter as `terms` keep it."""
    return {
        "group_key": given.group_key,
        "group_values": sorted(given.group_values),
        "starting_at": given.starting_at.isoformat(),
    }
