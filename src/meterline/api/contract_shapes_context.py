"""What turning the wire's parts of contracts into terms takes, and showing them again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from meterline.api.requests import Reply
from meterline.core.catalogue import Product
from meterline.core.errors import Invalid
from meterline.core.money import USD_CENTS, CreditType
from meterline.services import references
from meterline.services.workspace import Workspace

Anything = msgspec.Raw | UnsetType


class CreditTypeRef(Reply):
    """A credit type as parts name it."""

    id: UUID
    name: str


class ProductRef(Reply):
    """A product as parts name it."""

    id: UUID
    name: str


class Ref(Reply):
    """Something named by its id alone."""

    id: UUID


@dataclass(frozen=True, slots=True)
class Making:
    """The ids, the time, and what is named: credit types, products, and the parts of this request by temporary id."""

    new_id: Callable[[], UUID]
    now: datetime
    units: Mapping[UUID, CreditType]
    products: Mapping[UUID, Product]
    temporary: dict[str, UUID] = field(default_factory=dict)

    def unit(self, place: str, credit_type_id: UUID | None) -> CreditType:
        """The credit type of this id; US cents where none is given. Raises Invalid."""
        if credit_type_id is None:
            return USD_CENTS
        if credit_type_id not in self.units:
            raise Invalid(place, "names no credit type")
        return self.units[credit_type_id]

    def product(self, place: str, product_id: UUID) -> UUID:
        """The id of a product that exists. Raises Invalid."""
        if product_id not in self.products:
            raise Invalid(place, "names no product")
        return product_id

    def part_id(self, place: str, temporary_id: str | None) -> UUID:
        """A new id, known from here on by the part's temporary id too. Raises Invalid for one used twice."""
        identity = self.new_id()
        if temporary_id is not None:
            if not temporary_id:
                raise Invalid(f"{place}temporary_id", "must not be empty")
            if temporary_id in self.temporary:
                raise Invalid(f"{place}temporary_id", f"{temporary_id!r} is used twice")
            self.temporary[temporary_id] = identity
        return identity

    def named(self, place: str, text: str) -> UUID:
        """The part a temporary id or an id names. Raises Invalid."""
        if text in self.temporary:
            return self.temporary[text]
        try:
            return UUID(text)
        except ValueError as error:
            raise Invalid(place, "is neither an id nor a temporary_id of this request") from error


@dataclass(frozen=True, slots=True)
class Showing:
    """What parts are shown with: the products they name, and the time."""

    products: Mapping[UUID, Product]
    now: datetime

    def product(self, product_id: UUID) -> ProductRef:
        """A product with its present name."""
        return ProductRef(id=product_id, name=self.products[product_id].at(self.now).name)


async def making_of(workspace: Workspace, body: msgspec.Struct) -> Making:
    """What `body` takes: everything it names is looked up at once."""
    units: set[UUID] = set()
    product_ids: set[UUID] = set()
    for name, identity in _named(body):
        if name == "credit_type_id":
            units.add(identity)
        elif name in ("product_id", "applicable_product_ids"):
            product_ids.add(identity)
    found = await references.load(workspace, units, product_ids)
    return Making(workspace.new_id, workspace.now, found.credit_types, found.products)


def credit_type(unit: CreditType) -> CreditTypeRef:
    """A credit type as parts name it."""
    return CreditTypeRef(id=unit.id, name=unit.name)


def says_nothing(given: Any) -> bool:
    """Whether a field that is not looked into is absent, null or empty."""
    return given is UNSET or bytes(given).strip() in (b"null", b"[]", b"{}")


def whole(place: str, number: Decimal, *, least: int = 0, most: int = 1_000_000_000) -> int:
    """A whole number. Raises Invalid."""
    if not (number.is_finite() and number == number.to_integral_value()):
        raise Invalid(place, "must be a whole number")
    if not least <= number <= most:
        raise Invalid(place, f"must be from {least} to {most}")
    return int(number)


def _named(value: Any, name: str = "") -> Iterator[tuple[str, UUID]]:
    """Yield every id in a body with the name of the field it is in."""
    if isinstance(value, msgspec.Struct):
        for inner in value.__struct_fields__:
            yield from _named(getattr(value, inner), inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner, name)
    elif isinstance(value, UUID):
        yield name, value
