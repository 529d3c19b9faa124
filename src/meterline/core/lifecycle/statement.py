"""Statements: the billing periods of a customer's contracts that get a USAGE invoice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from meterline.core.contract import Contract
from meterline.core.lifecycle.account import Account
from meterline.core.period import Period
from meterline.core.rating import RatePlan


@dataclass(frozen=True, slots=True)
class Statement:
    """A billing period of a contract, with what rating it takes.

    `invoice_id`: of its invoice, draft and final alike. `plan`: its prices, cut where a grant begins or ends; usage
    is read by `plan.cuts`. Final from `final_at` on.
    """

    contract: Contract
    period: Period
    invoice_id: UUID
    final_at: datetime
    plan: RatePlan

    @property
    def order(self) -> tuple[datetime, datetime, datetime, UUID]:
        """The place among a customer's statements: they draw on his grants in this order."""
        return (self.final_at, self.period.start, self.contract.starting_at, self.contract.id)


def open_statements(account: Account, now: datetime) -> list[Statement]:
    """Return the statements that have begun at `now` and have no stored invoice, in final order."""
    raise NotImplementedError


def statement_of(account: Account, invoice_id: UUID) -> Statement | None:
    """Return the statement of a USAGE invoice, stored (FINALIZED, VOID, regenerated) or not; None if there is none.

    For reading its usage: breakdowns, explanations, `regenerate`.
    """
    raise NotImplementedError
