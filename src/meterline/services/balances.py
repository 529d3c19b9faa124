"""Balances: commits and credits in lists, and what is left of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from meterline.core.catalogue import Product
from meterline.core.errors import Invalid
from meterline.core.ledger.balances import net_balance
from meterline.core.ledger.grant import AccessType, Grant, GrantKind, GrantSegment
from meterline.core.money import USD_CENTS
from meterline.services import credit_types, customers, grant_views, products
from meterline.services.grant_views import GrantView, Wanted
from meterline.services.paging import Page, PageRequest
from meterline.services.workspace import Workspace
from meterline.store import grant_pages as store
from meterline.store.database import Connection, Row
from meterline.store.grant_pages import GrantFilter
from meterline.store.grants import grant_of

__all__ = [
    "BalanceFilter",
    "BalanceType",
    "GrantFilter",
    "InvoiceInclusion",
    "Listing",
    "NetBalance",
    "net",
    "page",
]


class BalanceType(StrEnum):
    """Which grants a net balance counts."""

    PREPAID_COMMIT = "PREPAID_COMMIT"
    POSTPAID_COMMIT = "POSTPAID_COMMIT"
    CREDIT = "CREDIT"


class InvoiceInclusion(StrEnum):
    """Whether what drafts are about to draw counts."""

    FINALIZED = "FINALIZED"
    FINALIZED_AND_DRAFT = "FINALIZED_AND_DRAFT"


@dataclass(frozen=True, slots=True)
class Listing:
    """Which grants a list shows; dates are about their segments, None does not restrict."""

    grants: GrantFilter
    access_type: AccessType | None = None
    covering: datetime | None = None
    starting_at: datetime | None = None
    effective_before: datetime | None = None
    exclude_zero_balances: bool = False

    def shows(self, grant: Grant) -> bool:
        """Whether the grant's terms are what is asked for."""
        if self.access_type not in (None, grant.access_type):
            return False
        return any(self._in_time(segment) for segment in grant.segments) or not (
            self.covering or self.starting_at or self.effective_before
        )

    def _in_time(self, segment: GrantSegment) -> bool:
        covers = self.covering is None or (
            segment.starting_at <= self.covering < segment.ending_before
        )
        is_late = self.starting_at is None or segment.ending_before > self.starting_at
        is_early = self.effective_before is None or segment.starting_at < self.effective_before
        return covers and is_late and is_early


@dataclass(frozen=True, slots=True)
class BalanceFilter:
    """Which grants a net balance counts; fields are ANDed, None does not restrict."""

    types: frozenset[BalanceType] | None = None
    ids: frozenset[UUID] | None = None
    custom_fields: Mapping[str, str] | None = None

    def counts(self, grant: Grant, custom_fields: Mapping[str, str]) -> bool:
        """Whether the grant is one of these."""
        if self.types is not None and _balance_type(grant.kind) not in self.types:
            return False
        if self.ids is not None and grant.id not in self.ids:
            return False
        wanted = (self.custom_fields or {}).items()
        return all(custom_fields.get(key) == value for key, value in wanted)


@dataclass(frozen=True, slots=True)
class NetBalance:
    """What a net balance is asked of. `filters` are ORed; none: everything."""

    customer_id: UUID
    credit_type_id: UUID | None = None
    access_type: AccessType = AccessType.SPEND
    filters: Sequence[BalanceFilter] = ()
    inclusion: InvoiceInclusion = InvoiceInclusion.FINALIZED_AND_DRAFT


async def page(
    workspace: Workspace, listing: Listing, wanted: Wanted, request: PageRequest
) -> tuple[Page[GrantView], Mapping[UUID, Product]]:
    """A customer's commits and credits by age, and the products they hang on. Raises NotFound for the customer."""
    read = replace(wanted, balance=wanted.balance or listing.exclude_zero_balances)
    async with grant_views.reading(workspace, listing.grants.customer_id, read) as (
        connection,
        books,
    ):
        await customers.require(connection, listing.grants.customer_id)
        rows = await store.of_customer(connection, listing.grants, request.after_row(2))
        found: list[tuple[GrantView, Row]] = []
        for row in rows:
            grant = grant_of(row)
            if not listing.shows(grant):
                continue
            if listing.exclude_zero_balances and not books.balance(grant):
                continue
            found.append((books.view(grant, row), row))
            if len(found) == request.fetch:
                break
        cut = request.page_of(found, _age)
        views = [view for view, _ in cut.rows]
        sold = await products.load(connection, {view.grant.product_id for view in views})
    if not wanted.balance:
        views = [replace(view, balance=None) for view in views]
    return Page(views, cut.next_page), sold


async def net(workspace: Workspace, wanted: NetBalance) -> Decimal:
    """What a customer can spend in all. Raises NotFound for the customer, Invalid for an unknown credit type.

    In the credit type asked for (US cents if none), or in units where `access_type` is QUANTITY.
    """
    unit = wanted.credit_type_id or USD_CENTS.id
    async with grant_views.reading(workspace, wanted.customer_id, Wanted(balance=True)) as (
        connection,
        books,
    ):
        await customers.require(connection, wanted.customer_id)
        if not await credit_types.load(connection, [unit]):
            raise Invalid("credit_type_id", "names no credit type")
        grants = [books.spendable(one) for one in await _counted(connection, wanted, unit)]
    entries = [entry for grant in grants for entry in books.posted.get(grant.id, ())]
    pending = [
        entry
        for grant in grants
        for entry in books.pending.get(grant.id, ())
        if wanted.inclusion is InvoiceInclusion.FINALIZED_AND_DRAFT
    ]
    return net_balance(grants, entries, at=workspace.now, pending=pending)


async def _counted(connection: Connection, wanted: NetBalance, unit: UUID) -> list[Grant]:
    rows = await store.of_customer(connection, GrantFilter(wanted.customer_id, of_contracts=True))
    counted = []
    for row in rows:
        grant = grant_of(row)
        if grant.access_type is not wanted.access_type:
            continue
        if grant.access_type is AccessType.SPEND and grant.credit_type.id != unit:
            continue
        filters = wanted.filters or (BalanceFilter(),)
        if any(one.counts(grant, row["custom_fields"]) for one in filters):
            counted.append(grant)
    return counted


def _balance_type(kind: GrantKind) -> BalanceType:
    return BalanceType.CREDIT if kind is GrantKind.CREDIT else BalanceType(f"{kind}_COMMIT")


def _age(found: tuple[GrantView, Row]) -> tuple[str, ...]:
    view, row = found
    return (row["created_at"].isoformat(), str(view.grant.id))
