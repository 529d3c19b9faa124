"""What grants can pay for, and what they paid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

from meterline.core.decimals import total
from meterline.core.ledger.grant import Grant
from meterline.core.money import CreditType
from meterline.core.period import Period
from meterline.core.rating.piece import Piece, PriceModel


class ChargeClass(IntEnum):
    """What kind of line it is; grants are spent on lower ones first.

    CONVERSION is what is left of usage in a custom unit, in the currency it is converted to.
    """

    USAGE = 0
    SUBSCRIPTION = 1
    COMPOSITE = 2
    CONVERSION = 3


@dataclass(frozen=True, slots=True)
class Chargeable:
    """A charge before grants: the move of a counter from `before` to `after` within `period`, priced by `list_model`.

    For what has no counter: from 0 to the quantity, by `Flat(unit_price)`. `commit_model`: the model while a given
    grant pays (None: the list's). `product_id` None: of no product, so only grants without restriction pay for it.
    `period`: of the usage, cut where a segment of a grant begins or ends; of the cycle, for a subscription.
    """

    charge_class: ChargeClass
    product_id: UUID | None
    product_name: str
    credit_type: CreditType
    period: Period
    before: Decimal
    after: Decimal
    list_model: PriceModel
    commit_model: Callable[[Grant], PriceModel] | None = None
    product_tags: tuple[str, ...] = ()
    pricing_group_values: Mapping[str, str | None] = field(default_factory=dict)
    presentation_group_values: Mapping[str, str | None] = field(default_factory=dict)


class Payment(NamedTuple):
    """What one segment of a grant pays of a charge: `pieces`, at the price at which it pays for them.

    `drawn` is taken from the segment, in the grant's own measure: for SPEND the sum of the pieces' amounts, for
    QUANTITY that of their quantities.
    """

    grant: Grant
    segment_id: UUID
    pieces: tuple[Piece, ...]
    drawn: Decimal

    @property
    def amount(self) -> Decimal:
        """What the pieces come to, in the charge's credit type: what comes off the invoice."""
        return total(piece.amount for piece in self.pieces)


class Drawn(NamedTuple):
    """A charge after grants: `payments` in the order they were made, and the pieces nobody paid for, at list price."""

    chargeable: Chargeable
    payments: tuple[Payment, ...]
    unpaid: tuple[Piece, ...]
