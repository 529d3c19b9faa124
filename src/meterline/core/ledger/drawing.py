"""Drawdown: which grant pays for which charge. Source: metronome's burn-down order; docs/decisions/0009-drawdown.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from meterline.core.ledger.chargeable import Chargeable, Drawn
from meterline.core.ledger.entry import LedgerEntry
from meterline.core.ledger.pool import Pool


def draw(chargeables: Sequence[Chargeable], pool: Pool) -> tuple[list[Drawn], Pool]:
    """Return what each charge becomes, in the order given, and the pool that is left.

    Charges are paid for in consuming order, whatever the order given: by class, start, unit price (highest first), name.
    """
    raise NotImplementedError


def deductions(drawn: Iterable[Drawn]) -> dict[tuple[UUID, UUID], Decimal]:
    """Return {(grant id, segment id): what is taken from it}, in the order first drawn."""
    raise NotImplementedError


def deduction_entries(
    drawn: Iterable[Drawn], *, invoice_id: UUID, contract_id: UUID, at: datetime
) -> list[LedgerEntry]:
    """Return the AUTOMATED_INVOICE_DEDUCTION entries of an invoice; `at`: the end of its period."""
    raise NotImplementedError
