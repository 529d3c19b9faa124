"""Rate cards, the order of their products, and their aliases. Rates are in `meterline.services.rates`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from meterline.core.catalogue import CreditTypeConversion, RateCard
from meterline.core.decimals import decimal_issues
from meterline.core.errors import Invalid, require
from meterline.core.money import USD_CENTS, CreditType
from meterline.services import credit_types, rate_card_aliases
from meterline.services.custom_fields import Entity, claim
from meterline.services.errors import NotFound
from meterline.services.paging import Page, PageRequest, age_key
from meterline.services.rate_card_aliases import AliasSpan
from meterline.services.workspace import Workspace
from meterline.store import rate_cards as store
from meterline.store import touches
from meterline.store.database import Connection, Row


@dataclass(frozen=True, slots=True)
class NewRateCard:
    """A card as asked for."""

    name: str
    description: str | None = None
    aliases: Sequence[AliasSpan] = ()
    fiat_credit_type_id: UUID | None = None
    conversions: Sequence[CreditTypeConversion] = ()
    custom_fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RateCardChange:
    """What to change of a card; None leaves it. Conversions are added."""

    name: str | None = None
    description: str | None = None
    aliases: Sequence[AliasSpan] | None = None
    conversions: Sequence[CreditTypeConversion] = ()


async def create(workspace: Workspace, new: NewRateCard) -> UUID:
    """Add a card. Raises Invalid, Conflict."""
    rate_card_id = workspace.new_id()
    fiat = new.fiat_credit_type_id or USD_CENTS.id
    if fiat not in credit_types.CURRENCIES:
        raise Invalid("fiat_credit_type_id", "is not the id of a currency")
    if not new.name:
        raise Invalid("name", "must not be empty")
    async with workspace.transaction() as connection:
        await claim(connection, Entity.RATE_CARD, rate_card_id, new.custom_fields)
        await _check_conversions(connection, "credit_type_conversions", [], new.conversions)
        values = {
            "rate_card_id": rate_card_id,
            "name": new.name,
            "description": new.description,
            "fiat_credit_type_id": fiat,
            "conversions": [_conversion_fields(one) for one in new.conversions],
            "custom_fields": new.custom_fields,
            "now": workspace.now,
            "actor": workspace.actor,
        }
        await store.insert(connection, values)
        await rate_card_aliases.assign(connection, rate_card_id, new.aliases)
    return rate_card_id


async def update(workspace: Workspace, rate_card_id: UUID, change: RateCardChange) -> None:
    """Change a card. Raises Invalid, NotFound."""
    if change.name == "":
        raise Invalid("name", "must not be empty")
    async with workspace.transaction() as connection:
        row = await _locked(connection, rate_card_id)
        older = row["credit_type_conversions"]
        await _check_conversions(
            connection, "add_credit_type_conversions", older, change.conversions
        )
        values = {
            "rate_card_id": rate_card_id,
            "name": change.name,
            "description": change.description,
            "conversions": older + [_conversion_fields(one) for one in change.conversions],
        }
        await store.update(connection, values)
        if change.aliases is not None:
            await rate_card_aliases.assign(connection, rate_card_id, change.aliases)


async def get(workspace: Workspace, rate_card_id: UUID) -> tuple[Row, dict[UUID, CreditType]]:
    """The row of a card and the credit types it speaks of. Raises NotFound."""
    async with workspace.transaction() as connection:
        rows = await store.select(connection, [rate_card_id])
        if not rows:
            raise NotFound("rate card", rate_card_id)
        return rows[0], await _credit_types(connection, rows)


async def page(
    workspace: Workspace, request: PageRequest
) -> tuple[Page[Row], dict[UUID, CreditType]]:
    """Cards that are not archived by age, and the credit types they speak of."""
    async with workspace.transaction() as connection:
        rows = await store.select_page(connection, request.after_row(2), request.fetch)
        return request.page_of(rows, age_key("rate_card_id")), await _credit_types(connection, rows)


async def archive(workspace: Workspace, rate_card_id: UUID) -> None:
    """Keep new contracts from the card; those on it go on. Raises NotFound."""
    async with workspace.transaction() as connection:
        if not await store.archive(connection, rate_card_id, workspace.now):
            raise NotFound("rate card", rate_card_id)


async def set_product_order(
    workspace: Workspace, rate_card_id: UUID, order: Sequence[UUID]
) -> None:
    """Set the order of the card's products. Raises Invalid, NotFound."""
    if len(set(order)) < len(order):
        raise Invalid("product_order", "must not repeat a product")
    async with workspace.transaction() as connection:
        await _locked(connection, rate_card_id)
        on_card = await _product_ids(connection, rate_card_id)
        for index, product_id in enumerate(order):
            if product_id not in on_card:
                raise Invalid(f"product_order[{index}]", "is not a product of the rate card")
        await store.update_order(connection, rate_card_id, order)
        await touches.customers_of_rate_card(connection, rate_card_id)


