"""What subscriptions charge: by cycle, with what is added in mid-cycle.

Source: docs/decisions/0011-charges-beside-usage.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from meterline.core.catalogue import Rate
from meterline.core.charges.cycles import Cycle
from meterline.core.contract import Contract
from meterline.core.contract.subscription import Subscription
from meterline.core.money import CreditType
from meterline.core.period import Period
from meterline.core.rating.piece import Piece, PriceModel

PriceAt = Callable[[UUID, str, datetime], Rate | None]
"""(product id, billing frequency, instant) -> the rate in force, overrides applied; None: no such rate."""


@dataclass(frozen=True, slots=True)
class SubscriptionCharge:
    """The charge for a cycle's quantity (`before` 0), or for an increase in it from `before` to `after`.

    `model` is the rate's, prorated to `service_period`: its pieces are the lines. `due`: when it is collected.
    `statement`: the billing period whose usage invoice carries it, if that is still a draft; else, and where it is
    None, the SCHEDULED invoice of `due` does. The id stays the same whenever the charge is computed.
    """

    id: UUID
    subscription: Subscription
    rate: Rate
    cycle: Cycle
    service_period: Period
    before: Decimal
    after: Decimal
    model: PriceModel
    due: datetime
    statement: Period | None
    is_prorated: bool

    @property
    def credit_type(self) -> CreditType:
        """What amounts are in."""
        return self.rate.credit_type

    @property
    def quantity(self) -> Decimal:
        """How many seats are charged."""
        raise NotImplementedError

    @property
    def pieces(self) -> list[Piece]:
        """The lines: one, or one a tier."""
        raise NotImplementedError

    @property
    def amount(self) -> Decimal:
        """The sum of the lines."""
        raise NotImplementedError


def subscription_charges(
    contract: Contract, price_at: PriceAt, first_due: datetime, last_due: datetime
) -> list[SubscriptionCharge]:
    """Return the charges of all subscriptions of `contract` due in first_due <= t <= last_due.

    In order of (due, subscription, start of service). Those for a quantity of zero are left out, those at a price of
    zero are not.
    """
    raise NotImplementedError


def charges_on_statement(
    contract: Contract, price_at: PriceAt, statement: Period
) -> list[SubscriptionCharge]:
    """Return the charges that belong on the usage invoice of `statement`, a billing period of `contract`."""
    raise NotImplementedError


def unbilled(
    charges: Iterable[SubscriptionCharge], billed: Mapping[UUID, Decimal]
) -> list[SubscriptionCharge]:
    """Return what of `charges` is on no final invoice yet: whole charges, and what seats came late to billed ones.

    `billed`: quantities on FINALIZED invoices (not VOID ones), added up by charge id. Nothing is ever taken back.
    """
    raise NotImplementedError
