"""What requests name beside what they make: credit types and products, read in one transaction.

Neither is ever deleted and a credit type never changes, so reading them before the transaction that writes is sound.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from meterline.core.catalogue import Product
from meterline.core.money import CreditType
from meterline.services import credit_types, products
from meterline.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class References:
    """What was found; unknown ids are left out."""

    credit_types: Mapping[UUID, CreditType]
    products: Mapping[UUID, Product]


async def load(
    workspace: Workspace, credit_type_ids: Collection[UUID], product_ids: Collection[UUID]
) -> References:
    """Read what is named, archived ones too."""
    if not credit_type_ids and not product_ids:
        return References({}, {})
    async with workspace.transaction() as connection:
        return References(
            await credit_types.load(connection, credit_type_ids),
            await products.load(connection, product_ids),
        )
