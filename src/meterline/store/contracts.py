"""Rows of `contract`.

`terms` holds `usage_statement_schedule` {frequency, billing_anchor_date, invoices_from}, `usage_filters` [{group_key,
group_values, starting_at}] in order of arrival, the contract's other parts as the codec writes them (PARTS), what is
only shown again (`net_payment_terms_days` and the like), and under `shown` what is so of each part, by its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from meterline.core.contract import Contract, Transition, UsageFilter
from meterline.core.contract.override import Override, Prioritization
from meterline.core.contract.professional_service import ProfessionalService
from meterline.core.contract.recurring import RecurringGrant
from meterline.core.contract.schedule import ScheduledCharge
from meterline.core.contract.subscription import Subscription
from meterline.core.period import Frequency, StatementSchedule
from meterline.store import codec
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
SELECT_SUCCESSORS = """
    SELECT (terms -> 'transition' ->> 'from_contract_id')::uuid AS from_contract_id, contract_id
    FROM contract
    WHERE customer_id = %s AND terms -> 'transition' IS NOT NULL
    ORDER BY created_at, contract_id
"""
LOCK = SELECT + " FOR UPDATE"
UPDATE = "UPDATE contract SET name = %s, ending_before = %s, terms = %s WHERE contract_id = %s"
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


async def select_successors(connection: Connection, customer_id: UUID) -> dict[UUID, UUID]:
    """Which contract of a customer renews which: {the older one: the newer one}."""
    rows = await (await connection.execute(SELECT_SUCCESSORS, (customer_id,))).fetchall()
    return {row["from_contract_id"]: row["contract_id"] for row in rows}


async def update(connection: Connection, row: Row) -> None:
    """Write the name, the end and the terms of a contract as `row` has them."""
    values = (row["name"], row["ending_before"], Jsonb(row["terms"]), row["contract_id"])
    await connection.execute(UPDATE, values)


async def archive(connection: Connection, contract_id: UUID, now: datetime) -> None:
    """Archive a contract."""
    await connection.execute(ARCHIVE, (now, contract_id))


PARTS: dict[str, type[Any]] = {
    "overrides": Override,
    "scheduled_charges": ScheduledCharge,
    "recurring_grants": RecurringGrant,
    "subscriptions": Subscription,
    "professional_services": ProfessionalService,
}
"""The lists of parts in `terms`, under the names the core's Contract has for them."""


def contract_of(row: Row) -> Contract:
    """The contract of a row."""
    terms = row["terms"]
    statements = terms["usage_statement_schedule"]
    parts = {
        name: tuple(codec.from_json(kind, one) for one in terms[name])
        for name, kind in PARTS.items()
        if name in terms
    }
    return Contract(
        id=row["contract_id"],
        customer_id=row["customer_id"],
        rate_card_id=row["rate_card_id"],
        starting_at=row["starting_at"].astimezone(UTC),
        ending_before=None
        if row["ending_before"] is None
        else row["ending_before"].astimezone(UTC),
        schedule=schedule_of(statements),
        usage_filters=tuple(filter_of(one) for one in terms.get("usage_filters", [])),
        name=row["name"],
        net_payment_terms_days=terms.get("net_payment_terms_days"),
        archived_at=row["archived_at"],
        created_at=row["created_at"].astimezone(UTC),
        prioritization=Prioritization(
            terms.get("multiplier_override_prioritization", Prioritization.LOWEST_MULTIPLIER)
        ),
        charges_on_usage_invoices=terms.get("scheduled_charges_on_usage_invoices") == "ALL",
        invoices_from=instant_of(statements.get("invoices_from")),
        transition=codec.from_json(Transition, terms["transition"])
        if "transition" in terms
        else None,
        **parts,
    )


def part_fields(contract: Contract) -> dict[str, Any]:
    """The parts of a contract as `terms` keep them; none of a kind: no entry."""
    fields: dict[str, Any] = {
        name: codec.to_json(parts) for name in PARTS if (parts := getattr(contract, name))
    }
    if contract.transition is not None:
        fields["transition"] = codec.to_json(contract.transition)
    return fields


def instant_of(text: str | None) -> datetime | None:
    """An instant kept in `terms`."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def schedule_of(fields: Mapping[str, str]) -> StatementSchedule:
    """The schedule kept in `terms`."""
    anchor = datetime.fromisoformat(fields["billing_anchor_date"]).astimezone(UTC)
    return StatementSchedule(Frequency(fields["frequency"]), anchor)


def schedule_fields(
    schedule: StatementSchedule, invoices_from: datetime | None = None
) -> dict[str, str]:
    """The schedule as `terms` keep it; `invoices_from`: when invoicing begins, if later than the contract."""
    anchor = schedule.anchor.isoformat()
    fields = {"frequency": schedule.frequency, "billing_anchor_date": anchor}
    if invoices_from is not None:
        fields["invoices_from"] = invoices_from.isoformat()
    return fields


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
