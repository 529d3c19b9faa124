"""Short ways to build grants and what they pay for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.unit.core.builders import NOVEMBER, uid, utc

from meterline.core.contract import Contract
from meterline.core.contract.schedule import InvoiceSchedule, ScheduleItem
from meterline.core.ledger.chargeable import Chargeable, ChargeClass
from meterline.core.ledger.grant import Grant, GrantKind, GrantSegment
from meterline.core.ledger.pool import Pool
from meterline.core.ledger.posting import segment_start
from meterline.core.money import USD_CENTS
from meterline.core.period import MONTHLY, StatementSchedule
from meterline.core.rating.flat import Flat

YEAR = (utc(2026, 1, 1), utc(2027, 1, 1))
CONTRACT = Contract(
    uid(200), uid(300), uid(100), *YEAR, StatementSchedule(MONTHLY, utc(2026, 1, 1))
)


def segment(
    number: int, amount: str, starting_at: datetime = YEAR[0], ending_before: datetime = YEAR[1]
) -> GrantSegment:
    """A segment that lasts the year 2026."""
    return GrantSegment(uid(number), Decimal(amount), starting_at, ending_before)


def grant(
    number: int,
    amount: str = "1000",
    *,
    kind: GrantKind = GrantKind.CREDIT,
    segments: Sequence[GrantSegment] | None = None,
    **fields: Any,
) -> Grant:
    """A grant of the year 2026 on the contract; its one segment has the number 1000 + its own."""
    return Grant(
        id=uid(number),
        customer_id=CONTRACT.customer_id,
        kind=kind,
        product_id=uid(90),
        credit_type=fields.pop("credit_type", USD_CENTS),
        segments=tuple(segments or [segment(1000 + number, amount)]),
        created_at=fields.pop("created_at", YEAR[0]),
        contract_id=fields.pop("contract_id", CONTRACT.id),
        **fields,
    )


def paid(amount: str) -> InvoiceSchedule:
    """An invoice of `amount` at the start of the year."""
    return InvoiceSchedule(USD_CENTS, (ScheduleItem(uid(80), YEAR[0], Decimal(amount)),))


def pool(*grants: Grant, contract: Contract = CONTRACT) -> Pool:
    """The pool of a contract when every segment has just begun."""
    entries = [segment_start(one, part) for one in grants for part in one.segments]
    return Pool.of(grants, entries, contract)


def usage(after: str, price: str = "1", **fields: Any) -> Chargeable:
    """Usage of November from 0 to `after`, at a flat price."""
    given: dict[str, Any] = {
        "charge_class": ChargeClass.USAGE,
        "product_id": uid(10),
        "product_name": "Calls",
        "credit_type": USD_CENTS,
        "period": NOVEMBER,
        "before": Decimal(0),
        "after": Decimal(after),
        "list_model": Flat(Decimal(price)),
    }
    return Chargeable(**(given | fields))