async def move_products(
    workspace: Workspace, rate_card_id: UUID, moves: Sequence[tuple[UUID, int]]
) -> None:
    """Move products to positions counted from 0, one after the other. Raises Invalid, NotFound."""
    async with workspace.transaction() as connection:
        row = await _locked(connection, rate_card_id)
        on_card = await _product_ids(connection, rate_card_id)
        order = [one for one in map(UUID, row["product_order"]) if one in on_card]
        order += [one for one in on_card if one not in set(order)]
        for index, (product_id, position) in enumerate(moves):
            if product_id not in on_card:
                raise Invalid(
                    f"product_moves[{index}].product_id", "is not a product of the rate card"
                )
            if position < 0:
                raise Invalid(f"product_moves[{index}].position", "must not be negative")
            order.remove(product_id)
            order.insert(position, product_id)
        await store.update_order(connection, rate_card_id, order)
        await touches.customers_of_rate_card(connection, rate_card_id)


async def load(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, RateCard]:
    """The cards of these ids, archived ones too; unknown ids are left out."""
    rows = await store.select(connection, list(set(ids)))
    known = await _credit_types(connection, rows)
    return {
        row["rate_card_id"]: store.rate_card_of(row, known[row["fiat_credit_type_id"]])
        for row in rows
    }


async def _credit_types(connection: Connection, rows: Iterable[Row]) -> dict[UUID, CreditType]:
    wanted: set[UUID] = set()
    for row in rows:
        wanted.add(row["fiat_credit_type_id"])
        wanted |= {UUID(one["custom_credit_type_id"]) for one in row["credit_type_conversions"]}
    return await credit_types.load(connection, wanted)


async def _locked(connection: Connection, rate_card_id: UUID) -> Row:
    row = await store.lock(connection, rate_card_id)
    if row is None:
        raise NotFound("rate card", rate_card_id)
    return row


async def _product_ids(connection: Connection, rate_card_id: UUID) -> dict[UUID, None]:
    """The card's products in order of their first rate (a dict for its order)."""
    rows = await store.select_rates(connection, [rate_card_id])
    return dict.fromkeys(row["product_id"] for row in rows)


def _conversion_fields(conversion: CreditTypeConversion) -> dict[str, Any]:
    return {
        "custom_credit_type_id": str(conversion.custom_credit_type_id),
        "fiat_per_custom_credit": str(conversion.fiat_per_custom_credit),
    }


async def _check_conversions(
    connection: Connection,
    field_name: str,
    older: Sequence[dict[str, str]],
    added: Sequence[CreditTypeConversion],
) -> None:
    known = await credit_types.load(connection, (one.custom_credit_type_id for one in added))
    seen = {UUID(one["custom_credit_type_id"]) for one in older}
    for index, conversion in enumerate(added):
        place = f"{field_name}[{index}]"
        unit = known.get(conversion.custom_credit_type_id)
        if unit is None or unit.is_currency:
            raise Invalid(f"{place}.custom_credit_type_id", "is not the id of a pricing unit")
        if unit.id in seen:
            raise Invalid(f"{place}.custom_credit_type_id", "has a conversion, which cannot change")
        seen.add(unit.id)
        number = conversion.fiat_per_custom_credit
        require(decimal_issues(f"{place}.fiat_per_custom_credit", number))
        if not number:
            raise Invalid(f"{place}.fiat_per_custom_credit", "must be greater than zero")
