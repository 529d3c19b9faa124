"""/v1/contract-pricing/rate-cards: price lists. Their rates are in `rates`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from meterline.api.requests import (
    Body,
    CustomFields,
    IdReply,
    Instant,
    Limit,
    NextPage,
    Reply,
    id_reply,
    optional_instant,
    page_request,
)
from meterline.api.wire import Name, post
from meterline.core.catalogue import CreditTypeConversion
from meterline.core.decimals import plain
from meterline.core.errors import Invalid
from meterline.core.money import CreditType
from meterline.services import rate_cards
from meterline.services.rate_card_aliases import AliasSpan
from meterline.services.workspace import Workspace
from meterline.store.database import Row

PATH = "/v1/contract-pricing/rate-cards"


class AliasBody(Body):
    name: Name
    starting_at: Instant | None = None
    ending_before: Instant | None = None


class ConversionBody(Body):
    custom_credit_type_id: UUID
    fiat_per_custom_credit: Decimal


class CreateRateCard(Body):
    name: Name
    description: str | None = None
    aliases: list[AliasBody] | None = None
    fiat_credit_type_id: UUID | None = None
    credit_type_conversions: list[ConversionBody] | None = None
    custom_fields: CustomFields | None = None


class UpdateRateCard(Body):
    rate_card_id: UUID
    name: Name | None = None
    description: str | None = None
    aliases: list[AliasBody] | None = None
    add_credit_type_conversions: list[ConversionBody] | None = None


class RateCardId(Body):
    id: UUID


class SetProductOrder(Body):
    rate_card_id: UUID
    product_order: list[UUID]


class ProductMove(Body):
    product_id: UUID
    position: Decimal


class MoveProducts(Body):
    rate_card_id: UUID
    product_moves: list[ProductMove]


class CreditTypeRef(Reply):
    id: UUID
    name: str


class AliasReply(Reply):
    name: str
    starting_at: datetime | None = None
    ending_before: datetime | None = None


class ConversionReply(Reply):
    custom_credit_type: CreditTypeRef
    fiat_per_custom_credit: str


class RateCardDetail(Reply):
    id: UUID
    name: str
    created_at: datetime
    created_by: str
    fiat_credit_type: CreditTypeRef
    aliases: list[AliasReply]
    credit_type_conversions: list[ConversionReply]
    custom_fields: dict[str, str]
    description: str | None = None
    archived_at: datetime | None = None


class RateCardReply(Reply):
    data: RateCardDetail


class RateCardsReply(Reply):
    data: list[RateCardDetail]
    next_page: str | None


@post(f"{PATH}/create")
async def create_rate_card(workspace: Workspace, data: CreateRateCard) -> IdReply:
    """Add a card without rates."""
    new = rate_cards.NewRateCard(
        name=data.name,
        description=data.description,
        aliases=_aliases(data.aliases or ()),
        fiat_credit_type_id=data.fiat_credit_type_id,
        conversions=_conversions(data.credit_type_conversions or ()),
        custom_fields=data.custom_fields or {},
    )
    return id_reply(await rate_cards.create(workspace, new))


@post(f"{PATH}/get", scope="read")
async def get_rate_card(workspace: Workspace, data: RateCardId) -> RateCardReply:
    """One card."""
    row, units = await rate_cards.get(workspace, data.id)
    return RateCardReply(data=_detail(row, units))


@post(f"{PATH}/update")
async def update_rate_card(workspace: Workspace, data: UpdateRateCard) -> IdReply:
    """Change name, description or aliases (the whole list), add conversions."""
    change = rate_cards.RateCardChange(
        name=data.name,
        description=data.description,
        aliases=None if data.aliases is None else _aliases(data.aliases),
        conversions=_conversions(data.add_credit_type_conversions or ()),
    )
    await rate_cards.update(workspace, data.rate_card_id, change)
    return id_reply(data.rate_card_id)


@post(f"{PATH}/list", scope="read")
async def list_rate_cards(
    workspace: Workspace,
    data: Body | None = None,  # noqa: ARG001  (SDKs send an empty object)
    limit: Limit = None,
    next_page: NextPage = None,
) -> RateCardsReply:
    """Cards that are not archived."""
    page, units = await rate_cards.page(workspace, page_request("rate-cards", next_page, limit))
    rows = [_detail(row, units) for row in page.rows]
    return RateCardsReply(data=rows, next_page=page.next_page)


@post(f"{PATH}/archive")
async def archive_rate_card(workspace: Workspace, data: RateCardId) -> IdReply:
    """Keep new contracts from a card."""
    await rate_cards.archive(workspace, data.id)
    return id_reply(data.id)


@post(f"{PATH}/setRateCardProductsOrder")
async def set_product_order(workspace: Workspace, data: SetProductOrder) -> IdReply:
    """Set the order of lines on invoices."""
    await rate_cards.set_product_order(workspace, data.rate_card_id, data.product_order)
    return id_reply(data.rate_card_id)


@post(f"{PATH}/moveRateCardProducts")
async def move_products(workspace: Workspace, data: MoveProducts) -> IdReply:
    """Move some products to positions counted from 0."""
    moves = [
        (move.product_id, _position(f"product_moves[{index}].position", move.position))
        for index, move in enumerate(data.product_moves)
    ]
    await rate_cards.move_products(workspace, data.rate_card_id, moves)
    return id_reply(data.rate_card_id)


def credit_type_ref(unit: CreditType) -> CreditTypeRef:
    """A credit type as replies refer to it."""
    return CreditTypeRef(id=unit.id, name=unit.name)


def _position(field: str, number: Decimal) -> int:
    if not number.is_finite() or not 0 <= number <= 1_000_000 or number != int(number):
        raise Invalid(field, "must be a whole number from 0")
    return int(number)


def _aliases(given: Sequence[AliasBody]) -> list[AliasSpan]:
    return [
        AliasSpan(
            one.name,
            optional_instant(f"aliases[{index}].starting_at", one.starting_at),
            optional_instant(f"aliases[{index}].ending_before", one.ending_before),
        )
        for index, one in enumerate(given)
    ]


def _conversions(given: Sequence[ConversionBody]) -> list[CreditTypeConversion]:
    return [
        CreditTypeConversion(one.custom_credit_type_id, one.fiat_per_custom_credit) for one in given
    ]


def _detail(row: Row, units: Mapping[UUID, CreditType]) -> RateCardDetail:
    return RateCardDetail(
        id=row["rate_card_id"],
        name=row["name"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        fiat_credit_type=credit_type_ref(units[row["fiat_credit_type_id"]]),
        aliases=[_alias(one) for one in row["aliases"]],
        credit_type_conversions=[
            ConversionReply(
                custom_credit_type=credit_type_ref(units[UUID(one["custom_credit_type_id"])]),
                fiat_per_custom_credit=f"{plain(Decimal(one['fiat_per_custom_credit'])):f}",
            )
            for one in row["credit_type_conversions"]
        ],
        custom_fields=row["custom_fields"],
        description=row["description"],
        archived_at=row["archived_at"],
    )


def _alias(fields: dict[str, Any]) -> AliasReply:
    starting_at, ending_before = fields["starting_at"], fields["ending_before"]
    return AliasReply(
        name=fields["name"],
        starting_at=None if starting_at is None else datetime.fromisoformat(starting_at),
        ending_before=None if ending_before is None else datetime.fromisoformat(ending_before),
    )


routes = [
    create_rate_card,
    get_rate_card,
    update_rate_card,
    list_rate_cards,
    archive_rate_card,
    set_product_order,
    move_products,
]
